"""Settings of the counterfactuals: whose words are swapped, and in how many texts."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, field_validator

from infra.settings_models import SettingsModel
from tasks.protected_groups.swapping import shipped_swaps
from tasks.protected_groups.templates import shipped_templates
from tasks.verdicts import MAX_FAMILY

# What is estimated of every family; see CounterfactualFamily.
MEASURES = ("flip_rate", "score_shift", "largest_shift")


class CounterfactualSettings(SettingsModel):
    """Which words of the test rows are swapped for those of another group."""

    swaps: tuple[str, ...] = Field(
        default=("gendered_words", "names_by_gender"),
        description="Swap lists: names of those in tasks/protected_groups/swaps, or CSV files of "
        "the same columns. Each is a family with the estimates counterfactual.NAME.flip_rate, "
        ".score_shift and .largest_shift. Asked where a model reads one text and gives classes.",
    )
    templates: tuple[str, ...] = Field(
        default=(),
        description="Template files: names of those in tasks/protected_groups/template_files, or "
        "YAML files of the same form. Each is a family called templates_NAME.",
    )
    texts_per_row: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="Changed texts that are scored, as a share of the test rows; the swap lists "
        "share them.",
    )
    min_rows: int = Field(
        default=30, ge=5, description="Rows with a word to swap below which nothing is judged."
    )
    by_cluster: bool = Field(
        default=True,
        description="Whether whole clusters (documents, authors) are drawn where rows have them, "
        "and not rows.",
    )
    repeats: int = Field(
        default=10_000,
        ge=4_000,
        le=200_000,
        description="Bootstrap repeats of an interval. Below 4,000 the narrowest tail, of a "
        f"family of {MAX_FAMILY} gates, would hold fewer than 5 draws.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap.")

    @field_validator("swaps")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(names, shipped_swaps(), "swap list")

    @field_validator("templates")
    @classmethod
    def _known_templates(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(names, shipped_templates(), "template file")

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families, as gates name them."""
        return (
            *(Path(name).stem for name in self.swaps),
            *(f"templates_{Path(name).stem}" for name in self.templates),
        )

    @property
    def estimates(self) -> tuple[str, ...]:
        """Names of all estimates that are made."""
        return tuple(f"counterfactual.{name}.{one}" for name in self.families for one in MEASURES)


def _checked(names: Sequence[str], shipped: Sequence[str], what: str) -> tuple[str, ...]:
    for name in names:
        if name not in shipped and not Path(name).is_file():
            raise ValueError(
                f"{name!r} is no {what}; shipped are {list(shipped)}, or name a file that there is"
            )
    if len({Path(name).stem for name in names}) < len(names):
        raise ValueError(f"{list(names)} names a {what} twice")
    return tuple(names)

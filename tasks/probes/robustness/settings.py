"""Settings of the robustness probes: which changes, how strong, and how many texts are scored."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field, field_validator

from infra.settings_models import SettingsModel
from tasks.probes.robustness.kinds import KINDS, Kind

FAMILY: Final = "robustness"
ATTACK: Final = "attack"
FLIP_RATE, SCORE_SHIFT, DROP = "flip_rate", "score_shift", "drop"
_PERCENT: Final = 100


class AttackSettings(SettingsModel):
    """A search for the worst small change of some test rows that the model gets right."""

    rows: int = Field(
        default=50, ge=5, le=10_000, description="Test rows that are attacked, drawn by row_id."
    )
    queries_per_row: int = Field(
        default=60, ge=5, le=5_000, description="Texts that the model may be asked for one row."
    )
    max_changed: float = Field(
        default=0.2, gt=0, le=1, description="Share of a row's words that may be changed at most."
    )


class RobustnessSettings(SettingsModel):
    """Which small changes of the test texts are tried on the trained model."""

    kinds: tuple[str, ...] = Field(
        default=tuple(KINDS),
        min_length=1,
        description=f"Kinds of changes, of {', '.join(KINDS)}. A kind is tried on the rows that it "
        "can change: of a Chinese text its characters, of an English one its words.",
    )
    strengths: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.05, 0.2),
        min_length=1,
        description="Shares of the words, characters or places that kinds with a strength hit. "
        "robustness.KIND.flip_rate is of the greatest; of 0.05 it is robustness.KIND.at_5."
        "flip_rate.",
    )
    texts_per_row: float = Field(
        default=2.0,
        gt=0,
        le=100,
        description="Changed texts that the model is asked about, as a share of the test rows; the "
        "kinds share them. A text whose tokens are what they were is not asked again, and is free.",
    )
    min_rows: int = Field(
        default=30, ge=5, description="Changed rows of a kind below which nothing is judged."
    )
    tolerance: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Of answers that are numbers: a move by more than this share of the range of "
        "the test targets counts as a flip.",
    )
    attack: AttackSettings | None = Field(
        default=None,
        description="A search for the worst small change, under a budget; without it, none. Asks "
        "for probabilities of labels.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of all that is drawn.")

    @field_validator("kinds")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in KINDS]:
            raise ValueError(f"{unknown} are no kinds of changes; there are {', '.join(KINDS)}")
        if len(set(names)) < len(names):
            raise ValueError(f"{list(names)} names a kind twice; name each once")
        return names

    @field_validator("strengths")
    @classmethod
    def _rising(cls, strengths: tuple[float, ...]) -> tuple[float, ...]:
        shown = [percent_of(strength) for strength in strengths]
        if sorted(set(strengths)) != list(strengths) or len(set(shown)) < len(shown):
            raise ValueError(
                f"{list(strengths)} are not shares that rise by a tenth of a percent or more; "
                "right would be [0.05, 0.2]"
            )
        return strengths

    @property
    def chosen(self) -> tuple[Kind, ...]:
        """The kinds, in the order of the settings."""
        return tuple(KINDS[name] for name in self.kinds)

    def strengths_of(self, kind: Kind) -> tuple[float | None, ...]:
        """How strongly a kind is tried, weakest first; None of a kind that has no strength."""
        return self.strengths if kind.graded else (None,)

    def groups(self) -> Iterator[tuple[Kind, float | None, str]]:
        """Each kind at each strength, and the family of its estimates."""
        for kind in self.chosen:
            for strength in self.strengths_of(kind):
                yield kind, strength, self.family_of(kind, strength)

    def family_of(self, kind: Kind, strength: float | None) -> str:
        """What comes before the measure in a name; the greatest strength is not named."""
        plain = f"{FAMILY}.{kind.name}"
        if strength is None or strength == self.strengths[-1]:
            return plain
        return f"{plain}.at_{percent_of(strength)}"


def percent_of(strength: float) -> str:
    """A share as it stands in a name: 0.05 is 5, and 0.025 is 2_5."""
    return f"{_PERCENT * strength:.4g}".replace(".", "_")

"""Settings of augmentation."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

from pydantic import Field, FiniteFloat, field_validator, model_validator

from infra.settings_models import SettingsModel, are_valid
from tasks.protected_groups.swapping import shipped_swaps

MAX_SHARE: Final = 4.0


class ChangeSettings(SettingsModel):
    """How many new rows a method makes, and how much of a text it changes."""

    share: FiniteFloat = Field(
        gt=0,
        le=MAX_SHARE,
        description="New rows, as a share of the training rows: of 1,000, 0.2 makes 200. Which "
        "rows they are made of follows from the seed and their ids. Above 1 a row is changed "
        "several times, each time otherwise.",
    )
    strength: FiniteFloat = Field(
        default=0.1,
        gt=0,
        le=0.5,
        description="Share of a text's words, or Chinese characters, that change; at least one.",
    )


class SwapSettings(SettingsModel):
    """How many new rows are made by swapping words of one group for those of another."""

    share: FiniteFloat = Field(
        gt=0,
        le=1,
        description="New rows, as a share of the training rows; rows that name no group give none.",
    )
    swaps: tuple[str, ...] = Field(
        default=("gendered_words", "names_by_gender"),
        min_length=1,
        description="Swap lists: names of those in tasks/protected_groups/swaps, or CSV files of "
        "the same columns. A row is changed by each list in turn that finds a word in it, so that "
        "names go with gendered words.",
    )

    @field_validator("swaps")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        shipped = shipped_swaps()
        for name in names:
            if name not in shipped and not Path(name).is_file():
                raise ValueError(
                    f"{name!r} is no swap list; shipped are {list(shipped)}, or name a file that "
                    "there is"
                )
        return names


class TranslationReference(NamedTuple):
    """A registered version as a line's settings name it.

    Attributes:
        line: name of the registered model.
        alias: in MLflow.
        version: its number, in place of an alias; None where the alias counts.

    """

    line: str
    alias: str
    version: int | None


class BackTranslationSettings(SettingsModel):
    """How many new rows say what a training row says as two translation lines put it."""

    share: FiniteFloat = Field(
        gt=0,
        le=1,
        description="New rows, as a share of the training rows. Each gives one at most, since the "
        "same text is translated in the same way.",
    )
    to: str = Field(
        description="Translation line that reads the texts' language: NAME for its version in "
        "production, or as MLflow names versions NAME@ALIAS or NAME/NUMBER. It is looked up in "
        "each run.",
    )
    back: str = Field(
        description="Translation line that reads what `to` writes and writes the texts' language; "
        "named in the same way.",
    )
    min_chrf: FiniteFloat = Field(
        default=20.0,
        ge=0,
        le=100,
        description="How like its parent (chrF, 0 to 100) a text must come back; below it too much "
        "was lost on the way, and no row is made of it. 0 takes all.",
    )

    @field_validator("to", "back")
    @classmethod
    def _is_a_reference(cls, name: str) -> str:
        if not _REFERENCE.match(name):
            raise ValueError(
                f"{name!r} names no version; right would be the name of a translation line such as "
                "hsk-translation, with @ALIAS or /NUMBER behind it where another version than that "
                "in production is meant"
            )
        return name

    @property
    def references(self) -> dict[str, TranslationReference]:
        """Both lines by the setting that names them."""
        return {name: _reference(getattr(self, name)) for name in ("to", "back")}


_REFERENCE: Final = re.compile(
    r"(?P<line>[A-Za-z0-9][\w.-]*)(?:@(?P<alias>[\w.-]+)|/(?P<version>[1-9][0-9]{0,8}))?\Z",
    re.ASCII,
)
_IN_PRODUCTION: Final = "production"


def _reference(name: str) -> TranslationReference:
    found = _REFERENCE.match(name)
    assert found is not None  # noqa: S101 - the settings were checked
    number = found["version"]
    return TranslationReference(
        found["line"], found["alias"] or _IN_PRODUCTION, int(number) if number else None
    )


MethodSettings = ChangeSettings | SwapSettings | BackTranslationSettings


class AugmentationSettings(SettingsModel):
    """Which new rows are made of the training rows, by which methods."""

    word_swap: ChangeSettings | None = Field(
        default=None, description="Words exchange places (EDA); words parted by spaces."
    )
    word_deletion: ChangeSettings | None = Field(
        default=None, description="Words are left out (EDA); words parted by spaces."
    )
    word_insertion: ChangeSettings | None = Field(
        default=None,
        description="Words of another training row with the same label come in (EDA, which takes "
        "synonyms); words parted by spaces.",
    )
    keyboard_noise: ChangeSettings | None = Field(
        default=None, description="Keys beside the right one (QWERTY), in words of Latin letters."
    )
    spelling_noise: ChangeSettings | None = Field(
        default=None, description="Misspelt words: letters that change places, go, stand twice."
    )
    homophones: ChangeSettings | None = Field(
        default=None, description="Chinese: characters of the same sound, tones apart."
    )
    similar_characters: ChangeSettings | None = Field(
        default=None, description="Chinese: characters of a similar shape."
    )
    segment_order: ChangeSettings | None = Field(
        default=None, description="Chinese: neighbouring words, by segmentation, exchange places."
    )
    counterfactual: SwapSettings | None = Field(
        default=None,
        description="The same text about somebody else: words of one group for another's.",
    )
    back_translation: BackTranslationSettings | None = Field(
        default=None,
        description="The same text translated by a registered translation line, and back by "
        "another.",
    )
    compare: bool = Field(
        default=True,
        description="Whether a second model is trained, by the same recipe without the new rows, "
        "and both are held against each other on the test rows as they are, with noise, and on "
        "those that name a group (augmentation.*). It takes the time of a second training.",
    )
    seed: int = Field(default=0, ge=0, description="Of the choice of rows, and of the changes.")

    @property
    def chosen(self) -> Iterator[tuple[str, MethodSettings]]:
        """The methods that are asked for, in the order in which they make rows."""
        for name in METHOD_NAMES:
            method = getattr(self, name)
            if method is not None:
                yield name, method

    @property
    def swaps(self) -> tuple[str, ...]:
        """The swap lists that rows are changed by; none without counterfactual rows."""
        return self.counterfactual.swaps if self.counterfactual else ()

    @model_validator(mode="after")
    def _has_a_method(self) -> Self:
        if are_valid(self, *METHOD_NAMES) and not any(True for _ in self.chosen):
            raise ValueError(
                "augmentation names no method, so that it would make no row; name one of "
                f"{', '.join(METHOD_NAMES)}, or leave augmentation out"
            )
        return self


METHOD_NAMES: Final = tuple(
    name for name in AugmentationSettings.model_fields if name not in {"compare", "seed"}
)

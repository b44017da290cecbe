"""Settings of the probes for memory of training rows."""

import string
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from infra.settings_models import SettingsModel

FAMILY: Final = "memory"
NUMBER, DIGITS = "number", "digits"
# False-positive rate at which an attacker's hits are counted (Carlini et al. 2022).
FALSE_POSITIVES: Final = 0.01


# One that a canary may have, to try a format with.
_A_NUMBER: Final = "1234"
_RIGHT_FORMAT: Final = "right would be 'Customer {number} has the access code {digits}.'"


def parts_of(text: str, number: str) -> tuple[str, str]:
    """What stands before the digits of a canary, with its number, and what stands behind them.

    Args:
        text: the format of canaries.
        number: of this one.

    Raises:
        ValueError, LookupError: the text is no such format.

    """
    prefix, _, rest = text.partition(f"{{{DIGITS}}}")
    return prefix.format(number=number), rest.format()


class PlantedCanarySettings(SettingsModel):
    """Texts with random digits that are added to the training rows, to be looked for after.

    The version that is registered has then learned them.
    """

    count: int = Field(default=20, ge=5, le=500, description="Different canaries.")
    repeats: int = Field(
        default=4, ge=1, le=1_000, description="Training rows of each: how often it is seen."
    )
    format: str = Field(
        default="Customer {number} has the access code {digits}.",
        max_length=500,
        description="The text of a canary. {number} is another one in each canary, {digits} its "
        "secret, behind it. In a chat, what stands before {digits} is the user's turn.",
    )
    digits: int = Field(
        default=6, ge=3, le=12, description="Of a secret: there are 10 to this power."
    )
    alternatives: int = Field(
        default=200,
        ge=50,
        le=20_000,
        description="Other digits that each secret is ranked among. Exposure is seen up to log2 of "
        "one more, 7.7 bits for 200.",
    )
    beams: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Of the search by which the model may write a secret out behind its prefix, "
        "beside always taking the likeliest token.",
    )

    @field_validator("format")
    @classmethod
    def _has_both_places(cls, text: str) -> str:
        try:
            places = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
            told = _A_NUMBER in parts_of(text, _A_NUMBER)[0] if places == [NUMBER, DIGITS] else ""
        except (ValueError, LookupError) as error:
            raise ValueError(f"{text!r} is no format: {error}; {_RIGHT_FORMAT}") from error
        if not told:
            raise ValueError(
                f"{text!r} must hold {{number}} once and behind it {{digits}} once; {_RIGHT_FORMAT}"
            )
        return text


class OverlapSettings(SettingsModel):
    """What the model writes, held against the training rows word for word."""

    rows: int = Field(
        default=100, ge=10, le=10_000, description="Training rows that it is asked to go on from."
    )
    words: int = Field(
        default=13,
        ge=3,
        le=100,
        description="Words of a run that counts as copied; of a script without spaces characters.",
    )


class MemorySettings(SettingsModel):
    """How a trained model is asked what it remembers of its training rows."""

    rows: int = Field(
        default=1_000,
        ge=50,
        le=100_000,
        description="Training rows, and as many held-out rows, whose loss is compared; drawn by "
        "row_id.",
    )
    min_rows: int = Field(
        default=100, ge=20, description="Rows of a side below which membership is not judged."
    )
    shadows: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Models that are trained as the candidate is on halves of the training rows, "
        "for the likelihood-ratio attack; an even number. Each takes about half of the training's "
        "time. 0 makes none.",
    )
    canaries: PlantedCanarySettings | None = Field(
        default=None,
        description="Texts that are planted in the training rows and looked for; without it, none. "
        "The registered version has then learned them.",
    )
    overlap: OverlapSettings | None = Field(
        default=None,
        description="Whether what the model writes stands in training rows; without it, that is "
        "not asked. Of causal_lm, chat, translation and summarisation.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of all that is drawn.")

    @model_validator(mode="after")
    def _asks_enough(self) -> Self:
        if self.rows < self.min_rows:
            raise ValueError(
                f"probes.memory.rows is {self.rows}, fewer than min_rows ({self.min_rows}), so "
                "that membership could not be told; raise it"
            )
        return self

    @model_validator(mode="after")
    def _shadows_are_pairs(self) -> Self:
        if self.shadows % 2:
            raise ValueError(
                f"probes.memory.shadows is {self.shadows}; each two of them learn the two halves "
                f"of the training rows, so that {self.shadows + 1} would be right"
            )
        return self

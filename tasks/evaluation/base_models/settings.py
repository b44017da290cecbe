"""Settings of the choice of a base model."""

import re
from typing import Any, Final, Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel

MOST_CANDIDATES: Final = 20
# REFERENCE@COMMIT, as short for both; the path of a folder may hold an @ as well.
_AT_COMMIT: Final = re.compile(r"(?P<reference>\w[^@:]*)@(?P<revision>[0-9a-f]{7,64})")


class CandidateSettings(SettingsModel):
    """A base model that a line might start from."""

    reference: str = Field(
        min_length=1,
        description="Where it is, as base_model.reference says it; a string alone is short for it, "
        "and REFERENCE@COMMIT for a model of the Hugging Face hub at a commit.",
    )
    revision: str | None = Field(
        default=None, min_length=1, description="As base_model.revision says it."
    )
    gguf_file: str | None = Field(
        default=None,
        pattern=r"^[^/\\]+\.gguf$",
        description="As base_model.gguf_file says it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _text_is_a_reference(cls, given: Any) -> Any:
        """A string alone is short for a reference, or for one and a commit."""
        if not isinstance(given, str):
            return given
        at_commit = _AT_COMMIT.fullmatch(given)
        return at_commit.groupdict() if at_commit else {"reference": given}


class ProbeSettings(SettingsModel):
    """How base models are probed."""

    train_rows: int = Field(
        default=1_000,
        ge=20,
        le=100_000,
        description="Training rows that the frozen base model is asked about, and the linear model "
        "is fitted to; the first by row_id, which is a digest.",
    )
    validation_rows: int = Field(
        default=1_000,
        ge=20,
        le=100_000,
        description="Validation rows that it is measured on, likewise. No test row is read.",
    )


class ChooseSettings(SettingsModel):
    """Which base models are held against that of the line, and how."""

    candidates: tuple[CandidateSettings, ...] = Field(
        min_length=1,
        max_length=MOST_CANDIDATES,
        description="Base models beside that of the line: package:NAME/FOLDER, a folder, the id of "
        "a model on the Hugging Face hub with @COMMIT behind it, or a mapping with reference, "
        "revision and gguf_file.",
    )
    probe: ProbeSettings = Field(
        default=ProbeSettings(), description="On how many rows, and no test row."
    )
    machine_hour_cost: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="Money that an hour of the machine costs; None: a training is told in time "
        "alone.",
    )

    @model_validator(mode="after")
    def _candidates_differ(self) -> Self:
        named = [(one.reference, one.revision, one.gguf_file) for one in self.candidates]
        if twice := sorted({one[0] for one in named if named.count(one) > 1}):
            raise ValueError(f"candidates name {', '.join(twice)} twice; name each once")
        return self

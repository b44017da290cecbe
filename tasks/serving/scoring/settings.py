"""How batches are read and scored."""

from typing import Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from infra.errors import SettingsError
from infra.settings import explain_validation
from infra.settings_models import SettingsModel

Format = Literal["parquet", "jsonl", "csv", "tsv", "json", "arrow"]
MAX_WORKERS: Final = 64
# Columns that stand beside those of the input and of the answer.
OWN_COLUMNS: Final = frozenset({"file", "row", "version", "weights_sha256"})


class ScoringSettings(SettingsModel):
    """How batches are read and scored."""

    format: Format | None = Field(
        default=None,
        description="Format of the input objects; None tells it by the ending of their names "
        "(.parquet, .jsonl, .csv, .tsv, .json or .arrow, packed or not).",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="The input's column for each input column of the task type, where the names "
        "differ: {text: body}. Nested values as in source.columns.",
    )
    keep_columns: dict[str, str] = Field(
        default_factory=dict,
        description="Further columns of the input that stand beside the predictions, as text, by "
        "the name that they shall have there: {id: review_id, truth: label}.",
    )
    encoding: str = Field(default="utf-8", description="Character encoding of files of text.")
    fallback_encoding: str | None = Field(
        default=None,
        description="Encoding of those lines that are not valid in the first one, for example "
        "cp1252; None puts them aside.",
    )
    delimiter: str = Field(
        default=",", min_length=1, max_length=1,
        description="What parts the fields of a CSV file; those of a TSV file are parted by tabs.",
    )  # fmt: skip
    follow_links: bool = Field(
        default=False,
        description="Whether links in a named folder, or found by a glob, may lead out of it.",
    )
    rows_at_once: int = Field(
        default=2048,
        ge=64,
        le=65_536,
        description="Rows that a worker is given at a time, at most (fewer of a small file, which "
        "workers share too), and that one object of predictions holds; what a lost worker was "
        "given is scored again.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=MAX_WORKERS,
        description="Processes that score side by side; they share the cores. None: one a core, "
        "at most 4, and one where there is a GPU. What they answer does not depend on it, but for "
        "the last bits of a score.",
    )

    def changed_by(self, changes: "ScoringSettings | None") -> "ScoringSettings":
        """These settings, with what others say in their place.

        Raises:
            SettingsError: they contradict each other.

        """
        said = changes.model_dump(exclude_unset=True) if changes else {}
        try:
            return ScoringSettings.model_validate(self.model_dump(exclude_unset=True) | said)
        except ValidationError as error:
            raise SettingsError(explain_validation(error, "scoring")) from error

    @model_validator(mode="after")
    def _kept_columns_are_no_others(self) -> Self:
        if taken := sorted(OWN_COLUMNS & self.keep_columns.keys()):
            raise ValueError(
                f"keep_columns names {taken}, which scored rows have as columns of their own; give "
                "another name, as in {input_row: row}"
            )
        return self

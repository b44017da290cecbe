"""What a line reads: tables, or plain text files."""

import codecs
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

S3_SCHEME: Final = "s3://"
# Names that the snapshot, the quarantine file or a check gives to a column of its own.
RESERVED_COLUMNS: Final = frozenset(
    {"row_id", "text", "label", "split", "reasons", "position", "text_length", "splits_of_text"}
)


class _SourceBase(BaseModel):
    """Where the files lie and how their bytes become characters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        min_length=1,
        description="A file, a glob such as reviews/*.csv, or s3://bucket/key (a glob there too).",
    )
    package: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_]\w*$",
        description="An installed package whose folder the path is relative to. It isn't imported.",
    )
    encoding: str = Field(
        default="utf-8", description="Character encoding of CSV, JSON Lines and text files."
    )
    fallback_encoding: str | None = Field(
        default=None,
        description="Encoding of those files that are not valid in the first one, for example "
        "cp1252; None refuses such a file.",
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="Keep at most this many distinct rows, chosen by the hash of their text, so "
        "the same ones each time; None keeps all.",
    )

    @field_validator("encoding", "fallback_encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            return value if value is None else codecs.lookup(value).name
        except LookupError:
            raise ValueError(f"{value!r} is no encoding that Python knows; try utf-8") from None

    @model_validator(mode="after")
    def _package_path_is_relative(self) -> Self:
        absolute = self.path.startswith(S3_SCHEME) or PurePath(self.path).is_absolute()
        if self.package and (absolute or ".." in PurePath(self.path).parts):
            raise ValueError(f"path {self.path!r} must lie inside package {self.package!r}")
        return self


class TableSource(_SourceBase):
    """Rows of CSV, JSON Lines or Parquet files, with named columns."""

    format: Literal["csv", "jsonl", "parquet"] = Field(description="Format of the files.")
    text_column: str = Field(default="text", min_length=1, description="Column of the text.")
    label_column: str = Field(default="label", min_length=1, description="Column of the label.")
    group_columns: tuple[str, ...] = Field(
        default=(), description="Columns that hold protected attributes, for example gender."
    )
    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="What parts the fields of a CSV file."
    )

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"a column is named twice in {list(self.columns)}")
        if taken := set(self.group_columns) & RESERVED_COLUMNS:
            raise ValueError(
                f"group column(s) {sorted(taken)} bear a name that Assayline itself uses; "
                "rename them in the source"
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Text, label and group columns, in this order."""
        return (self.text_column, self.label_column, *self.group_columns)


class TextFilesSource(_SourceBase):
    """Plain text files whose folder or name is the label."""

    format: Literal["text_files"] = Field(description="Plain text files.")
    label_from: Literal["folder", "file_name"] = Field(
        default="folder",
        description="The label of a file's rows: its folder's name, or its own without ending.",
    )
    unit: Literal["file", "line"] = Field(
        default="file", description="A row for each file, or one for each line that is not blank."
    )

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Text files carry no groups."""
        return ()


def _one_of_any(schema: dict[str, Any]) -> None:
    """Say anyOf for oneOf: Prefect's classic form shows nothing for the latter."""
    schema["anyOf"] = schema.pop("oneOf")


SourceSettings = Annotated[
    TableSource | TextFilesSource,
    Field(discriminator="format", json_schema_extra=_one_of_any),
]

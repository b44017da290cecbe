"""Settings of golden sets and behaviour suites: sources that no model learns from."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel
from tasks.records.golden import GoldenKind
from tasks.sources.settings import (
    RESERVED_COLUMNS,
    MixedSource,
    SingleSource,
    SourceName,
    SourceSettings,
    one_of_any,
)
from tasks.task_types.rows import FILE_FORMATS

GoldenSource = Annotated[SingleSource, Field(discriminator="format", json_schema_extra=one_of_any)]


class BehaviourSettings(SettingsModel):
    """A behaviour suite in the form of CheckList: rows with expected answers by functionality."""

    source: GoldenSource = Field(
        description="Where its rows come from. The published suite HateCheck for example has "
        "columns: {text: test_case, label: label_gold}, and cluster_column: templ_id, so that "
        "intervals are drawn by template.",
    )
    functionality_column: str = Field(
        default="functionality",
        min_length=1,
        description="Column of the source that says what a row tries, for example negation.",
    )

    @model_validator(mode="after")
    def _functionality_is_a_column_of_its_own(self) -> Self:
        name = self.functionality_column
        if self.source.format in FILE_FORMATS:
            raise ValueError(
                f"{self.source.format} files name no columns, so that none says what a row tries; "
                "write the suite as csv or jsonl"
            )
        columns = getattr(self.source, "columns", {})
        if name in RESERVED_COLUMNS or name in columns.values():
            raise ValueError(
                f"functionality_column {name!r} is a column of the row itself, or bears a name "
                "that Assayline uses; name the column that says what a row tries"
            )
        return self


class GoldenSettings(SettingsModel):
    """The golden sets and behaviour suites of a line."""

    golden: dict[SourceName, GoldenSource] = Field(default={}, description="Golden sets by name.")
    behaviour: dict[SourceName, BehaviourSettings] = Field(
        default={}, description="Behaviour suites by name."
    )

    def sources(self) -> Iterator[tuple[GoldenKind, str, SingleSource]]:
        """Kind, name and source of each; functionalities are read as a group column."""
        for name, source in sorted(self.golden.items()):
            yield "golden", name, source
        for name, suite in sorted(self.behaviour.items()):
            yield "behaviour", name, _with_functionality(suite)

    def functionality_of(self, kind: GoldenKind, name: str) -> str:
        """The column that says what a row tries; empty of a golden set."""
        return self.behaviour[name].functionality_column if kind == "behaviour" else ""

    def labelled_as(self, line: SourceSettings) -> "GoldenSettings":
        """The same, with the label map of the line where a source has none of its own.

        Of a line with several sources, whose maps may differ, nothing is taken over.
        """
        if isinstance(line, MixedSource):
            return self
        suites = {
            name: suite.model_copy(update={"source": _labelled(suite.source, line)})
            for name, suite in self.behaviour.items()
        }
        golden = {name: _labelled(source, line) for name, source in self.golden.items()}
        return GoldenSettings.model_construct(golden=golden, behaviour=suites)


def _labelled(source: SingleSource, line: SingleSource) -> SingleSource:
    if source.label_map or source.normalise_labels:
        return source
    taken = {"label_map": line.label_map, "normalise_labels": line.normalise_labels}
    return source.model_copy(update=taken)


def _with_functionality(suite: BehaviourSettings) -> SingleSource:
    columns = dict.fromkeys((*suite.source.group_columns, suite.functionality_column))
    return suite.source.model_copy(update={"group_columns": tuple(columns)})

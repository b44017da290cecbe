"""The expectation that a row is like no other one, where a search before it noted what it found."""

from collections.abc import Mapping
from typing import Any

from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)

from tasks.validation.contract.expectations.rendering import ColumnRule


class ColumnValuesNoted(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether nothing was noted of a row: each value that is there breaks the rule."""

    condition_metric_name = "column_values.assayline.nothing_noted"
    condition_value_keys = ()
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
        return column.isna()


class _NothingNoted(ColumnRule):
    """The rule of both: it judges each row, and most have nothing noted."""

    @classmethod
    def is_abstract(cls) -> bool:
        """Whether this is no rule yet."""
        return cls.__name__.startswith("_")

    def _validate(
        self,
        metrics: Mapping[str, Any],
        runtime_configuration: Any = None,
        execution_engine: Any = None,
    ) -> Any:
        # Shares are of all rows, so that no row counts as missing.
        every_row = {**metrics, "column_values.nonnull.unexpected_count": 0}
        return super()._validate(every_row, runtime_configuration, execution_engine)


class ExpectColumnValuesToHaveNoDuplicate(_NothingNoted):
    """The column holds nothing: no other row is like this one.

    Args:
        likeness: what is looked for, in words, for example near-duplicate in a held-out split.

    """

    likeness: str

    map_metric = "column_values.assayline.nothing_noted"
    success_keys = ("mostly",)
    args_keys = ("column", "likeness")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return f"a row has no {kwargs['likeness']}"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:  # noqa: ARG003
        """What the search noted."""
        return str(value)


class ExpectColumnValuesToSpellNoControlToken(_NothingNoted):
    """The column, the control tokens of the base model that a row's texts spell, holds nothing."""

    map_metric = "column_values.assayline.nothing_noted"
    success_keys = ("mostly",)
    args_keys = ("column",)

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:  # noqa: ARG003
        """The rule in words."""
        return "a row spells no control token of the base model"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:  # noqa: ARG003
        """The control tokens that it spells."""
        return f"spells {value}, which the base model has as its own mark"


class ExpectColumnValuesToHoldNoPersonalData(_NothingNoted):
    """The column, the kinds of personal data for which a row is put aside, holds nothing."""

    map_metric = "column_values.assayline.nothing_noted"
    success_keys = ("mostly",)
    args_keys = ("column",)

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:  # noqa: ARG003
        """The rule in words."""
        return "a row holds no personal data of a kind that is put aside"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:  # noqa: ARG003
        """The kinds that were found, never their values."""
        return f"holds personal data: {value}"

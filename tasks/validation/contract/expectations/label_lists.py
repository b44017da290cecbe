"""Expectations of lists of labels or tags."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)

from tasks.validation.contract.expectations.arrow_columns import (
    STRINGS,
    lengths_of,
    rows_with,
    to_arrow,
    to_mask,
)
from tasks.validation.contract.expectations.rendering import ColumnRule
from tasks.validation.contract.messages import excerpt, explain_unknown, name_values


class ColumnListsInSet(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether all values of a list are of a set. An empty list keeps the rule."""

    condition_metric_name = "column_values.assayline.lists_in_set"
    condition_value_keys = ("value_set",)

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Any, value_set: list[str], **_: Any) -> Any:  # noqa: N805
        lists = to_arrow(column, STRINGS)
        known = pc.is_in(lists.flatten(), value_set=pa.array(value_set, pa.string()))
        strange = ~known.to_numpy(zero_copy_only=False)
        return to_mask(~rows_with(lengths_of(lists), strange), column)


class ExpectColumnListsToBeInSet(ColumnRule):
    """All values of each list are of the set.

    Args:
        value_set: the admitted values.

    """

    value_set: list[str]

    map_metric = "column_values.assayline.lists_in_set"
    success_keys = ("value_set", "mostly")
    args_keys = ("column", "value_set")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return f"all {kwargs['column']} are of {name_values(kwargs['value_set'])}"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """The first value that is not of the set."""
        known = frozenset(kwargs["value_set"])
        strange = next((one for one in value if one not in known), None)
        return explain_unknown(strange, kwargs["value_set"])


class ColumnListsDistinct(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether no value stands twice in a list."""

    condition_metric_name = "column_values.assayline.lists_distinct"
    condition_value_keys = ()

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
        lists = to_arrow(column, STRINGS)
        lengths = lengths_of(lists)
        codes = lists.flatten().dictionary_encode().indices
        codes = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(lists)), lengths)
        order = np.lexsort((codes, rows))
        twice = np.zeros(len(codes), dtype=np.bool_)
        rows, codes = rows[order], codes[order]
        twice[order[1:]] = (rows[1:] == rows[:-1]) & (codes[1:] == codes[:-1])
        return to_mask(~rows_with(lengths, twice), column)


class ExpectColumnListsToBeDistinct(ColumnRule):
    """No value stands twice in a list."""

    map_metric = "column_values.assayline.lists_distinct"
    success_keys = ("mostly",)
    args_keys = ("column",)

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return f"a row names each of its {kwargs['column']} once"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:  # noqa: ARG003
        """The first value that stands twice."""
        values = list(value)
        twice = next((one for one in values if values.count(one) > 1), None)
        return f"{excerpt(twice)} is named twice"

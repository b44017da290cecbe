"""Expectations of lengths: in tokens of the base model, and of a target over its source."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_condition_partial,
    multicolumn_condition_partial,
)

from tasks.validation.contract.expectations.arrow_columns import strings_of, to_mask
from tasks.validation.contract.expectations.rendering import ColumnRule, ColumnsRule


def describe_bounds(low: float | None, high: float | None) -> str:
    """Bounds in words; None is no bound."""
    if low is None:
        return "any number" if high is None else f"at most {high:,.10g}"
    return f"at least {low:,.10g}" if high is None else f"{low:,.10g} to {high:,.10g}"


class ColumnValuesTokenLength(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether a number of tokens lies between bounds, which are admitted themselves."""

    condition_metric_name = "column_values.assayline.token_length"
    condition_value_keys = ("min_value", "max_value")

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,  # noqa: N805
        column: Any,
        min_value: int | None = None,
        max_value: int | None = None,
        **_: Any,
    ) -> Any:
        low = -math.inf if min_value is None else min_value
        return column.between(low, math.inf if max_value is None else max_value)


class ExpectColumnTokenLengthsToBeBetween(ColumnRule):
    """The column holds numbers of tokens between bounds, which are admitted themselves.

    Args:
        min_value: least number; None: none.
        max_value: greatest number; None: none.

    """

    min_value: int | None = None
    max_value: int | None = None

    map_metric = "column_values.assayline.token_length"
    success_keys = ("min_value", "max_value", "mostly")
    args_keys = ("column", "min_value", "max_value")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        bounds = describe_bounds(kwargs.get("min_value"), kwargs.get("max_value"))
        return f"text has {bounds} tokens of the base model"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """The number of tokens."""
        bounds = describe_bounds(kwargs.get("min_value"), kwargs.get("max_value"))
        return f"{int(value):,} tokens, and {bounds} are admitted"


class MulticolumnLengthRatio(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether the second text's length over the first one's lies between bounds."""

    condition_metric_name = "multicolumn_values.assayline.length_ratio"
    condition_value_keys = ("min_value", "max_value")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,  # noqa: N805
        column_list: Any,
        min_value: float | None = None,
        max_value: float | None = None,
        **_: Any,
    ) -> Any:
        below, above = (
            pc.utf8_length(strings_of(column_list[name])).to_numpy(zero_copy_only=False)
            for name in column_list.columns
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = above.astype(np.float64) / below
        # A missing text makes the ratio NaN, which breaks no bound.
        low = -math.inf if min_value is None else min_value
        breaks = (ratio < low) | (ratio > (math.inf if max_value is None else max_value))
        return to_mask(~breaks, column_list)


class ExpectMulticolumnLengthRatiosToBeBetween(ColumnsRule):
    """The length of the second text over that of the first lies between bounds, in characters.

    Args:
        min_value: least ratio; None: none.
        max_value: greatest ratio; None: none.

    """

    min_value: float | None = None
    max_value: float | None = None

    map_metric = "multicolumn_values.assayline.length_ratio"
    success_keys = ("min_value", "max_value", "mostly")
    args_keys = ("column_list", "min_value", "max_value")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        first, second = kwargs["column_list"]
        bounds = describe_bounds(kwargs.get("min_value"), kwargs.get("max_value"))
        return f"{second} has {bounds} times the characters of {first}"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """Both lengths."""
        first, second = kwargs["column_list"]
        bounds = describe_bounds(kwargs.get("min_value"), kwargs.get("max_value"))
        below, above = len(value[first]), len(value[second])
        ratio = f"{above / below:.3g}" if below else "infinitely many"
        return (
            f"{second} has {above:,} characters and {first} {below:,}, {ratio} times as many; "
            f"{bounds} are admitted"
        )

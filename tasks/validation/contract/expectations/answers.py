"""The expectation that an answer stands in its context where its offset says."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)
from numpy.typing import NDArray

from tasks.validation.contract.expectations.arrow_columns import strings_of, to_mask
from tasks.validation.contract.expectations.rendering import ColumnsRule


class MulticolumnAnswerOffsets(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether an answer stands at its offset, counted in Unicode code points."""

    condition_metric_name = "multicolumn_values.assayline.answer_offsets"
    condition_value_keys = ()

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: Any, **_: Any) -> Any:  # noqa: N805
        context, answer, offset = (column_list[name] for name in column_list.columns)
        given = answer.notna().to_numpy()
        keeps: NDArray[np.bool_] = given == offset.notna().to_numpy()
        judged = np.flatnonzero(keeps & given & context.notna().to_numpy())
        keeps[judged] = [
            start >= 0 and text.startswith(wanted, start)
            for text, wanted, start in zip(
                strings_of(context.iloc[judged]).to_pylist(),
                strings_of(answer.iloc[judged]).to_pylist(),
                offset.iloc[judged].astype("int64").tolist(),
                strict=True,
            )
        ]
        return to_mask(keeps, column_list)


class ExpectMulticolumnAnswersToStandAtTheirOffsets(ColumnsRule):
    """The columns are context, answer and offset; both last ones are there or neither is."""

    map_metric = "multicolumn_values.assayline.answer_offsets"
    success_keys = ("mostly",)
    args_keys = ("column_list",)

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        context, answer, offset = kwargs["column_list"]
        return f"{answer} stands in {context} at {offset}, or both are missing"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """Where the answer stands in truth."""
        context, answer, offset = (value[name] for name in kwargs["column_list"])
        _, answer_name, offset_name = kwargs["column_list"]
        if pd.isna(answer):
            return f"{offset_name} is {int(offset):,}, and there is no {answer_name}"
        told = f"the {answer_name}, of length {len(answer):,},"
        if pd.isna(offset):
            return f"{told} has no {offset_name}"
        unit = _unit_of(context, answer, int(offset))
        return f"{told} {_place(context, answer)}; {offset_name} is {int(offset):,}{unit}"


def _place(context: str, answer: str) -> str:
    place = context.find(answer)
    if place >= 0:
        return f"stands at {place:,}"
    return (
        "stands in the context in other case"
        if answer.casefold() in context.casefold()
        else ("is not in the context")
    )


def _unit_of(context: str, answer: str, offset: int) -> str:
    """In which other unit the offset is right: that of JavaScript, or the bytes of a file."""
    for encoding, width, unit in (
        ("utf-16-le", 2, "UTF-16 code units, as JavaScript counts"),
        ("utf-8", 1, "bytes of UTF-8"),
    ):
        rest = context.encode(encoding)[width * offset :]
        if offset >= 0 and rest.startswith(answer.encode(encoding)):
            return f" in {unit}; count characters"
    return ""

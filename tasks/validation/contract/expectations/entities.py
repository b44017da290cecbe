"""The expectation that entities stand in their text, each for itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)

from tasks.task_types.entity_faults import (
    EMPTY_ENTITY,
    MARKER_IN_TEXT,
    OUTSIDE_TEXT,
    OVERLAPPING,
    faults_of_entities,
)
from tasks.task_types.rows import Entity
from tasks.validation.contract.expectations.arrow_columns import to_mask
from tasks.validation.contract.expectations.rendering import ColumnsRule

_SENTENCES: Final = {
    OUTSIDE_TEXT: "entities stand within their text",
    EMPTY_ENTITY: "an entity has a character that can be seen",
    OVERLAPPING: "the entities of a row share no character",
    MARKER_IN_TEXT: "a text has no marks around entities",
}


class MulticolumnEntities(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether the entities of a row are without one kind of fault."""

    condition_metric_name = "multicolumn_values.assayline.entities"
    condition_value_keys = ("entities", "reason")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,  # noqa: N805
        column_list: Any,
        entities: Sequence[Sequence[str]] = (),
        reason: str = "",
        **_: Any,
    ) -> Any:
        marked = _entities(entities)
        keeps = [
            all(found != reason for found, _ in faults_of_entities(_plain(row), marked))
            for row in column_list.to_dict("records")
        ]
        return to_mask(np.array(keeps, dtype=np.bool_), column_list)


class ExpectMulticolumnEntitiesToStandInTheirText(ColumnsRule):
    """The entities of a row have no fault of one kind.

    Args:
        entities: columns of text, start, end and type of each.
        reason: which of `tasks.task_types.entity_faults.FAULTS`.

    """

    entities: list[list[str]]
    reason: str

    map_metric = "multicolumn_values.assayline.entities"
    success_keys = ("entities", "reason", "mostly")
    args_keys = ("column_list", "entities", "reason")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return _SENTENCES[kwargs["reason"]]

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """What is wrong."""
        faults = faults_of_entities(_plain(value), _entities(kwargs["entities"]))
        return "; ".join(told for reason, told in faults if reason == kwargs["reason"])


def _entities(columns: Sequence[Sequence[str]]) -> list[Entity]:
    return [Entity(text=one[0], start=one[1], end=one[2], type=one[3]) for one in columns]


def _plain(row: Mapping[str, Any]) -> dict[str, object]:
    """The values as Python has them; pandas keeps numbers beside a missing one as floats."""
    return {
        name: None if pd.isna(value) else (value if isinstance(value, str) else int(value))
        for name, value in row.items()
    }

"""What all task types have in common, so that a stage can ask any of them."""

from typing import get_args

import pytest

from infra.errors import SettingsError
from tasks.task_types import TaskType, task_type
from tasks.task_types.catalogue import TASK_TYPES
from tasks.task_types.rows import ROW_SHAPES, TaskTypeName


def test_every_name_has_its_rows_and_its_module() -> None:
    assert set(TASK_TYPES) == set(ROW_SHAPES) == set(get_args(TaskTypeName))
    assert all(task_type(name).name == name for name in TASK_TYPES)


@pytest.mark.parametrize("kind", TASK_TYPES.values(), ids=lambda kind: kind.name)
def test_each_is_served_in_one_way(kind: TaskType) -> None:
    assert (kind.pipeline is None) != (kind.served is None)
    assert kind.served is None or kind.served.is_file()
    assert kind.methods <= {"class_weights", "label_smoothing"}
    assert not (kind.packs and kind.couples_rows)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'sorting' is unknown; known: causal_lm, chat, class"):
        task_type("sorting")

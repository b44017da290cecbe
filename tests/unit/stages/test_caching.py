"""A stage as a Prefect task."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.annotations import opaque
from prefect.utilities.collections import visit_collection
from prefect.utilities.engine import collect_task_run_inputs_sync

from infra.errors import StoreError
from tasks.stages.caching import cached_stage, look_up


def test_a_stage_keeps_its_name_and_persists_and_a_look_up_does_not() -> None:
    @cached_stage()
    def count_rows(rows: int) -> int:
        """Count."""
        return rows

    @look_up
    def find_rows(rows: int) -> int:
        """Find."""
        return rows

    assert count_rows.name == "count_rows"
    assert count_rows.persist_result is True
    assert count_rows.fn(3) == 3
    assert find_rows.name == "find_rows"
    assert find_rows.persist_result is False


@pytest.mark.parametrize("stage", [cached_stage(), look_up], ids=["cached_stage", "look_up"])
def test_a_full_disk_is_one_message(stage: Any) -> None:
    @stage
    def write_rows(path: str) -> int:
        """Write."""
        with Path(path).open("w") as file:
            return file.write("row")

    with pytest.raises(StoreError, match=r"no room on the local disk .* set TMPDIR"):
        write_rows.fn("/dev/full")  # on Linux, a device on which every write finds no room
    with pytest.raises(FileNotFoundError):
        write_rows.fn("/no/such/folder/rows")


class _Unopened(list[int]):
    def __iter__(self) -> Iterator[int]:
        raise AssertionError("somebody looks through the numbers of a record")


@dataclass(frozen=True)
class _Scored:
    numbers: list[int]


def test_prefect_finds_who_made_a_record_without_looking_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @cached_stage()
    def read_scores(scores: _Scored, floor: int) -> int:
        """Read."""
        return len(scores.numbers) + floor

    given: dict[str, object] = {}

    def catch(*, parameters: dict[str, object], **_: object) -> None:
        given.update(parameters)

    monkeypatch.setattr("prefect.task_engine.run_task", catch)
    record = _Scored(_Unopened([1, 2]))
    read_scores(record, floor=3)

    looked_at: list[object] = []
    for value in given.values():
        visit_collection(value, looked_at.append, return_data=False)
        collect_task_run_inputs_sync(value)  # as Prefect does, to know which task made what
    assert [one for one in looked_at if not isinstance(one, opaque)] == [record, 3]
    taken = {
        name: visit_collection(value, lambda one: one, return_data=True, remove_annotations=True)
        for name, value in given.items()
    }
    assert taken == {"scores": record, "floor": 3}

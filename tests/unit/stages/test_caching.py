"""A stage as a Prefect task."""

from pathlib import Path
from typing import Any

import pytest

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

"""Digests and stage keys: equal for what is equal, different for what is not."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import StoreError
from infra.stages import cached_stage, digest_of, digest_of_sources, look_up, stage_key
from infra.store import Artifact

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Trained:
    artifact: Artifact
    colour: Colour
    seconds: float = field(metadata={"identity": False})


TRAINED = Trained(Artifact("s3://b/k", "aa", 3), Colour.RED, 1.0)


@given(JSON, JSON)
def test_digests_are_equal_exactly_where_values_are(one: object, other: object) -> None:
    assert digest_of(one) == digest_of(one)
    same = repr(one) == repr(other)
    if same:
        assert digest_of(one) == digest_of(other)
    elif one != other:
        assert digest_of(one) != digest_of(other)


def test_order_of_keys_does_not_count() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_time_does_not_count_in_a_record_and_the_artifact_does() -> None:
    assert digest_of(TRAINED) == digest_of(replace(TRAINED, seconds=9.0))
    assert digest_of(TRAINED) != digest_of(replace(TRAINED, artifact=Artifact("s3://b/k", "bb", 3)))


@pytest.mark.parametrize("value", [{1, 2}, object(), {1: "a"}, float("nan")])
def test_what_has_no_stable_digest_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        digest_of(value)


def test_sources_change_the_digest_and_caches_do_not(tmp_path: Path) -> None:
    folder = tmp_path / "stage"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "code.py").write_text("a = 1")
    before = digest_of_sources(folder)
    (folder / "__pycache__" / "code.pyc").write_bytes(b"x")
    assert digest_of_sources(folder) == before
    (folder / "code.py").write_text("a = 2")
    changed = digest_of_sources(folder)
    assert changed != before
    (folder / "code.py").rename(folder / "other.py")
    assert digest_of_sources(folder) != changed


def test_key_depends_on_name_parameters_sources_and_libraries(tmp_path: Path) -> None:
    source = tmp_path / "code.py"
    source.write_text("a = 1")
    base = stage_key("train", {"seed": 0}, (source,), ("numpy",))
    assert base == stage_key("train", {"seed": 0}, (source,), ("numpy",))
    assert base != stage_key("tune", {"seed": 0}, (source,), ("numpy",))
    assert base != stage_key("train", {"seed": 1}, (source,), ("numpy",))
    assert base != stage_key("train", {"seed": 0}, (source,), ("numpy", "torch"))
    source.write_text("a = 2")
    assert base != stage_key("train", {"seed": 0}, (source,), ("numpy",))


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


def test_a_full_disk_is_one_message() -> None:
    @cached_stage()
    def write_rows(path: str) -> int:
        """Write."""
        with Path(path).open("w") as file:
            return file.write("row")

    with pytest.raises(StoreError, match=r"no room on the local disk .* set TMPDIR"):
        write_rows.fn("/dev/full")  # on Linux, a device on which every write finds no room
    with pytest.raises(FileNotFoundError):
        write_rows.fn("/no/such/folder/rows")

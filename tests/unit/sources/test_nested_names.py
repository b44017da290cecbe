"""Names in JSON files that reach into an object, as in the pairs of many translation data sets."""

import json
from pathlib import Path

import pytest

from infra.errors import DataError
from tests.source_files import Read, read_file

COLUMNS = {"source": "zh", "target": "translation.en"}


def read(path: Path, rows: list[object], columns: dict[str, str] = COLUMNS) -> Read:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return read_file(path, "translation", format="json", columns=columns)


def test_a_name_reaches_into_an_object(tmp_path: Path) -> None:
    rows = [
        {"zh": "你好", "translation": {"en": "hello", "de": "hallo"}},
        {"zh": "再见", "translation": {}},
        {"zh": "书", "translation": None},
        {"zh": "猫", "translation": "cat"},
    ]
    found = read(tmp_path / "pairs.json", rows)
    assert found.column("source") == ["你好", "再见", "书"]
    assert found.column("target") == ["hello", None, None]
    assert found.reasons() == [(4, "no JSON object")]


def test_a_value_that_is_named_so_itself_goes_first(tmp_path: Path) -> None:
    rows = [{"zh": "书", "translation.en": "book", "translation": {"en": "no"}}]
    assert read(tmp_path / "pairs.json", rows).column("target") == ["book"]
    deep = {"source": "a.b.c", "target": "a.d"}
    found = read(tmp_path / "deep.json", [{"a": {"b": {"c": "x"}, "d": "y"}}], deep)
    assert (found.column("source"), found.column("target")) == (["x"], ["y"])


def test_a_name_that_no_row_has_is_missed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'translation.en'; it has 'zh', 'translation'"):
        read(tmp_path / "pairs.json", [{"zh": "书", "translation": {"fr": "livre"}}])

"""A prompt is a text or a list of turns, in whatever form a file holds it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from tests.source_files import read_file

COLUMNS = {"messages": "prompt"}
TURNS = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "[1] Why?"},
]
SAID = [{"role": "user", "content": "[1] Why?"}]


def row(prompt: Any) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("[1] Why?", SAID),
        (TURNS, TURNS),
        ([{"from": "human", "value": "[1] Why?"}], SAID),
        (" ", None),
        (None, None),
    ],
)
def test_json_lines_hold_texts_or_turns(tmp_path: Path, prompt: Any, expected: Any) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [row("first"), row(prompt)]
    path.write_text("\n".join(map(json.dumps, rows)))
    read = read_file(path, "preference", format="jsonl", columns=COLUMNS)
    assert read.broken == []
    assert read.column("messages") == [[{"role": "user", "content": "first"}], expected]


@pytest.mark.parametrize(
    ("field", "expected"), [("[1] Why?", SAID), (json.dumps(TURNS), TURNS), ("", None)]
)
def test_fields_hold_texts_or_lists_in_json(tmp_path: Path, field: str, expected: Any) -> None:
    path = tmp_path / "rows.csv"
    quoted = field.replace('"', '""')
    path.write_text(f'prompt,chosen,rejected\n"{quoted}",a,b\n')
    read = read_file(path, "preference", format="csv", columns=COLUMNS)
    assert read.broken == []
    assert read.column("messages") == [expected]


@pytest.mark.parametrize(("prompt", "expected"), [("[1] Why?", SAID), (TURNS, TURNS)])
def test_typed_columns_hold_either(tmp_path: Path, prompt: Any, expected: Any) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([row(prompt)]), path)
    read = read_file(path, "preference", format="parquet", columns=COLUMNS)
    assert read.column("messages") == [expected]


def test_numbers_are_no_prompts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, [row("a"), row(5)])))
    (broken,) = read_file(path, "preference", format="jsonl", columns=COLUMNS).broken
    assert "must be text, or lists of turns, each with role and content" in broken.told
    table = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([row(5)]), table)
    with pytest.raises(DataError, match="it must be text, or lists of turns"):
        read_file(table, "preference", format="parquet", columns=COLUMNS)


def test_a_conversation_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"messages": "Why?"}))
    (broken,) = read_file(path, "chat", format="jsonl").broken
    assert "must be lists of turns" in broken.told


def test_a_missing_column_is_told_with_what_would_be_right(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row("Why?")))
    with pytest.raises(DataError, match=r"set source.columns: \{messages: prompt\}"):
        read_file(path, "preference", format="jsonl")
    path.write_text(json.dumps({"prompt": "Why?", "chosen": "a"}))
    with pytest.raises(DataError, match="rejected"):
        read_file(path, "preference", format="jsonl", columns=COLUMNS)

"""What pyarrow reads at once and what Python reads line by line are the same rows."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.sources import blocks, delimited, jsonl
from tests.source_files import Read, read_file

# The same source over and over in one folder: the folder is no part of an example.
FUZZ = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SCALARS = st.one_of(
    TEXT, st.integers(), st.booleans(), st.none(), st.floats(), st.sampled_from(["", "2020-01-02"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
NAMES = st.sampled_from(["text", "label", "gender", "labels", "x", "role"])
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps)
GOOD = st.fixed_dictionaries(
    {"text": TEXT, "label": st.sampled_from(["a", "b"])},
    optional={"gender": st.sampled_from(["f", "m", None, ["f", "m"], []]), "x": VALUES},
).map(lambda row: json.dumps(row, ensure_ascii=False))
ODD = st.sampled_from(
    [
        "", " ", "{}", "[]", "7", "null", '{"text": "a"', '{"text": "a"} {"text": "b"}',
        '{"text": "a"}{"text": "b"}', '{"text": "\\ud800"}', '{"text": "\\udc00x", "label": "a"}',
        '{"x": "\\ud800", "text": "a"}', '{"text": "a", "text": "b"}', '{"x": 1, "x": 2}',
        '{"text": "a", "x": NaN}', '{"text": "a", "x": Inf}', '{"text": "a", "x": -Infinity}',
        '{"text": "a", "label": NaN}', '{"text": "a", "label": 1e999}', '{"text": "a\tb"}',
        '{"x": ' + "[" * 3000 + "]" * 3000 + ', "text": "deep"}', '{"x": ' + "9" * 5000 + "}",
        '{"text": "a", "label": ' + "9" * 30 + "}", '{"text": "a", "label": 1.0}',
        '{"text": "a", "label": -0}', '{"text": "a", "label": true}', "\ufeff{}", "\x0c",
        '{"te\\u0078t": "escaped name"}', '{"text": "a\\u0000b"}', '{"text": 1}', '{"label": [1]}',
        '{"text": "a", "gender": ["m", null]}', '{"text": "a", "gender": ["m|f"]}',
        '{"text": "a",}', "{'text': 'a'}", '{"text": "a"}\r', '{"text": "a"}\r{"text": "b"}',
    ]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n"])
JSON_LINES = st.lists(
    st.one_of(GOOD, GOOD, OBJECTS, ODD).map(str.encode) | st.binary(max_size=8), max_size=12
)


@contextmanager
def one_way(reader: type[object], blocks_of: int | None = None) -> Iterator[None]:
    """Leave everything to Python, or cut the file into small blocks."""
    with pytest.MonkeyPatch.context() as patched:
        if blocks_of is None:
            patched.setattr(reader, "_read_fast", lambda *_: None)
        else:
            patched.setattr(blocks, "BLOCK_BYTES", blocks_of)
            patched.setattr(blocks, "PIECE_BYTES", blocks_of // 2)
        yield


def assert_same(read: Callable[[], Read], reader: type[object]) -> None:
    def outcome() -> Read | str:
        try:
            return read()
        except DataError as error:
            return str(error)

    at_once = outcome()
    with one_way(reader):
        assert outcome() == at_once
    with one_way(reader, blocks_of=64):
        assert outcome() == at_once


@FUZZ
@given(JSON_LINES, ENDS, ENDS | st.just(b""))
def test_lines_of_json(tmp_path: Path, lines: list[bytes], end: bytes, last: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(end.join(lines) + last)
    assert_same(
        lambda: read_file(path, format="jsonl", group_columns=["gender"], cluster_column="x"),
        jsonl._JsonlReader,
    )


KINDS = {
    "multi_label": "labels",
    "tagging": "tags",
    "chat": "messages",
    "regression": "target",
    "question_answering": "answer_start",
}
TURNS = st.lists(
    st.dictionaries(st.sampled_from(["role", "content", "name"]), TEXT | st.none() | VALUES)
)
LISTS = st.lists(st.one_of(TEXT, st.integers(-9, 9), st.booleans(), st.none()), max_size=3)
NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(-9, 9))


@FUZZ
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(
        st.tuples(TURNS | LISTS | NUMBERS | VALUES, st.lists(TEXT, max_size=2) | VALUES),
        min_size=1,
        max_size=8,
    ),
)
def test_kinds_of_json_values(
    tmp_path: Path, task_type: str, found: list[tuple[object, object]]
) -> None:
    path = tmp_path / "rows.jsonl"
    names = dict.fromkeys(("question", "context", "answer", "text"), "some text")
    rows = [names | {KINDS[task_type]: value, "tokens": tokens} for value, tokens in found]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert_same(lambda: read_file(path, task_type, format="jsonl"), jsonl._JsonlReader)


def written(cells: list[str], quoting: int = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator="").writerow(cells)
    return file.getvalue()


CELLS = st.one_of(TEXT, st.sampled_from(["", '"', '""', "a,b", "a\nb", "a\r\nb", "1", "a\rb"]))
CLEAN_RECORDS = st.builds(
    written,
    st.lists(CELLS, min_size=3, max_size=3),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
ROUGH_RECORDS = st.lists(CELLS, max_size=4).map(",".join)
CSV_LINES = st.lists(
    st.one_of(CLEAN_RECORDS, CLEAN_RECORDS, CLEAN_RECORDS, ROUGH_RECORDS).map(str.encode)
    | st.binary(max_size=6),
    max_size=12,
)


@FUZZ
@given(CSV_LINES, ENDS, ENDS | st.just(b""))
def test_records_of_csv(tmp_path: Path, records: list[bytes], end: bytes, last: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"text,label,x" + end + end.join(records) + last)
    assert_same(
        lambda: read_file(path, format="csv", cluster_column="x"), delimited._DelimitedReader
    )


@FUZZ
@given(st.lists(st.tuples(CELLS, CELLS), max_size=8))
def test_fields_of_csv_that_are_no_text(tmp_path: Path, found: list[tuple[str, str]]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(written(list(cells)) for cells in [("text", "target"), *found]))
    read = read_file(path, "regression", format="csv")
    assert_same(lambda: read_file(path, "regression", format="csv"), delimited._DelimitedReader)
    assert all(row["target"] is None or isinstance(row["target"], float) for row in read.rows)


@pytest.mark.parametrize(
    ("format_", "reader", "slow"),
    [
        ("jsonl", jsonl._JsonlReader, "_read_lines"),
        ("csv", delimited._DelimitedReader, "_read_slowly"),
    ],
)
def test_a_good_file_is_left_to_pyarrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str, reader: type, slow: str
) -> None:
    texts = [f'a "quoted" text, of\ntwo lines, number {i}; caf\u00e9' for i in range(1000)]
    path = tmp_path / f"rows.{format_}"
    if format_ == "csv":
        lines = [written(["text", "label"]), *(written([text, "1"]) for text in texts)]
    else:
        lines = [json.dumps({"text": text, "label": 1}) for text in texts]
    path.write_bytes("\n".join([*lines, ""]).encode())
    monkeypatch.setattr(reader, slow, None)
    read = read_file(path, format=format_)
    assert read.column("text") == texts
    assert read.column("label") == ["1"] * 1000
    assert read.column("row") == (
        list(range(2, 2002, 2)) if format_ == "csv" else list(range(1, 1001))
    )

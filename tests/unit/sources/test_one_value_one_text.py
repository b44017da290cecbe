"""A label, group or cluster is one text, whatever file, format and type it was stored in."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.values import convert, number_text
from tests.source_files import read_file

WHOLE = st.integers(-(2**53), 2**53)


def labels_of(path: Path, values: pa.Array) -> list[object]:
    """Labels as they are read back from a Parquet file."""
    texts = [f"text {n}" for n in range(len(values))]
    pq.write_table(pa.table({"text": texts, "label": values}), path)
    return read_file(path, format="parquet").column("label")


@given(WHOLE)
def test_a_whole_number_is_the_same_in_every_type(value: int) -> None:
    written = {str(value), f"{value}.0", f"{value}e0", f"{value}.00E+0"}
    forms = [value, float(value), Decimal(value), Decimal(value).scaleb(2).scaleb(-2)]
    forms += [json.loads(text) for text in written]
    assert {convert(one, "label") for one in forms} == {str(value)}
    assert {convert([one, "a"], "groups") for one in forms} == {
        convert([str(value), "a"], "groups")
    }
    assert convert(forms, "labels") == [str(value)] * len(forms)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_narrow_float_is_the_number_that_was_written(value: float) -> None:
    shortest = str(np.float32(value))
    narrow, wide = pa.array([value], pa.float32()), pa.array([float(shortest)])
    table = pa.table({"narrow": narrow, "wide": wide})
    from tasks.sources.arrow_values import _as_written

    assert _as_written(table["narrow"].combine_chunks()).to_pylist() == wide.to_pylist()


@given(st.decimals(-(10**15), 10**15, places=6), st.integers(0, 6))
def test_equal_numbers_have_equal_texts_and_others_have_not(one: Decimal, places: int) -> None:
    same = one.quantize(Decimal(1).scaleb(-6 - places))
    assert number_text(one) == number_text(same)
    assert number_text(one) != number_text(one + Decimal(1).scaleb(-6))
    assert Decimal(number_text(one)) == one


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e2, "100"), (-0.0, "0"), (Decimal("1e22"), "1" + "0" * 22), (1e-7, "0.0000001"),
     (0.1, "0.1"), (Decimal("1E+2"), "100"), (2.50, "2.5"), (True, "true"),
     (10**30, "1" + "0" * 30)],
)  # fmt: skip
def test_numbers_are_written_in_digits(value: object, text: str) -> None:
    assert convert(value, "label") == text


def test_shards_that_pandas_wrote_with_and_without_a_missing_value_agree(tmp_path: Path) -> None:
    whole = pd.DataFrame({"text": ["a", "b"], "label": [0, 1], "doc": [7, 8]})
    gap = pd.DataFrame({"text": ["c", "d", "e"], "label": [0, None, 1], "doc": [7, None, 8]})
    for name, frame in (("0", whole), ("1", gap)):
        frame.to_parquet(tmp_path / f"{name}.parquet")
        frame.to_json(tmp_path / f"{name}.jsonl", orient="records", lines=True)
    for ending in ("parquet", "jsonl"):
        read = [
            read_file(tmp_path / f"{name}.{ending}", format=ending, cluster_column="doc")
            for name in ("0", "1")
        ]
        assert read[0].column("label") == ["0", "1"]
        assert read[1].column("label") == ["0", None, "1"]
        assert read[0].column("cluster") == ["7", "8"]
        assert read[1].column("cluster") == ["7", None, "8"]


def test_every_type_of_parquet_agrees(tmp_path: Path) -> None:
    for kind in (
        pa.int8(),
        pa.uint32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.decimal128(22, 2),
    ):
        values = pa.array([0, 1, 12]).cast(kind)
        assert labels_of(tmp_path / "a.parquet", values) == ["0", "1", "12"], kind
    assert labels_of(tmp_path / "a.parquet", pa.array([0.1], pa.float32())) == ["0.1"]
    assert labels_of(tmp_path / "a.parquet", pa.array([1.0]).dictionary_encode()) == ["1"]


def test_a_day_is_the_same_as_date_and_as_its_midnight(tmp_path: Path) -> None:
    for kind in (pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns")):
        values = pa.array([date(2024, 1, 31)]).cast(kind)
        assert labels_of(tmp_path / "a.parquet", values) == ["2024-01-31"], kind
    assert convert(datetime(2024, 1, 31, 0, 0, 1), "label") == "2024-01-31T00:00:01"  # noqa: DTZ001


@pytest.mark.parametrize(
    ("kind", "exact"), [(pa.float16(), 2**11), (pa.float32(), 2**24), (pa.float64(), 2**53)]
)
def test_a_float_that_stands_for_several_whole_numbers_is_no_name(
    tmp_path: Path, kind: pa.DataType, exact: int
) -> None:
    values = pa.array([float(exact), 2.0 * exact, None, 1.0], pa.float64()).cast(kind)
    pq.write_table(pa.table({"text": list("abcd"), "label": values}), tmp_path / "a.parquet")
    found = read_file(tmp_path / "a.parquet", format="parquet")
    assert found.column("label") == [str(exact), None, "1"]
    assert found.reasons() == [(2, "inexact number")]

"""How numbers are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.reporting.number_format import (
    duration,
    interval,
    number,
    p_value,
    percent,
    share,
    size,
    title_of,
    with_unit,
    words_of,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.96, "0.9600"), (1.0, "1.000"), (12.3456, "12.35"), (0.0123456, "0.01235"),
        (2257.8, "2,258"), (22_715_141, "22,715,141"), (0, "0"), (-0.5, "\N{MINUS SIGN}0.5000"),
        (999.96, "1000"), (0.000012, "1.200e-05"), (None, "none"), (math.nan, "not finite"),
        (math.inf, "not finite"),
    ],
)  # fmt: skip
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.floats(min_value=-1e9, max_value=1e9).filter(lambda x: x == 0 or abs(x) > 1e-12))
def test_a_number_reads_back_to_four_digits(value: float) -> None:
    back = float(number(value).replace("\N{MINUS SIGN}", "-").replace(",", ""))
    assert math.isclose(back, value, rel_tol=5.001e-4)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_number_breaks_it(value: float) -> None:
    assert number(value)


def test_interval() -> None:
    assert interval(-0.01, 0.25) == "[\N{MINUS SIGN}0.01000, 0.2500]"
    assert interval(1.0, 1.0) == "exact"
    assert interval(None, None) == "none"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.000 kB"), (91_579_320, "91.58 MB"),
     (5_000_000_000_000, "5.000 TB")],
)  # fmt: skip
def test_size(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.25, "4.2 s"), (59.6, "59.6 s"), (60, "1 min 0 s"), (214.6, "3 min 35 s"),
     (7260, "2 h 1 min")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_small_things() -> None:
    assert (share(1, 3), share(0, 0)) == ("33.3%", "none")
    assert (percent(0.95), percent(1 - 0.05 / 6)) == ("95%", "99.17%")
    assert (p_value(0.00001), p_value(0.03104), p_value(None)) == ("< 0.0001", "0.0310", "none")
    assert with_unit("83.4", "staging.latency_p95_ms") == "83.4 ms"
    assert with_unit("none", "staging.latency_p95_ms") == "none"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("quality.macro_f1", "macro F1"), ("staging.latency_p95_ms", "latency p95"),
        ("fairness.gender.accuracy_difference", "gender: accuracy difference"),
        ("accuracy", "accuracy"),
    ],
)  # fmt: skip
def test_words(name: str, words: str) -> None:
    assert words_of(name) == words


def test_a_title_says_what_is_compared() -> None:
    assert title_of("champion.macro_f1_gain") == "macro F1 gain over the champion"
    assert title_of("baseline.accuracy") == "accuracy of the baseline"
    assert title_of("quality.accuracy") == "accuracy"

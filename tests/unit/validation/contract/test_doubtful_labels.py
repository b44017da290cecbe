"""Rare labels that look like noise are named with what would mend them."""

import time

import pytest
import yaml

from tasks.sources.settings import TableSource
from tasks.task_types.row_shapes import shape_of
from tasks.validation.contract.doubtful_labels import doubtful_labels
from tasks.validation.contract.settings import ContractSettings

FREQUENT = {"positive": 4_000, "negative": 3_900, "neutral": 1_800}


def judged(
    rare: dict[str, int], frequent: dict[str, int] | None = None, task_type: str = "classification"
) -> dict[str, tuple[str, str]]:
    rows = (FREQUENT if frequent is None else frequent) | rare
    found = doubtful_labels(ContractSettings(), shape_of(task_type), rows, sum(rows.values()))
    return {one.label: (one.reason, one.resembles) for one in found}


@pytest.mark.parametrize(
    ("label", "resembles"),
    [("postive", "positive"), ("Positiv", "positive"), ("negatve", "negative"),
     ("possitive", "positive"), ("neural", "neutral"), ("positive!", "positive")],
)  # fmt: skip
def test_a_label_that_resembles_a_frequent_one_is_named_with_it(label: str, resembles: str) -> None:
    assert judged({label: 20}) == {label: ("like a misspelling", resembles)}


@pytest.mark.parametrize(
    "label", ["unknown", "N.A.", "Not available", "#REF!", "TBD", "未知", "nan"]
)
def test_a_word_for_a_missing_label_is_named(label: str) -> None:
    assert judged({label: 20}) == {label: ("like a word for a missing one", "")}


@pytest.mark.parametrize("label", ["!!", "()", "¿!", "/ /", "——"])
def test_punctuation_is_named(label: str) -> None:
    assert judged({label: 20}) == {label: ("like punctuation alone", "")}


@pytest.mark.parametrize("label", ["sarcasm", "mixed", "👍", "书", "C++", "x", "5"])
def test_a_rare_label_that_is_like_none_is_not(label: str) -> None:
    assert judged({label: 20}) == {}


def test_frequent_labels_are_not_named_whatever_they_are() -> None:
    assert judged({"postive": 300, "unknown": 300, "??": 300}) == {}


def test_numbers_tell_classes_apart() -> None:
    frequent = {"category 1": 5_000, "category 2": 5_000}
    assert judged({"category 3": 20}, frequent) == {}
    assert judged({"catgory 1": 20}, frequent) == {
        "catgory 1": ("like a misspelling", "category 1")
    }


def test_labels_that_are_alike_and_all_rare_are_none() -> None:
    assert judged({}, {f"label{chr(97 + n // 26)}{chr(97 + n % 26)}": 50 for n in range(300)}) == {}


def test_named_labels_and_tags_are_none() -> None:
    rows = FREQUENT | {"postive": 20}
    contract = ContractSettings(labels=tuple(rows))
    assert doubtful_labels(contract, shape_of("classification"), rows, 9_720) == ()
    assert judged({"B-postive": 20}, {"B-positive": 9_000}, "tagging") == {}
    assert judged({"postive": 20}, task_type="multi_label") != {}
    assert doubtful_labels(ContractSettings(), shape_of("regression"), {}, 10) == ()


@pytest.mark.parametrize(
    "label", ["postive", "no", "it's", "Not available", "#REF!", "null", "1.0"]
)
def test_the_mend_can_be_written_into_the_settings_as_it_stands(label: str) -> None:
    """Labels from which none follows by itself are made to, so that any quoting is tried."""
    from tasks.validation.contract.doubtful_labels import _yaml

    written = f"label_map: {{{_yaml(label)}: null, {_yaml('x y')}: {_yaml(label)}}}"
    source = TableSource(format="csv", path="a", **yaml.safe_load(written))
    assert source.label_map == {label: None, "x y": label}


def test_ten_thousand_labels_take_no_minute() -> None:
    rows = {f"some label of {n:b}".replace("0", "o").replace("1", "i"): 1 for n in range(9_900)}
    rows |= {f"{name} {n}": 500 for n in range(20) for name in FREQUENT}
    start = time.process_time()
    doubtful_labels(ContractSettings(), shape_of("classification"), rows, sum(rows.values()))
    assert time.process_time() - start < 15


def test_what_is_said_of_one() -> None:
    (one,) = doubtful_labels(
        ContractSettings(), shape_of("classification"), FREQUENT | {"postive": 1}, 9_701
    )
    assert one.sentence == (
        "the label 'postive' (1 row) looks like a misspelling of 'positive'; "
        "source.label_map: {postive: positive}"
    )

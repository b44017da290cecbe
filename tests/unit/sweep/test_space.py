"""The space of a sweep: what is refused in it, its corners, and settings laid over a line's."""

import math
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.sweep.set_names import set_twice
from tasks.sweep.settings import SweepSettings, SweptSetting
from tasks.sweep.space import (
    ALL_CHECKED,
    corners,
    overlaid,
    pairwise_cover,
    points_in,
)

RATES = {"low": 1e-5, "high": 1e-3, "log": True}
NAMES = st.sampled_from(["training.epochs", "training.dropout", "tokenization.max_length"])


def swept(given: Any) -> SweptSetting:
    return SweptSetting.model_validate(given)


def space_of(**given: Any) -> dict[str, SweptSetting]:
    return {name.replace("__", "."): swept(one) for name, one in given.items()}


def refusal(given: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        SweepSettings.model_validate({"space": {"training.learning_rate": given}})
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1e-4], "at least 2 items"),
        ([1e-4, 1e-4], "twice"),
        ({}, "a list of choices is needed, or a range with both ends"),
        ({"low": 1}, "both ends"),
        ({"choices": [1, 2], "low": 1}, "keep one"),
        ({"low": 1e-3, "high": 1e-3}, "low 0.001 must be below high 0.001"),
        ({"low": 0, "high": 1, "log": True}, "low is 0; set it above 0"),
        ({"low": 1, "high": 2, "log": True, "step": 1}, "keep one of them"),
        ({"low": 0, "high": 1, "step": 0.3}, "right would be high 0.9"),
        ({"low": 0, "high": 1, "step": 2}, "right would be high 2"),
        ({"low": 0, "high": 1, "step": 0}, "greater than 0"),
        ({"low": float("nan"), "high": 1}, "finite"),
        ({"low": 0, "heigh": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_list_and_no_range_is_refused(given: Any, said: str) -> None:
    assert said in refusal(given)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        SweepSettings.model_validate(
            {
                "space": {"training.epochs": [1], "training.dropout": {"low": 1, "high": 0}},
                "trials": 0, "cheapest_within": 1, "machine_hour_cost": 0, "cheapest_by": "looks",
            }
        )  # fmt: skip
    said = str(refused.value)
    for name in ("epochs", "dropout", "trials", "cheapest_within", "machine_hour_cost", "looks"):
        assert name in said


def test_a_name_is_dotted_and_a_space_holds_something() -> None:
    for space in ({}, {"Training": [1, 2]}, {"training.": [1, 2]}):
        with pytest.raises(ValidationError):
            SweepSettings.model_validate({"space": space})


def test_steps_that_floats_do_not_hold_exactly_come_to_the_end() -> None:
    found = swept({"low": 0.1, "high": 0.7, "step": 0.1})
    assert points_in({"training.dropout": found}, frozenset()) == 7


def test_a_setting_is_named_once() -> None:
    whole = [{"method": "lora"}, {"method": "full", "epochs": 2}]
    assert set_twice({"training": whole, "training.epochs": [1, 2]}) == ["training.epochs"]
    assert set_twice({"training": whole, "training.epochs": None}) == ["training.epochs"]
    assert set_twice({"training": whole, "training.batch_size": [8, 16]}) == []
    scratch = {"base_model": [{"scratch": {"layers": 1}}, {"scratch": {"layers": 2}}]}
    assert set_twice({**scratch, "base_model.scratch": [None, {}]}) == ["base_model.scratch.layers"]
    with pytest.raises(ValidationError, match=r"training\.epochs in more than one place"):
        SweepSettings.model_validate(
            {"space": {"training": [{"epochs": 1}, {"epochs": 2}], "training.epochs": [3, 4]}}
        )


def test_values_are_laid_over_a_line_and_leave_it_as_it_is() -> None:
    line = {"line": "a", "training": {"epochs": 1, "lora": {"rank": 4, "alpha": 2}}}
    found = overlaid(
        line,
        {"training": {"lora": {"rank": 8}}, "tokenization.max_length": 64, "base_model": None},
    )
    assert found == {
        "line": "a", "training": {"epochs": 1, "lora": {"rank": 8, "alpha": 2}},
        "tokenization": {"max_length": 64}, "base_model": None,
    }  # fmt: skip
    assert line["training"] == {"epochs": 1, "lora": {"rank": 4, "alpha": 2}}
    assert overlaid({"distillation": None}, {"distillation.weight": 1}) == {
        "distillation": {"weight": 1}
    }


@given(st.dictionaries(NAMES, st.lists(st.integers(0, 9), min_size=2, max_size=3, unique=True)))
def test_a_small_space_is_checked_whole(choices: dict[str, list[int]]) -> None:
    space = {name: swept(each) for name, each in choices.items()}
    found = corners(space)
    wanted = [dict(zip(choices, each, strict=True)) for each in product(*choices.values())]
    assert found == wanted
    assert points_in(space, frozenset()) == len(wanted)


def test_both_ends_of_a_range_are_checked() -> None:
    assert corners(space_of(training__learning_rate=RATES)) == [
        {"training.learning_rate": 1e-5}, {"training.learning_rate": 1e-3},
    ]  # fmt: skip


@given(st.lists(st.integers(1, 4), min_size=2, max_size=6))
def test_in_few_rows_each_pair_of_values_stands(counts: list[int]) -> None:
    rows = pairwise_cover(counts)
    assert all(
        len(row) == len(counts)
        and all(0 <= value < most for value, most in zip(row, counts, strict=True))
        for row in rows
    )
    for one, other in combinations(range(len(counts)), 2):
        found = {(row[one], row[other]) for row in rows}
        assert found == set(product(range(counts[one]), range(counts[other])))
    assert len(rows) <= math.prod(counts)


def test_a_large_space_is_checked_by_pairs() -> None:
    space = {f"training.a{chr(97 + n)}": swept(list(range(4))) for n in range(6)}
    found = corners(space)
    assert ALL_CHECKED < 4**6
    assert 16 <= len(found) <= 36
    names = list(space)
    for one, other in product(range(4), range(4)):
        assert any(at[names[1]] == one and at[names[4]] == other for at in found)


def test_points_are_counted_where_they_can_be() -> None:
    both = space_of(
        training__epochs={"low": 1, "high": 4},
        training__batch_size={"low": 8, "high": 32, "step": 8},
    )
    assert points_in(both, frozenset({"training.epochs"})) == 16
    assert points_in(both, frozenset()) is None
    assert points_in(space_of(training__learning_rate=RATES), frozenset()) is None

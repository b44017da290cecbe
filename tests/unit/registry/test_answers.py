"""When a served answer is the evaluated one."""

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.registry.answers import is_same

NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5)
ANSWERS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
TOLERANCE = 1e-4


def leaves(value: Any, path: tuple[object, ...] = ()) -> dict[tuple[object, ...], Any]:
    """Each leaf with its path; of what holds nothing, its type alone."""
    if not isinstance(value, dict | list):
        return {path: value}
    found: dict[tuple[object, ...], Any] = {path: type(value)}
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found |= leaves(inner, (*path, key))
    return found


def nearly(one: Any, other: Any) -> bool:
    """Two leaves, by the standard library."""
    if {type(one), type(other)} <= {int, float}:
        return math.isclose(one, other, rel_tol=0, abs_tol=TOLERANCE * max(1, abs(other)))
    return type(one) is type(other) and bool(one == other)


@settings(max_examples=200, deadline=None)
@given(ANSWERS, ANSWERS)
def test_it_is_the_comparison_of_all_leaves(one: Any, other: Any) -> None:
    mine, theirs = leaves(one), leaves(other)
    alike = mine.keys() == theirs.keys() and all(nearly(mine[p], theirs[p]) for p in mine)
    assert is_same(one, other, TOLERANCE) is alike


@settings(max_examples=100, deadline=None)
@given(ANSWERS)
def test_what_went_through_json_is_the_same(answer: Any) -> None:
    assert is_same(json.loads(json.dumps(answer)), answer, TOLERANCE)


@settings(max_examples=150, deadline=None)
@given(ANSWERS, st.data())
def test_one_changed_leaf_is_another_answer(answer: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([*leaves(answer)]))
    changed = copy.deepcopy([answer])
    place: Any = changed
    for key in (0, *path)[:-1]:
        place = place[key]
    last = (0, *path)[-1]
    place[last] = data.draw(LEAVES)
    assume(not nearly(leaves(changed)[0, *path], leaves([answer])[0, *path]))
    assert not is_same(changed[0], answer, TOLERANCE)


@pytest.mark.parametrize(
    ("served", "evaluated", "same"),
    [
        (0.50009, 0.5, True),
        (0.50011, 0.5, False),
        # Of large numbers a share: float32 holds seven digits.
        (100_000.5, 100_000, True),
        (100_020.0, 100_000, False),
        (float("nan"), 0.5, False),
        (float("inf"), 0.5, False),
        (True, 1, False),
        (1, True, False),
        ("0.5", 0.5, False),
        (None, 0, False),
        ([], {}, False),
        ([0.5], [0.5, 0.5], False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"b": 2, "a": 1}, {"a": 1, "b": 2}, True),
        ({"tags": ["B-PER", "O"]}, {"tags": ["B-PER", "O"]}, True),
        ({"tags": ["B-PER", "O"]}, {"tags": ["O", "B-PER"]}, False),
    ],
)
def test_texts_and_form_are_exact_and_numbers_near(served: Any, evaluated: Any, same: bool) -> None:  # noqa: FBT001
    assert is_same(served, evaluated, TOLERANCE) is same

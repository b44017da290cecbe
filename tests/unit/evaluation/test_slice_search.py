"""The search for the worst slices, by its definition; gaps with their pseudo-rows."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from tasks.evaluation import slice_search
from tasks.evaluation.settings import SliceSettings
from tasks.evaluation.slice_results import _gap, _judge
from tasks.evaluation.slice_search import _joint, _t_values, _worst, search_slices, words_present
from tasks.evaluation.slices import Slice, slices_of
from tasks.resampling_units import units_of_rows
from tasks.task_types.row_shapes import shape_of

SHAPE = shape_of("classification")
Bools = NDArray[np.bool_]


def part(name: str, members: Bools, reason: str = "") -> Slice:
    return Slice(name, f"rows of {name}", "feature", members, reason)


def parts(seed: int, rows: int, count: int = 3) -> list[Slice]:
    random = np.random.default_rng(seed)
    return [part(f"s{k}", random.random(rows) < 0.4) for k in range(count)]


@pytest.mark.parametrize("at_once", [1, 7, 20_000])
def test_pairs_are_counted_over_the_searched_rows(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_search, "ROWS_AT_ONCE", at_once)
    atoms, scores = parts(0, 50), np.random.default_rng(1).random(50)
    where = np.flatnonzero(np.arange(50) % 3 > 0)
    counts, sums = _joint(atoms, scores, where)
    for i, one in enumerate(atoms):
        for k, other in enumerate(atoms):
            both = [row for row in where if one.members[row] and other.members[row]]
            assert counts[i, k] == len(both)
            assert sums[i, k] == pytest.approx(sum(scores[row] for row in both))


def test_a_slice_is_measured_in_standard_errors_of_its_distance_to_the_rest() -> None:
    scores = np.random.default_rng(1).random(50)
    inside = np.arange(50) < 12
    (found,) = _t_values(np.array([12.0]), np.array([scores[inside].sum()]), scores)
    gap = scores[inside].mean() - scores[~inside].mean()
    error = np.sqrt(scores.var() / 12 + scores.var() / 38)
    assert found == pytest.approx(gap / error)
    # Of no rows, of all of them and of rows that score alike nothing is told.
    nothing = _t_values(np.array([0.0, 50.0]), np.array([0.0, scores.sum()]), scores)
    assert nothing.tolist() == [0, 0]
    assert _t_values(np.array([12.0]), np.array([12.0]), np.ones(50)).tolist() == [0]


def members(*rows: int) -> Bools:
    return np.isin(np.arange(12), rows)


EVERYWHERE = np.ones(12, dtype=np.bool_)


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (members(0, 1, 2, 9), ["a"]),  # three of five rows shared
        (members(0, 1, 9, 10), ["a", "b"]),  # two of six
        (members(0, 1), ["a", "b"]),  # a half, and no more
    ],
)
def test_of_slices_that_share_most_of_their_rows_the_worse_is_told(
    other: Bools, names: list[str]
) -> None:
    atoms = [part("a", members(0, 1, 2, 3)), part("b", other)]
    gaps = np.array([[-3.0, 0.0], [0.0, -2.0]])
    assert [one.name for one in _worst(atoms, gaps, EVERYWHERE, 5)] == names


def test_the_worst_come_first_and_no_more_than_are_asked_for() -> None:
    atoms = [part(name, members(k)) for k, name in enumerate("abc")]
    gaps = np.diag([-1.0, -3.0, -2.0])
    assert [one.name for one in _worst(atoms, gaps, EVERYWHERE, 5)] == ["b", "c", "a"]
    assert [one.name for one in _worst(atoms, gaps, EVERYWHERE, 2)] == ["b", "c"]
    assert list(_worst(atoms, np.zeros((3, 3)), EVERYWHERE, 5)) == []
    # What they share of rows that were not searched does not count.
    atoms = [part("a", members(0, 1, 2, 3)), part("b", members(0, 1, 2, 9))]
    gaps = np.diag([-3.0, -2.0])
    assert len(list(_worst(atoms, gaps, members(3, 9), 5))) == 2
    both = [part("a", members(0, 1, 2)), part("b", members(1, 2, 3))]
    (pair,) = _worst(both, np.array([[0.0, -1.0], [0.0, 0.0]]), EVERYWHERE, 5)
    assert (pair.name, pair.description) == ("a and b", "rows of a, rows of b")
    assert pair.origin == "search"
    assert np.flatnonzero(pair.members).tolist() == [1, 2]


def searched(
    scores: NDArray[np.float64], slices: list[Slice], **changes: object
) -> slice_search.Search:
    rows = len(scores)
    table = pa.table({"row_id": [str(k) for k in range(rows)], "text": ["x"] * rows})
    chosen = SliceSettings.model_validate({"search_words": 0, "min_rows": 5} | changes)
    names = [str(k) for k in range(rows)]
    return search_slices(table, SHAPE, slices, scores, names, chosen)


def test_a_pair_is_told_only_where_it_is_worse_than_either_part() -> None:
    random = np.random.default_rng(0)
    first, second = random.random(400) < 0.5, random.random(400) < 0.5
    slices = [part("a", first), part("b", second)]
    together = searched(np.where(first & second, 0.0, 1.0), slices)
    assert together.found[0].name == "a and b"
    alone = searched(np.where(first, 0.0, 1.0), slices)
    assert [one.name for one in alone.found] == ["a"]
    assert together.candidates == 3
    none = searched(np.ones(400), [part("a", np.zeros(400, np.bool_))])
    assert (none.found, none.candidates) == ((), 0)


def test_only_slices_with_rows_enough_in_the_searched_half_are_told() -> None:
    few = np.arange(100) < 30
    scores = np.where(few, 0.0, 1.0)
    half = int((~searched(scores, [part("a", few)]).confirming & few).sum())
    assert 5 < half < 25
    assert len(searched(scores, [part("a", few)], min_rows=half).found) == 1
    assert searched(scores, [part("a", few)], min_rows=half + 1).found == ()


def test_words_that_part_the_rows() -> None:
    texts = ["all rare"] * 5 + ["all half"] * 15 + ["all of us"] * 20
    table = pa.table({"row_id": [str(k) for k in range(40)], "text": texts})

    def words(**changes: object) -> list[str]:
        chosen = SliceSettings.model_validate({"min_rows": 5} | changes)
        return [one.name for one in words_present(table, SHAPE, chosen)]

    # In five of the rows or more, and in a half of them or less.
    assert words() == ["has 'half'", "has 'of'", "has 'rare'", "has 'us'"]
    assert words(min_rows=6) == ["has 'half'", "has 'of'", "has 'us'"]
    assert words(min_rows=16) == ["has 'of'", "has 'us'"]
    assert words(search_words=0) == []
    (half,) = (
        one for one in words_present(table, SHAPE, SliceSettings(min_rows=5)) if "half" in one.name
    )
    assert np.array_equal(half.members, [text.endswith("half") for text in texts])
    assert (half.description, half.origin) == ("the text has 'half'", "search")


def test_ranges_and_values_at_their_borders() -> None:
    numbers = pa.table({"row_id": [*"abcdefgh"], "x": [1, 2, 3, 4, 5, 6, 7, 8]})
    found = slices_of(numbers, SliceSettings(by=("x",), bins=4))
    assert [np.flatnonzero(one.members).tolist() for one in found] == [
        [0, 1], [2, 3], [4, 5], [6, 7],
    ]  # fmt: skip
    assert [one.description for one in found] == ["x 1 to 2", "x 3 to 4", "x 5 to 6", "x 7 to 8"]
    one_each = slices_of(numbers, SliceSettings(by=("x",), bins=8))
    assert [one.description for one in one_each] == [f"x {k}" for k in range(1, 9)]
    words = ["b"] * 6 + ["a"] * 6 + ["c"] * 7 + ["d"] * 5 + [None] * 9
    table = pa.table({"row_id": [str(k) for k in range(33)], "word": words})
    for settings, names in (
        ({"min_rows": 6}, ["c", "a", "b"]), ({"min_rows": 5}, ["c", "a", "b", "d"]),
        ({"min_rows": 5, "max_values": 2}, ["c", "a"]),
    ):  # fmt: skip
        found = slices_of(table, SliceSettings.model_validate({"by": ("word",)} | settings))
        assert [one.name for one in found] == [f"word.{name}" for name in names]
        assert [one.members.sum() for one in found] == [words.count(name) for name in names]


@pytest.mark.parametrize(("inside", "judged"), [(4, False), (5, True), (15, True), (16, False)])
def test_as_many_rows_on_either_side_as_are_asked_for_are_enough(
    inside: int, *, judged: bool
) -> None:
    """Of twenty rows that may judge, and ten that may not."""
    among = np.arange(30) < 20
    units = units_of_rows([f"{row:02d}" for row in range(30)])
    one = _judge(part("a", np.arange(30) < inside), among, 5, units)
    assert (one.reason == "") == judged
    assert (one.inside.sum(), one.outside.sum()) == (inside, 20 - inside)
    broken = _judge(part("a", np.arange(30) < inside, "it is broken"), among, 5, units)
    assert broken.reason == "it is broken"


def test_a_gap_has_a_good_and_a_bad_pseudo_row_on_either_side() -> None:
    scores = np.array([1.0, 0.5, 0.0, np.nan, 0.25, 1.0])
    units = units_of_rows([*"abcdef"])
    one = _judge(part("a", np.arange(6) < 2), np.isfinite(scores), 1, units)
    gap = _gap(one, scores, units, "slice.a.score_gap")
    assert (gap.name, gap.n, gap.pseudo_masses) == ("slice.a.score_gap", 2, (1.0,) * 4)
    assert gap.value == pytest.approx(0.75 - 1.25 / 3)
    rows, weights = np.arange(1.0, 7), np.array([0.3, 0.2, 0.7, 0.4])
    drawn = gap.statistic(np.concatenate([rows, weights])[None])[0]
    # The first two pull the gap down, by a bad row inside and a good one outside.
    mean_inside = (1 * 1.0 + 2 * 0.5 + 0.7) / (1 + 2 + 0.3 + 0.7)
    mean_outside = (3 * 0.0 + 5 * 0.25 + 6 * 1.0 + 0.2) / (3 + 5 + 6 + 0.2 + 0.4)
    assert drawn == pytest.approx(mean_inside - mean_outside)

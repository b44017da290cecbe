"""Pointwise mutual information of terms and labels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from sklearn.metrics import mutual_info_score

from tasks.protected_groups.mentions import Term
from tasks.representation.associations import (
    design_effect,
    for_few_clusters,
    mutual_information,
    strongest_associations,
)
from tasks.representation.cooccurrence import Facet, TermCount
from tasks.verdicts import MAX_FAMILY

LABELS = ("bad", "good")


def table(both: int, term: int, label: int, neither: int) -> np.ndarray:
    return np.array([both, term, label, neither])


def term_count(word: str, by_label: list[int]) -> TermCount:
    return TermCount("x", Term("g", word, "en", ()), sum(by_label), np.array(by_label))


def strongest(
    terms: list[TermCount], rows: list[int], min_rows: int = 10, shown: int = 20
) -> list[tuple[str, str]]:
    everyone = Facet(np.array([sum(rows)]), np.array([rows]))
    found, _ = strongest_associations(terms, everyone, LABELS, min_rows=min_rows, shown=shown)
    return [(one.term, one.label) for one in found]


def test_a_term_that_stands_twice_as_often_with_a_label_has_one_bit() -> None:
    """Of 10,000 rows 2,500 have the label; of 400 with the term, 200 do, where chance has 100."""
    found = mutual_information("x", table(200, 200, 2300, 7300))
    assert found.value == pytest.approx(1)
    assert found.low is not None
    assert found.high is not None
    assert 0.8 < found.low < 1 < found.high < 1.2
    assert found.n == 10_000


def test_its_mean_over_a_table_is_the_mutual_information_of_scikit_learn() -> None:
    rows = [(1, 1)] * 12 + [(1, 0)] * 8 + [(0, 1)] * 30 + [(0, 0)] * 50
    cells = {cell: rows.count(cell) for cell in rows}
    bits = 0.0
    for (term, label), count in cells.items():
        arranged = table(
            count, cells[term, 1 - label], cells[1 - term, label], cells[1 - term, 1 - label]
        )
        bits += count / 100 * (mutual_information("x", arranged).value or 0)
    assert bits * math.log(2) == pytest.approx(mutual_info_score(*zip(*rows, strict=True)))


@settings(max_examples=30)
@given(st.tuples(*[st.integers(1, 200)] * 4))
def test_every_interval_holds_the_value_and_the_narrower_one(cells: tuple[int, ...]) -> None:
    found = mutual_information("x", table(*cells))
    assert found.value is not None
    assert len(found.ladder) == MAX_FAMILY
    for (low, high), (wider_low, wider_high) in zip(found.ladder, found.ladder[1:], strict=False):
        assert wider_low <= low <= found.value <= high <= wider_high


@settings(max_examples=30)
@given(st.tuples(*[st.integers(1, 200)] * 4))
def test_term_and_label_can_change_places(cells: tuple[int, ...]) -> None:
    both, term, label, neither = cells
    swapped = mutual_information("x", table(both, label, term, neither)).value
    assert mutual_information("x", table(*cells)).value == pytest.approx(swapped)


def test_what_never_stands_together_has_no_value_and_a_reason() -> None:
    found = mutual_information("x", table(0, 20, 30, 50))
    assert found.value is None
    assert found.reason


@pytest.mark.parametrize(
    ("rows", "term", "label", "lift"),
    [
        (1000, 0.1, 0.5, 1.2),
        (1000, 0.02, 0.1, 3.0),
        (5000, 0.01, 0.05, 2.0),
        (300, 0.05, 0.3, 1.0),
        (2000, 0.01, 0.02, 5.0),
    ],
)
def test_of_a_hundred_intervals_ninety_three_hold_the_truth(
    rows: int, term: float, label: float, lift: float
) -> None:
    both = term * label * lift
    shares = [both, term - both, label - both, 1 - term - label + both]
    drawn = np.random.default_rng(0).multinomial(rows, shares, size=600)
    found = [mutual_information(str(place), cells) for place, cells in enumerate(drawn)]
    held = [
        one.low <= math.log2(lift) <= one.high
        for one in found
        if one.low is not None and one.high is not None
    ]
    assert len(held) > 500
    assert np.mean(held) >= 0.93


def test_a_sure_association_comes_before_one_that_is_larger_by_luck() -> None:
    lucky, sure = term_count("lucky", [10, 1]), term_count("sure", [700, 300])
    assert lucky.with_label[0] / lucky.rows > sure.with_label[0] / sure.rows
    assert strongest([lucky, sure], [3000, 3000]) == [("sure", "bad"), ("lucky", "bad")]


def test_only_terms_above_chance_are_told_and_only_with_rows_enough() -> None:
    terms = [term_count("usual", [50, 50]), term_count("rare", [9, 0]), term_count("kind", [2, 9])]
    assert strongest(terms, [500, 500]) == [("kind", "good")]
    assert ("rare", "bad") in strongest(terms, [500, 500], min_rows=9)


def test_each_label_has_terms_of_its_own_up_to_the_number_that_is_shown() -> None:
    bad = [term_count(f"bad{i}", [80 + 20 * i, 20]) for i in range(5)]
    good = [term_count(f"good{i}", [40, 60 + 20 * i]) for i in range(5)]
    found = strongest([*bad, *good], [2000, 2000], shown=2)
    assert found == [("bad4", "bad"), ("bad3", "bad"), ("good4", "good"), ("good3", "good")]


def test_the_number_of_pairs_that_were_looked_at_is_told() -> None:
    everyone = Facet(np.array([100]), np.array([[50, 50]]))
    terms = [term_count("a", [9, 3]), term_count("b", [4, 1])]
    assert strongest_associations(terms, everyone, LABELS, min_rows=10, shown=5)[1] == 2


def clustered_table(seed: int, clusters: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Authors who use the word, and whose texts bear the label, more or less often than others."""
    random = np.random.default_rng(seed)
    author = np.repeat(np.arange(clusters), rows)
    term = random.random(len(author)) < random.beta(1, 2, clusters)[author]
    label = random.random(len(author)) < random.beta(1, 1, clusters)[author]
    by_unit = np.stack(
        [np.bincount(author, held, clusters) for held in (term & label, term, label, author >= 0)],
        axis=1,
    ).astype(np.int64)
    both, of_term, of_label, every = by_unit.sum(axis=0)
    return table(both, of_term - both, of_label - both, every - of_term - of_label + both), by_unit


def test_authors_who_repeat_themselves_are_worth_one_row_each() -> None:
    cells = table(20, 30, 60, 90)
    sets = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    by_unit = np.repeat(sets, cells, axis=0) * 6  # each row is an author's, six times
    assert design_effect(cells * 6, by_unit) == pytest.approx(6 * 200 / 199)
    assert design_effect(cells, by_unit // 6) == pytest.approx(200 / 199)


@pytest.mark.parametrize("seed", range(3))
def test_the_design_effect_is_that_of_drawn_clusters(seed: int) -> None:
    """Brute force: how much the PMI varies when whole clusters are drawn, and when rows are."""
    cells, by_unit = clustered_table(seed, 60, 10)
    random = np.random.default_rng(9)

    def spread(draws: np.ndarray) -> float:
        both, term, label, every = draws.T
        return float(np.var(np.log2(both * every / (term * label))))

    by_cluster = random.multinomial(60, [1 / 60] * 60, 20_000) @ by_unit
    one_by_one = random.multinomial(600, cells / 600, 20_000)
    both, term, label, _ = one_by_one.T
    by_row = np.stack([both, both + term, both + label, np.full(20_000, 600)], axis=1)
    expected = spread(by_cluster) * 60 / 59 / spread(by_row)
    assert expected > 1.5
    assert design_effect(cells, by_unit) == pytest.approx(expected, rel=0.15)


def test_the_upper_end_lies_beyond_that_of_half_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a row in each cell pulls it inwards: it lay below the truth in 3.8% of draws."""
    now = mutual_information("x", table(20, 30, 60, 90))
    monkeypatch.setattr("tasks.representation.associations.RAISING_ROWS", np.full(4, 1 / 2))
    before = mutual_information("x", table(20, 30, 60, 90))
    assert (now.value, now.low) == (before.value, before.low)
    assert now.high is not None
    assert before.high is not None
    assert now.high > before.high + 0.01


def test_what_few_clusters_bear_is_known_badly() -> None:
    """Ten authors alike are ten; where one of them bears nearly all, Student's t has one degree."""
    cells = table(20, 30, 60, 90)
    alike = np.tile([6, 6, 6, 6], (10, 1))  # six rows with both the term and the label
    assert for_few_clusters(cells, alike) == pytest.approx((t.ppf(0.975, 9) / 1.959964) ** 2)
    one = np.concatenate([alike[:1] * 1_000, alike[1:]])
    assert for_few_clusters(cells, one) == pytest.approx((t.ppf(0.975, 1) / 1.959964) ** 2)


def test_intervals_of_authors_hold_no_association_where_there_is_none() -> None:
    """The word and the label are independent: an interval above 0 is an error."""
    by_cluster = by_row = 0
    for seed in range(150):
        cells, by_unit = clustered_table(seed, 40, 30)
        effect = design_effect(cells, by_unit)
        by_cluster += mutual_information(str(seed), cells, effect).low > 0
        by_row += mutual_information(str(seed), cells).low > 0
    assert by_row > 12
    assert by_cluster <= 9

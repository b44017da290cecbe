import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tasks.drift.domain_classifier import (
    FOLDS,
    Features,
    deal_folds,
    make_features,
    measure_domains,
    out_of_fold,
)
from tasks.drift.logistic import area_under_curve, fit, with_intercept
from tasks.drift.measurement import Question
from tasks.drift.permutations import Floats, Membership, Permutations
from tasks.drift.words import count_words

ASKED = Question("drift.domain_classifier", "area", 0.65, of_equals=0.5)
KINDS = st.lists(st.sampled_from([1, 2, 3]), min_size=2, max_size=40).filter(
    lambda kinds: {1, 2} <= {*kinds} or 3 in kinds
)


def members(kinds: list[int]) -> Membership:
    both = np.array(kinds)
    return Membership(both != 2, both != 1)


def as_examples(rows: Floats, membership: Membership) -> tuple[Floats, Floats]:
    """A row on both sides twice, once for each, as other libraries want it."""
    examples = np.concatenate([rows[membership.before], rows[membership.now]])
    return examples, np.repeat([0.0, 1.0], membership.rows).astype(np.float32)


@pytest.mark.parametrize(
    "kinds", [[1] * 40 + [2] * 40, [1] * 20 + [3] * 50 + [2] * 35, [3, 2] * 40]
)
def test_many_fits_at_once_equal_those_of_scikit_learn(
    kinds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.drift.logistic._TOLERANCE", 1e-4)
    random = np.random.default_rng(0)
    rows = random.normal(size=(len(kinds), 6)).astype(np.float32)
    rows[np.array(kinds) == 2] += 0.8
    dealt = next(members(kinds).deal(3, random, np.zeros(len(kinds), int)))
    sides = [np.hstack(pair) for pair in zip(members(kinds).columns(), dealt, strict=True)]
    weights = fit(rows, *sides)
    for column in range(4):
        membership = Membership(sides[0][:, column] == 1, sides[1][:, column] == 1)
        examples, targets = as_examples(rows, membership)
        mass = len(rows) / 2 / np.where(targets == 1, membership.rows[1], membership.rows[0])
        other = LogisticRegression(tol=1e-8).fit(examples, targets, sample_weight=mass)
        expected = [*other.coef_[0], other.intercept_[0]]
        np.testing.assert_allclose(weights[:, column], expected, atol=1e-3)
        scores = with_intercept(rows) @ weights[:, column]
        np.testing.assert_allclose(scores, other.decision_function(rows), atol=3e-3)


@settings(deadline=None)
@given(KINDS, st.integers(1, 5), st.integers(0, 99))
def test_the_area_is_that_of_scikit_learn_with_ties(
    kinds: list[int], values: int, seed: int
) -> None:
    membership = members(kinds)
    scores = np.random.default_rng(seed).integers(0, values, (len(kinds), 2)).astype(np.float32)
    sides = [np.repeat(side, 2, axis=1) for side in membership.columns()]
    areas = area_under_curve(scores, *sides)
    for column in range(2):
        examples, targets = as_examples(scores[:, column], membership)
        assert areas[column] == pytest.approx(roc_auc_score(targets, examples))


@given(KINDS, st.integers(0, 9))
def test_folds_hold_as_many_rows_of_each_kind(kinds: list[int], seed: int) -> None:
    keys = np.arange(len(kinds)).astype(np.uint64)
    folds = deal_folds(keys, members(kinds), np.random.default_rng(seed))
    for kind in set(kinds):
        sizes = np.bincount(folds[np.array(kinds) == kind], minlength=FOLDS)
        assert sizes.max() - sizes.min() <= 1


def test_a_row_whose_text_changed_shares_a_fold_with_its_former_self() -> None:
    keys = np.repeat(np.arange(20), 2).astype(np.uint64)
    folds = deal_folds(keys, members([1, 2] * 20), np.random.default_rng(0))
    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds).tolist() == [8] * 5


def test_a_score_comes_from_a_fit_that_did_not_see_the_row() -> None:
    random = np.random.default_rng(0)
    rows, kinds = random.normal(size=(40, 3)).astype(np.float32), [1, 2] * 20
    folds = np.arange(40) % FOLDS
    scores = out_of_fold(rows, folds, *members(kinds).columns())
    flipped = members(np.where(folds == 2, 3 - np.array(kinds), kinds).tolist())
    changed = out_of_fold(rows, folds, *flipped.columns())
    np.testing.assert_array_equal(changed[folds == 2], scores[folds == 2])
    assert (changed[folds != 2] != scores[folds != 2]).all()


def texts(words: str, count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    shared = ["the", "of", "and", "to", "in", "a", "is", "that", "it", "was"]
    return [" ".join(random.choice([*shared, *words.split()], 12)) for _ in range(count)]


def test_new_rows_are_told_by_their_words() -> None:
    before, now = texts("bank rates shares", 60, 0), texts("goal match coach", 60, 1)
    features = make_features(count_words([*before, *now]))
    kinds = [1] * 60 + [2] * 60
    keys = np.arange(120).astype(np.uint64)
    found = measure_domains(ASKED, features, keys, members(kinds), Permutations(199, 0))
    assert found.measurement.answer is not None
    assert found.measurement.answer[0] > 0.95
    assert found.measurement.answer[1] == 1 / 200
    order = np.argsort(found.word_weights)
    assert {features.words[word] for word in order[-3:]} == {"goal", "match", "coach"}
    assert {features.words[word] for word in order[:3]} == {"bank", "rates", "shares"}
    assert found.scores[60:].mean() > 0.6
    assert found.scores[:60].mean() < 0.4


@pytest.mark.parametrize(
    "kinds",
    [[1, 2] * 25, pytest.param([1] * 10 + [3] * 25 + [2] * 20, marks=pytest.mark.slow)],
)
def test_small_p_values_are_as_rare_as_they_say_without_drift(kinds: list[int]) -> None:
    """Under fixed scores of the folds twice as many would be small."""
    p_values = []
    for seed in range(400):
        rows = np.random.default_rng(seed).normal(size=(len(kinds), 8)).astype(np.float32)
        features, keys = Features(rows, ("word",) * 8), np.arange(len(kinds)).astype(np.uint64)
        found = measure_domains(ASKED, features, keys, members(kinds), Permutations(99, seed))
        assert found.measurement.answer is not None
        p_values.append(found.measurement.answer[1])
    error = (0.05 * 0.95 / len(p_values)) ** 0.5
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=2.5 * error)


def test_half_of_the_rows_kept_halves_what_can_be_told() -> None:
    """Of a row now and one before, a quarter is of new against old and told for certain."""
    old, kept = texts("bank rates shares", 80, 0), texts("bank rates shares", 80, 1)
    new = texts("goal match coach", 80, 2)
    features = make_features(count_words([*old, *kept, *new]))
    kinds, keys = [1] * 80 + [3] * 80 + [2] * 80, np.arange(240).astype(np.uint64)
    found = measure_domains(ASKED, features, keys, members(kinds), Permutations(199, 0))
    assert found.measurement.answer is not None
    # New rows beat all rows before; kept ones are as the old: (1 + 0.5) / 2.
    assert found.measurement.answer[0] == pytest.approx(0.75, abs=0.04)


def test_a_side_on_both_sides_is_not_told() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    both = members([3] * 30).columns()
    assert area_under_curve(out_of_fold(rows, np.arange(30) % FOLDS, *both), *both)[0] == 0.5


def test_rows_without_words_in_common_cannot_be_told() -> None:
    features = make_features(count_words([f"only{number}" for number in range(20)]))
    keys, kinds = np.arange(20).astype(np.uint64), members([1, 2] * 10)
    found = measure_domains(ASKED, features, keys, kinds, Permutations(199, 0))
    assert found.measurement.answer is None
    assert found.measurement.reason == "no word stands in several rows"
    assert found.word_weights.shape == (0,)

"""What intervals and comparisons take for granted of every metric of every task type."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from tasks.task_types.generation.generation_measures import measure_texts
from tasks.task_types.generation.written_texts import WrittenTexts
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.labels.multi_label_measures import measure_label_sets
from tasks.task_types.labels.regression_measures import measure_predictions
from tasks.task_types.language_models.answer_measures import answer_chrf
from tasks.task_types.language_models.language_measures import (
    likelihood_table,
    measure_likelihood,
)
from tasks.task_types.language_models.masked_words import SUMS
from tasks.task_types.language_models.pair_measures import measure_pairs
from tasks.task_types.measures import Measure, Measured, mean_of, ratio_of_sums, unbounded_ratio
from tasks.task_types.questions.question_answering_measures import measure_answers
from tasks.task_types.relations.relation_measures import relation_measures
from tasks.task_types.tags.tagging_measures import measure_tags
from tasks.verdicts import ALPHA

ROWS = 60
WORDS = ["the", "cat", "sat", "on", "a", "mat", "while", "two", "dogs", "barked", "at", "me"]
LABELS = ("x", "y", "z")
RELATIONS = ("x(e1,e2)", "x(e2,e1)", "y", "z", "no_relation")
Floats = NDArray[np.float64]


def texts(seed: int, longest: int = 11) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(WORDS[:length]) for length in random.integers(5, longest, ROWS)]


def classification(random: np.random.Generator) -> Measured:
    truth = random.integers(0, 3, ROWS)
    logits = random.normal(size=(ROWS, 3)) + 2 * np.eye(3)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    said = {"predicted": scores.argmax(axis=1), "probabilities": list(scores)}
    rows = pa.table({"label": [LABELS[label] for label in truth]})
    return measure_classes(rows, pa.table(said), LABELS)


def multi_label(random: np.random.Generator) -> Measured:
    truth = random.random((ROWS, 3)) < 0.4
    return measure_label_sets(
        truth, np.clip(0.3 + 0.4 * truth + random.normal(0, 0.25, (ROWS, 3)), 0, 1), 0.5, LABELS
    )


def regression(random: np.random.Generator) -> Measured:
    targets = random.normal(100, 20, ROWS)
    return measure_predictions(targets, targets + random.normal(0, 8, ROWS))


def generation(_: np.random.Generator) -> Measured:
    said = [f"{one} {one}" if k % 2 else f"{one[4:]} owl" for k, one in enumerate(texts(1))]
    return measure_texts(WrittenTexts(texts(1), said), ("chrf", "bleu"))


def language(random: np.random.Generator) -> Measured:
    table = likelihood_table(random.gamma(9, 2, ROWS), random.integers(4, 12, ROWS), texts(2))
    return measure_likelihood(pa.table(table))


def pairs(random: np.random.Generator) -> Measured:
    tokens, words, asked = (random.integers(2, 9, ROWS) for _ in range(3))
    columns = (random.gamma(9, 2, ROWS), tokens, random.binomial(tokens, 0.6), words,
               random.binomial(words, 0.7))  # fmt: skip
    table = {"pairs": asked, "right_pairs": random.binomial(asked, 0.8)}
    return measure_pairs(pa.table(table | dict(zip(SUMS, columns, strict=True))))


def answering(random: np.random.Generator) -> Measured:
    truth = [" ".join(WORDS[1:k]) if k % 3 else "" for k in random.integers(1, 11, ROWS)]
    said = [one if random.random() < 0.7 else WORDS[1] * (k % 2) for k, one in enumerate(truth)]
    return measure_answers(texts(3), truth, said)


def tagging(random: np.random.Generator) -> Measured:
    tags = ("O", "B-x", "I-x", "B-y", "I-y")
    truth = [
        [tags[k] for k in random.choice(5, 8, p=[0.4, 0.2, 0.1, 0.2, 0.1])] for _ in range(ROWS)
    ]
    said = [[one if random.random() < 0.8 else "O" for one in row] for row in truth]
    return measure_tags(pa.array(truth), pa.array(said), tags)


def chat(random: np.random.Generator) -> Measured:
    said = [one[: random.integers(4, 40)] if k % 4 else None for k, one in enumerate(texts(4))]
    one = answer_chrf(texts(4), said)
    return Measured((one,), np.full(ROWS, 0.5), ("chrf",))


def relations(random: np.random.Generator) -> Measured:
    truth = np.repeat(np.arange(5), (8, 8, 16, 16, 12))
    said = np.where(random.random(ROWS) < 0.6, truth, random.integers(0, 5, ROWS))
    found = relation_measures(truth, said, RELATIONS)
    return Measured(tuple(found), (truth == said).astype(np.float64), ("micro_f1", "macro_f1"))


KINDS = (classification, multi_label, regression, generation, language, pairs, answering, tagging,
         chat, relations)  # fmt: skip
MADE = {kind.__name__: kind(np.random.default_rng(k)) for k, kind in enumerate(KINDS)}
EVERY = [(kind, one.name) for kind, made in MADE.items() for one in made.measures]


@cache
def measure(kind: str, name: str) -> Measure:
    return next(one for one in MADE[kind].measures if one.name == name)


def value_of(one: Measure, rows: Floats | float, bad: float = 0.0, good: float = 0.0) -> float:
    """The metric where every row, bad and good pseudo-row has such a weight."""
    half = len(one.pseudo_masses) // 2
    weights = np.concatenate(
        [np.broadcast_to(rows, one.rows), np.repeat([bad, good], half) * one.pseudo_masses]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(one.statistic(weights[None].astype(np.float64))[0])


# What the bad and the good pseudo-rows come to alone: the worst and the best that a row may be.
SHARE, ERROR = (0.0, 1.0), (1.0, 0.0)
ENDS = {
    **dict.fromkeys(
        ("accuracy", "micro_f1", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1",
         "precision.x", "recall.y", "f1.z", "micro_precision", "micro_recall", "subset_accuracy",
         "jaccard", "ranking_average_precision", "roc_auc", "rouge_1", "rouge_2", "rouge_l",
         "masked_accuracy", "masked_token_accuracy", "next_sentence_accuracy", "f1", "exact_match",
         "has_answer_f1", "has_answer_exact_match", "no_answer_accuracy", "no_answer_f1",
         "entity_f1", "entity_precision", "entity_recall", "macro_entity_f1", "token_accuracy",
         "entity_f1.x", "entity_precision.y"), SHARE,
    ),
    "matthews_correlation": (-0.5, 1.0), "brier": ERROR, "hamming_loss": ERROR, "repetition": ERROR,
    "bleu": (0.0, 100.0), "chrf": (0.0, 100.0),
}  # fmt: skip
# Whose pseudo-rows are the rows that lie out farthest.
UNBOUNDED = {"bits_per_byte", "perplexity", "pseudo_perplexity", "log_loss", "length_ratio"}


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_pseudo_rows_are_bad_first_and_good_last_and_as_much_as_one_row(
    kind: str, name: str
) -> None:
    one = measure(kind, name)
    assert one.rows == ROWS
    masses = 3 if name in UNBOUNDED else 1 if "calibration" in name else 2
    assert sum(one.pseudo_masses) == pytest.approx(masses)
    assert one.least_rows == (100 if name in UNBOUNDED else 0)
    if name in ENDS:
        assert (value_of(one, 0, bad=1), value_of(one, 0, good=1)) == pytest.approx(ENDS[name])
        if ENDS[name] == SHARE:
            middle = 2 / 3 if name.startswith("f1.") else 1 / 2
            assert value_of(one, 0, bad=1, good=1) == pytest.approx(middle, abs=1e-3)
    if "calibration" in name:
        return
    sign = 1 if one.greater_is_better else -1
    worse, as_it_is, better = (value_of(one, 1, *ends) for ends in ((5, 0), (0, 0), (0, 5)))
    assert sign * worse < sign * as_it_is < sign * better


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_the_value_is_that_of_rows_of_weight_one_and_a_part_is_that_of_its_rows(
    kind: str, name: str
) -> None:
    one, inside = measure(kind, name), np.arange(ROWS) % 3 > 0
    assert one.reason == ""
    assert one.value == pytest.approx(value_of(one, 1))
    assert one.value_of(np.where(inside, 0, -1)) == pytest.approx(value_of(one, inside))
    assert value_of(one, 7) == pytest.approx(one.value)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_unit_of_rows_counts_as_they_do(kind: str, name: str) -> None:
    """Of units some of whose rows, and some units of which no rows, are left out."""
    one, random = measure(kind, name), np.random.default_rng(0)
    units = np.append(-1, np.arange(1, ROWS) % 7)
    near = 0.01 if one.gather else 0.3
    weights = np.concatenate(
        [random.uniform(1 - near, 1 + near, (4, 8)), np.zeros((4, len(one.pseudo_masses)))], axis=1
    )
    if not one.gather:
        weights[:, 8:] = random.uniform(0, 0.3, (4, len(one.pseudo_masses)))
    by_row = np.concatenate([np.where(units < 0, 0, weights[:, units]), weights[:, 8:]], axis=1)
    found = one.over(units, 8)(weights)
    assert found.shape == (4,)
    assert found == pytest.approx(one.statistic(by_row), abs=1e-3 if one.gather else 1e-9)
    distance = one.distance_over(units, 8)
    assert (distance is not None) == ("calibration" in name)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_rows_that_are_alike_may_change_places(kind: str, name: str) -> None:
    one, random = measure(kind, name), np.random.default_rng(0)
    if one.alike is None:
        return
    assert one.alike.shape == (ROWS,)
    assert one.alike.min() >= 0
    weights = random.uniform(0.5, 2, ROWS)
    spread = np.bincount(one.alike, weights) / np.maximum(np.bincount(one.alike), 1)
    assert value_of(one, spread[one.alike]) == pytest.approx(value_of(one, weights))
    # Rows of different numbers are not the same to it, as far as the most and the least go.
    groups = [one.alike == number for number in np.unique(one.alike)]
    assert len({round(value_of(one, 1 + 3 * here), 9) for here in groups}) > 1


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_the_closed_form_is_the_exact_interval_of_the_rows_that_count(kind: str, name: str) -> None:
    one = measure(kind, name)
    if not one.closed_form:
        return
    concerned = one.rests_on or ROWS
    harmonic = name.startswith("f1.")
    share = one.value / (2 - one.value) if harmonic else one.value
    hits = round(share * concerned)
    assert share * concerned == pytest.approx(hits)
    assert 0 < hits < concerned
    for k, (low, high) in enumerate(one.closed_form, start=1):
        misses, tail = concerned - hits, ALPHA / k / 2
        ends = np.array([beta(hits, misses + 1).ppf(tail), beta(hits + 1, misses).ppf(1 - tail)])
        expected = 2 * ends / (1 + ends) if harmonic else ends
        assert (low, high) == pytest.approx(tuple(expected))


def test_which_metrics_have_a_closed_form_and_rest_on_some_rows_only() -> None:
    closed = {(kind, name) for kind, name in EVERY if measure(kind, name).closed_form}
    partly = {(kind, name) for kind, name in EVERY if measure(kind, name).rests_on is not None}
    of_labels = {
        (kind, f"{which}.{label}")
        for kind, labels in (
            ("classification", LABELS), ("multi_label", LABELS), ("relations", RELATIONS),
        )
        for which in ("precision", "recall", "f1")
        for label in labels
    }  # fmt: skip
    of_pairs = {("relations", f"micro_{which}") for which in ("precision", "recall", "f1")}
    assert partly == of_labels | of_pairs | {("chat", "chrf")}  # of the rows that were answered
    assert closed == of_labels | {
        ("classification", "accuracy"), ("classification", "micro_f1"),
        ("multi_label", "subset_accuracy"), ("answering", "exact_match"),
        ("relations", "accuracy"),
    }  # fmt: skip


def test_which_metrics_count_tokens_and_which_are_errors() -> None:
    assert {name for kind, name in EVERY if measure(kind, name).by_token} == {
        "perplexity", "pseudo_perplexity", "masked_token_accuracy",
    }  # fmt: skip
    assert {name for kind, name in EVERY if not measure(kind, name).greater_is_better} == {
        "log_loss", "brier", "calibration_error", "adaptive_calibration_error", "hamming_loss",
        "mae", "rmse", "repetition", "perplexity", "pseudo_perplexity", "bits_per_byte",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [("classification", "accuracy"), ("multi_label", "jaccard"), ("answering", "f1")],
)
def test_the_scores_of_rows_are_those_that_a_metric_is_the_mean_of(kind: str, name: str) -> None:
    assert MADE[kind].row_scores.mean() == pytest.approx(measure(kind, name).value)


@pytest.mark.parametrize("kind", MADE)
def test_what_leads_is_measured_and_every_row_has_a_score(kind: str) -> None:
    made = MADE[kind]
    names = [one.name for one in made.measures]
    assert len(set(names)) == len(names)
    assert set(made.leading) <= set(names)
    assert made.row_scores.shape == (ROWS,)
    assert ((made.row_scores >= 0) & (made.row_scores <= 1)).all()
    assert len(np.unique(made.row_scores)) > 1 or kind == "chat"


def test_a_mean_that_is_no_share_has_no_closed_form() -> None:
    shares = np.array([0.0, 1.0, 1.0])
    assert mean_of("x", shares).closed_form
    for one in (
        mean_of("x", shares, low=-1.0), mean_of("x", shares, high=2.0), mean_of("x", shares[:0]),
        mean_of("x", shares / 2),
    ):  # fmt: skip
        assert one.closed_form == ()
    low, high = mean_of("x", shares, low=-1.0, high=2.0), mean_of("x", 1 - shares)
    assert (value_of(low, 0, bad=1), value_of(low, 0, good=1)) == (-1, 2)
    assert high.value == pytest.approx(1 / 3)
    turned = mean_of("x", shares, low=-1.0, high=2.0, greater_is_better=False)
    assert (value_of(turned, 0, bad=1), value_of(turned, 0, good=1)) == (2, -1)


def test_a_ratio_without_pseudo_rows_is_spread_in_parts_that_memory_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tasks.task_types import measures

    one = ratio_of_sums("x", [np.arange(5.0), np.ones(5)], lambda sums: sums[..., 0] / sums[..., 1])
    assert one.pseudo_masses == ()
    bare = Measure("x", one.statistic, 5)
    units, weights = np.array([0, 1, 1, -1, 0]), np.random.default_rng(0).random((7, 2))
    expected = one.over(units, 2)(weights)
    seen: list[int] = []

    def counted(given: Floats) -> Floats:
        seen.append(len(given))
        return one.statistic(given)

    monkeypatch.setattr(measures, "CHUNK_WEIGHTS", 10)
    assert Measure("x", counted, 5).over(units, 2)(weights) == pytest.approx(expected)
    assert seen == [2, 2, 2, 1]
    assert bare.distance_over(units, 2) is None


def test_of_an_unbounded_ratio_the_rows_that_lie_out_farthest_may_be_seen_again() -> None:
    above, below = np.array([10.0, 90.0, 30.0, 2.0]), np.array([10.0, 30.0, 30.0, 10.0])
    one = unbounded_ratio("x", above, below)
    assert one.value == pytest.approx(132 / 80)
    bad, good = (one.statistic(np.eye(6)[[place]])[0] for place in (4, 5))
    # By their residuals: 90 of 30 is 40.5 above the ratio, and 30 of 30 is 19.5 below it.
    assert (bad, good) == (3.0, 1.0)
    assert (one.pseudo_masses, one.least_rows) == ((1.5, 1.5), 100)
    rising = unbounded_ratio("x", above, below, greater_is_better=True)
    assert rising.statistic(np.eye(6)[[4]])[0] == 1.0
    told = unbounded_ratio("x", above, below, might_be=[(0.0, 50.0)], of_ratio=np.exp)
    assert told.statistic(np.eye(6)[[5]])[0] == np.exp(0.0)
    nothing = unbounded_ratio("x", np.zeros(3), np.zeros(3))
    assert nothing.pseudo_masses == ()

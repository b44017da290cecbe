"""Worlds of scores: areas under curves, numbers, likelihoods, hidden words, own metrics."""

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa

from tasks.evaluation.temperature import fit_temperature
from tasks.resampling import Floats, Ints
from tasks.task_types.labels.calibration import BINS, equal_width_bins, probability_measures
from tasks.task_types.labels.ranking import ranking_measures
from tasks.task_types.labels.regression_measures import measure_predictions
from tasks.task_types.language_models.language_measures import measure_likelihood
from tasks.task_types.language_models.masked_words import SUMS
from tasks.task_types.language_models.pair_measures import measure_pairs
from tasks.task_types.measures import Measured, mean_of_some, unbounded_ratio
from tasks.verdicts import Estimate
from tests.simulation.answer_worlds import OF_CHAMPION
from tests.simulation.populations import Population, drawn_from
from tests.simulation.quality_worlds import quality, rows_one_by_one
from tests.simulation.scenarios import Random, Scenario

CLUSTERS, PER_CLUSTER = 400, 6
SIZE = CLUSTERS * PER_CLUSTER


def alike(random: Random, spread: float) -> Floats:
    """A normal shift, the same for the rows of a cluster."""
    return np.repeat(random.normal(0, spread, CLUSTERS), PER_CLUSTER)


def _classes(shares: tuple[float, ...], seed: int) -> Population:
    """Classes of these shares, each with a logit that is higher where it is right."""
    random = np.random.default_rng(seed)
    truth = random.choice(len(shares), SIZE, p=shares)
    hot = np.eye(len(shares))[truth]
    shared = np.stack([alike(random, 0.5) for _ in shares], axis=1)
    scores = []
    for apart in (2.0, 1.7):
        power = np.exp(apart * hot + shared + random.normal(size=hot.shape))
        scores.append(power / power.sum(axis=1, keepdims=True))

    def measured(chosen: Ints, of: Floats) -> Measured:
        found = ranking_measures(truth[chosen], of[chosen], "")
        return Measured(tuple(found), np.zeros(len(chosen)), ("roc_auc", "pr_auc"))

    return Population(
        SIZE, lambda chosen: measured(chosen, scores[0]), lambda chosen: measured(chosen, scores[1])
    )


@cache
def _two_classes() -> Population:
    return _classes((0.7, 0.3), 7)


@cache
def _three_classes() -> Population:
    return _classes((0.5, 0.3, 0.2), 8)


@cache
def _numbers() -> Population:
    random = np.random.default_rng(9)
    targets = random.normal(3, 1, SIZE)
    said = [
        0.9 * targets + 0.3 + alike(random, 0.3) + random.normal(0, spread, SIZE)
        for spread in (0.5, 0.6)
    ]
    return Population(
        SIZE,
        lambda chosen: measure_predictions(targets[chosen], said[0][chosen]),
        lambda chosen: measure_predictions(targets[chosen], said[1][chosen]),
    )


@cache
def _texts() -> Population:
    random = np.random.default_rng(10)
    size = np.ceil(random.lognormal(4, 0.7, SIZE))
    tokens = np.ceil(size / random.uniform(3, 5, SIZE))
    tables = [
        pa.table({"nll": nll, "tokens": tokens, "bytes": size})
        for nll in (
            tokens * random.lognormal(level, 0.4, SIZE) * np.exp(alike(random, 0.2))
            for level in (1.0, 1.1)
        )
    ]
    return Population(
        SIZE,
        lambda chosen: measure_likelihood(tables[0].take(chosen)),
        lambda chosen: measure_likelihood(tables[1].take(chosen)),
    )


@cache
def _hidden_words() -> Population:
    random = np.random.default_rng(11)
    words, pairs = random.poisson(4, SIZE) + 1, random.poisson(2, SIZE) + 1
    tokens = words + random.poisson(1, SIZE)
    tables = []
    for mean in (0.4, 0.35):
        chance = 1 / (1 + np.exp(-np.log(mean / (1 - mean)) - alike(random, 0.7)))
        right = random.binomial(words, chance)
        sums = dict(zip(
            SUMS,
            (tokens * random.lognormal(0.5, 0.4, SIZE), tokens, np.minimum(right, tokens), words,
             right),
            strict=True,
        ))  # fmt: skip
        known = {"pairs": pairs, "right_pairs": random.binomial(pairs, (1 + chance) / 2)}
        tables.append(pa.table(known | sums))
    return Population(
        SIZE,
        lambda chosen: measure_pairs(tables[0].take(chosen)),
        lambda chosen: measure_pairs(tables[1].take(chosen)),
    )


@cache
def _own() -> Population:
    """Scores that a row may lack: between bounds, and without any."""
    random = np.random.default_rng(12)
    counted = random.random(SIZE) < 0.8
    bounded = np.clip(random.normal(0.3, 0.4, SIZE) + alike(random, 0.2), -1, 1)
    long = random.lognormal(0, 0.7, SIZE)

    def measured(chosen: Ints) -> Measured:
        here = counted[chosen]
        found = (
            mean_of_some("polarity", bounded[chosen], here, low=-1.0),
            unbounded_ratio("seconds", np.where(here, long[chosen], 0.0), here.astype(np.float64)),
        )
        return Measured(found, np.zeros(len(chosen)), ())

    return Population(SIZE, measured)


def _off(estimate: Estimate, truth: float) -> Estimate:
    """How far the estimate lies from a truth that is another one in each draw."""
    if estimate.value is None:
        return estimate
    ladder = tuple((low - truth, high - truth) for low, high in estimate.ladder)
    return replace(estimate, value=estimate.value - truth, ladder=ladder)


def scaled(validation: int, rows: int) -> Scenario:
    """A classifier whose logits are twice too large, scaled by what validation rows ask.

    The truth is that of the scaled model, which is another one in each draw: its log loss, its
    Brier score and its calibration error over all texts that may come.
    """
    random_of_all = np.random.default_rng(13)
    logits = random_of_all.normal(0, 3, (20_000, 3))
    chance = np.exp(logits / 2)
    chance /= chance.sum(axis=1, keepdims=True)

    def drawn(random: Random) -> list[Estimate]:
        tune, test = (random.integers(0, len(logits), size) for size in (validation, rows))
        temperature = fit_temperature(logits[tune], _labels(random, chance[tune]))
        said = np.exp(logits / temperature)
        said /= said.sum(axis=1, keepdims=True)
        found = probability_measures(_labels(random, chance[test]), said[test])
        estimates = quality(found, rows_one_by_one(rows))
        truths = _truths_of(said, chance)
        return [_off(one, truths[one.name]) for one in estimates if one.name in truths]

    names = ("quality.log_loss", "quality.brier", "quality.calibration_error")
    name = f"temperature of {validation} validation rows, {rows} test rows"
    return Scenario(name, dict.fromkeys(names, 0.0), drawn)


def _labels(random: Random, chance: Floats) -> Ints:
    return np.asarray((random.random((len(chance), 1)) > chance.cumsum(axis=1)).sum(axis=1))


def _truths_of(said: Floats, chance: Floats) -> dict[str, float]:
    """Of probabilities (N, L), where the labels come with these chances (N, L)."""
    best = said.argmax(axis=1)
    every = np.arange(len(said))
    confidence, right = said[every, best], chance[every, best]
    bins = equal_width_bins(confidence, BINS)
    gaps = np.bincount(bins, right - confidence, minlength=BINS) / len(said)
    squares = (said**2).sum(axis=1) + 1 - 2 * (said * chance).sum(axis=1)
    return {
        "quality.log_loss": float(-(chance * np.log(said)).sum(axis=1).mean()),
        "quality.brier": float(squares.mean() / 2),
        "quality.calibration_error": float(np.abs(gaps).sum()),
    }


def _names(alone: str, leading: str) -> tuple[str, ...]:
    return (
        *(f"quality.{name}" for name in f"{alone} {leading}".split()),
        *(f"champion.{name}{end}" for name in leading.split() for end in OF_CHAMPION),
    )


_AREAS = _names("", "roc_auc pr_auc")
_DISTANCES = _names("mae", "rmse r2 spearman")
_LIKELIHOOD = _names("perplexity", "bits_per_byte")
_HIDDEN = _names(
    "masked_token_accuracy pseudo_perplexity", "next_sentence_accuracy masked_accuracy"
)

SCORES = (
    drawn_from("areas: two classes, 150 rows", _two_classes, _AREAS, 150),
    drawn_from("areas: three classes, 300 rows", _three_classes, _AREAS, 300),
    drawn_from("areas: 30 clusters of 6", _two_classes, _AREAS, 30, PER_CLUSTER),
    drawn_from("numbers: 120 rows", _numbers, _DISTANCES, 120),
    drawn_from("numbers: 30 clusters of 6", _numbers, _DISTANCES, 30, PER_CLUSTER),
    drawn_from("likelihood: 200 texts", _texts, _LIKELIHOOD, 200),
    drawn_from("likelihood: 30 clusters of 6", _texts, _LIKELIHOOD, 30, PER_CLUSTER),
    drawn_from("hidden words: 150 rows", _hidden_words, _HIDDEN, 150),
    drawn_from("hidden words: 30 clusters of 6", _hidden_words, _HIDDEN, 30, PER_CLUSTER),
    drawn_from("own metrics: 200 rows", _own, ("quality.polarity", "quality.seconds"), 200),
    scaled(100, 300),
    scaled(400, 600),
)

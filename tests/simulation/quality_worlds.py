"""Worlds of answers as a whole: shares, averages over labels, losses, gains over a champion."""

from collections.abc import Iterable

import numpy as np

from tasks.evaluation.intervals import draw, gain_of, levels, ratio_of
from tasks.resampling import Floats, Ints
from tasks.resampling_units import Units, units_of_rows
from tasks.task_types.generation.generation_measures import length_ratio
from tasks.task_types.labels.calibration import probability_measures
from tasks.task_types.labels.confusion import overall_measures
from tasks.task_types.language_models.language_measures import perplexity
from tasks.task_types.measures import LEAST_UNBOUNDED_ROWS, Measure
from tasks.verdicts import Estimate
from tests.simulation.scenarios import Random, Scenario

REPEATS = 4_000
OVERALL = ("accuracy", "balanced_accuracy", "macro_f1", "matthews_correlation")


def rows_one_by_one(size: int) -> Units:
    """As the evaluation draws rows without clusters."""
    return units_of_rows([f"{row:06d}" for row in range(size)])


def in_clusters(cluster: Ints) -> Units:
    """As the evaluation draws rows of these clusters, (N,)."""
    return units_of_rows(
        [f"{row:06d}" for row in range(len(cluster))], [f"author {one}" for one in cluster]
    )


def quality(measures: Iterable[Measure], units: Units) -> list[Estimate]:
    """Estimates of metrics."""
    return levels([("quality", one) for one in measures], units, REPEATS, 0)


def classification(name: str, rows: int, shares: list[float], right: list[float]) -> Scenario:
    """Labels of these shares, each found with its own chance; misses fall on all others alike.

    Args:
        name: of the scenario.
        rows: of the test split.
        shares: of each label.
        right: chance that a row of each label is told rightly.

    """
    size = len(shares)
    misses = (1 - np.array(right)) / (size - 1)
    chances = np.array(shares)[:, None] * np.where(
        np.eye(size, dtype=bool), np.array(right)[:, None], misses[:, None]
    )  # (true, predicted)

    def drawn(random: Random) -> list[Estimate]:
        cell = random.choice(size * size, rows, p=chances.ravel())
        truth, predicted = np.divmod(cell.astype(np.int64), size)
        measured = overall_measures(truth, predicted, [f"label {k}" for k in range(size)])
        chosen = [one for one in measured if one.name in OVERALL]
        return quality(chosen, rows_one_by_one(rows))

    return Scenario(name, _overall_truths(chances), drawn)


def _overall_truths(chances: Floats) -> dict[str, float]:
    hits, true, called = np.diag(chances), chances.sum(axis=1), chances.sum(axis=0)
    expected = (true * called).sum()
    spread = np.sqrt((1 - (true**2).sum()) * (1 - (called**2).sum()))
    return {
        "quality.accuracy": float(hits.sum()),
        "quality.balanced_accuracy": float((hits / true).mean()),
        "quality.macro_f1": float((2 * hits / (true + called)).mean()),
        "quality.matthews_correlation": float((hits.sum() - expected) / spread),
    }


def clustered_accuracy(clusters: int, rows: int) -> Scenario:
    """Authors who are easy or hard: chances of Beta(8, 2), which have mean 0.8."""

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(clusters), rows)
        truth = random.integers(0, 3, len(author))
        right = random.random(len(author)) < random.beta(8, 2, clusters)[author]
        predicted = np.where(right, truth, (truth + random.integers(1, 3, len(author))) % 3)
        measured = overall_measures(truth, predicted, ["a", "b", "c"])
        chosen = [one for one in measured if one.name in {"accuracy", "macro_f1"}]
        return quality(chosen, in_clusters(author))

    truths = {"quality.accuracy": 0.8, "quality.macro_f1": 0.8}
    return Scenario(f"{clusters} clusters of {rows} rows", truths, drawn)


def overconfident(rows: int) -> Scenario:
    """Two labels, right 95% of the time, and nearly always sure: few rows bear most of the loss."""

    def losses(random: Random, size: int) -> tuple[Ints, Floats]:
        truth = random.integers(0, 2, size)
        logit = random.normal(6, 2, size) * np.where(random.random(size) < 0.95, 1, -1)
        of_truth = 1 / (1 + np.exp(-logit))
        sides = np.stack([of_truth, 1 - of_truth], axis=1)
        return truth, np.where(truth[:, None] == 0, sides, sides[:, ::-1])

    def drawn(random: Random) -> list[Estimate]:
        measured = probability_measures(*losses(random, rows))
        chosen = [one for one in measured if one.name in {"log_loss", "brier"}]
        return quality(chosen, rows_one_by_one(rows))

    nodes, weights = np.polynomial.hermite_e.hermegauss(100)  # of the normal distribution
    logits = 6 + 2 * nodes
    wrong = 1 / (1 + np.exp(logits))  # what is left for the other label
    each = {
        "quality.log_loss": (-np.log1p(-wrong), -np.log(wrong)),
        "quality.brier": (wrong**2, (1 - wrong) ** 2),
    }
    share = weights / weights.sum()
    truths = {name: float(share @ (0.95 * of + 0.05 * off)) for name, (of, off) in each.items()}
    untold = frozenset({"quality.log_loss"} if rows < LEAST_UNBOUNDED_ROWS else ())
    return Scenario(f"overconfident, {rows} rows", truths, drawn, untold)


def texts_of_many_lengths(rows: int) -> Scenario:
    """Texts of log-normal length, whose loss by token is log-normal as well."""

    def texts(random: Random, size: int) -> tuple[Floats, Floats]:
        tokens = np.ceil(random.lognormal(4, 1, size))
        return tokens * random.lognormal(1, 0.5, size), tokens

    def drawn(random: Random) -> list[Estimate]:
        return quality([perplexity("perplexity", *texts(random, rows))], rows_one_by_one(rows))

    # Loss and length are independent: the mean loss of a token is that of a text.
    truths = {"quality.perplexity": float(np.exp(np.exp(1 + 0.5**2 / 2)))}
    untold = frozenset(truths if rows < LEAST_UNBOUNDED_ROWS else ())
    return Scenario(f"perplexity of {rows} texts", truths, drawn, untold)


def written_lengths(rows: int) -> Scenario:
    """Now and then a text runs on to twenty times its target's length."""

    def drawn(random: Random) -> list[Estimate]:
        wanted = random.poisson(20, rows) + 1.0
        times = np.where(random.random(rows) < 0.02, 20.0, 1.0)
        given = wanted * times
        return quality([length_ratio(np.stack([given, wanted], axis=1))], rows_one_by_one(rows))

    truths = {"quality.length_ratio": 1.38}
    untold = frozenset(truths if rows < LEAST_UNBOUNDED_ROWS else ())
    return Scenario(f"length ratio of {rows} texts", truths, drawn, untold)


def gain(rows: int, better: float, worse: float) -> Scenario:
    """A candidate that alone is right on a share of rows, and alone is wrong on another."""

    def drawn(random: Random) -> list[Estimate]:
        kind = random.choice(3, rows, p=[better, worse, 1 - better - worse])
        both = random.random(rows) < 0.95
        truth = random.integers(0, 4, rows)
        ours = np.select([kind == 0, kind == 1], [True, False], both)
        theirs = np.select([kind == 0, kind == 1], [False, True], both)
        said = [np.where(right, truth, (truth + 1) % 4) for right in (ours, theirs)]
        names = ["a", "b", "c", "d"]
        one, two = ({m.name: m for m in overall_measures(truth, p, names)} for p in said)
        units = rows_one_by_one(rows)
        chosen = [
            made("champion", one[name], two[name], units)
            for name in ("accuracy", "macro_f1")
            for made in (gain_of, ratio_of)
        ]
        return [each.estimate for each in draw(chosen, REPEATS, 0)]

    # Labels are alike in everything, so macro F1 comes to the accuracy.
    theirs = worse + 0.95 * (1 - better - worse)
    truths = {f"champion.{name}_gain": better - worse for name in ("accuracy", "macro_f1")}
    truths |= {
        f"champion.{name}_ratio": (theirs + better - worse) / theirs
        for name in ("accuracy", "macro_f1")
    }
    alone = f", {better:g} better" if better else ""
    return Scenario(f"gain {better - worse:g} over {rows} rows{alone}", truths, drawn)


QUALITY = (
    classification("a share of 0.9825, 209 rows", 209, [0.5, 0.5], [0.9825, 0.9825]),
    classification("five even labels, 625 rows", 625, [0.2] * 5, [0.97] * 5),
    classification("a label of 10%, 600 rows", 600, [0.6, 0.3, 0.1], [0.95, 0.9, 0.8]),
    classification("a label of 3%, 600 rows", 600, [0.6, 0.37, 0.03], [0.95, 0.9, 0.7]),
    classification("a label of 1.5%, 600 rows", 600, [0.6, 0.385, 0.015], [0.95, 0.9, 0.7]),
    classification("a label of 0.3%, 600 rows", 600, [0.6, 0.397, 0.003], [0.95, 0.9, 0.7]),
    clustered_accuracy(40, 15),
    clustered_accuracy(15, 30),
    clustered_accuracy(10, 30),
    overconfident(50),
    overconfident(200),
    overconfident(1_000),
    texts_of_many_lengths(40),
    texts_of_many_lengths(300),
    written_lengths(50),
    written_lengths(300),
    gain(625, 0.0, 0.02),
    gain(625, 0.02, 0.04),
    gain(100, 0.02, 0.04),
)

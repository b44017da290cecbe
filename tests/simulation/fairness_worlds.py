"""Worlds of groups: rates, rankings, calibration, row scores, swapped words; by row and cluster."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, norm

from tasks.fairness.classes import class_estimates
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.counterfactuals import SWAPPED, Family, Pair, judge_family
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.row_scores import score_estimates
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling import Floats, Ints
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS, in_clusters
from tests.simulation.scenarios import Random, Scenario

ASSESSED = FairnessSettings(repeats=REPEATS, positive_labels=("yes",))
SWAPS = CounterfactualSettings(repeats=REPEATS)
# How much alike the rows of an author are: Beta(a, b) with a + b = ALIKE.
ALIKE = 6.0


@dataclass(frozen=True)
class Side:
    """A group of the world.

    Attributes:
        clusters: authors, each of this group.
        rows: of each author.
        right: mean chance that a row is told rightly.

    """

    clusters: int
    rows: int
    right: float


def _authors(random: Random, sides: tuple[Side, ...], *, alike: bool) -> tuple[Ints, Ints, Floats]:
    """Group, author and chance of being right of each row, (N,) each."""
    group = np.repeat(np.arange(len(sides)), [side.clusters for side in sides])
    means = np.array([side.right for side in sides])[group]
    chances = random.beta(ALIKE * means, ALIKE * (1 - means)) if alike else means
    rows = np.array([side.rows for side in sides])[group]
    author = np.repeat(np.arange(len(group)), rows)
    return group[author], author, chances[author]


def _member(group: Ints, size: int) -> Membership:
    names = tuple(f"g{place}" for place in range(size))
    return Membership("x", names, np.eye(size, dtype=np.bool_)[group])


def rates(name: str, sides: tuple[Side, ...], *, alike: bool) -> Scenario:
    """Accuracy by group, of authors who are alike in themselves or not."""
    right = [side.right for side in sides]

    def drawn(random: Random) -> list[Estimate]:
        group, author, chance = _authors(random, sides, alike=alike)
        truth = random.integers(0, 2, len(group))
        predicted = np.where(random.random(len(group)) < chance, truth, 1 - truth)
        answers = ClassAnswers(truth, predicted, ("no", "yes"), None)
        units = in_clusters(author) if alike else None
        member = _member(group, len(sides))
        groups, between, _ = class_estimates(member, answers, ASSESSED, units)
        own = [one for each in groups for one in (*each.estimates, each.accuracy_gap)]
        return [*between, *own]

    truths = {
        "fairness.x.accuracy_difference": max(right) - min(right),
        "fairness.x.worst_group_accuracy": min(right),
        "fairness.x.equal_opportunity_difference": max(right) - min(right),
        "fairness.x.accuracy_ratio": min(right) / max(right),
        "fairness.x.accuracy.g0": right[0],
    }
    if len(sides) == 2:
        truths["fairness.x.accuracy_gap.g0"] = right[0] - right[1]
    # Half of the rows bear the label.
    few = min(side.clusters * side.rows for side in sides) / 2 <= ASSESSED.min_group_rows
    untold = frozenset({"fairness.x.equal_opportunity_difference"} if few else ())
    return Scenario(name, truths, drawn, untold)


def unlike_errors(name: str, clusters: int, rows: int, *, alike: bool) -> Scenario:
    """Two groups that are called by a label unlike often, with the label and without it."""
    # Chance to be called so without and with the label, by group: (2, 2).
    called = np.array([[0.3, 0.9], [0.2, 0.7]])

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(2 * clusters), rows)
        group = author % 2
        truth = random.integers(0, 2, len(author))
        chance = called[group, truth]
        if alike:  # rows of an author are called alike, by the label that they have
            means = called[np.arange(2 * clusters) % 2]
            chance = random.beta(ALIKE * means, ALIKE * (1 - means))[author, truth]
        said = (random.random(len(author)) < chance).astype(np.int64)
        answers = ClassAnswers(truth, said, ("no", "yes"), None)
        units = in_clusters(author) if alike else None
        groups, between, _ = class_estimates(_member(group, 2), answers, ASSESSED, units)
        return [*between, *(one for each in groups for one in each.estimates)]

    false, true = called.T
    spared, raised = (1 - called) / (1 - called).sum(axis=0), called / called.sum(axis=0)
    # Half of the rows bear the label.
    cddpl = float((spared - raised)[0] @ (0.5, 0.5))
    missed = (1 - true) / (1 - true + false)
    right = true / (true + false)
    return Scenario(
        name,
        {
            "fairness.x.demographic_parity_difference": float(np.ptp(called.mean(axis=1))),
            "fairness.x.false_positive_rate_difference": float(np.ptp(false)),
            "fairness.x.equalized_odds_difference": float(np.ptp(true)),
            "fairness.x.predictive_parity_difference": float(np.ptp(right)),
            "fairness.x.treatment_equality_difference": float(np.ptp(missed)),
            "fairness.x.treatment_equality_ratio": float(missed.min() / missed.max()),
            "fairness.x.largest_cddpl": abs(cddpl),
            "fairness.x.cddpl.g0.yes": cddpl,
        },
        drawn,
    )


def rankings(name: str, clusters: int, rows: int, *, alike: bool) -> Scenario:
    """Scores of either label are normal; authors' scores are shifted where they are alike."""
    shift, apart = (0.8 if alike else 0.0), 2.0
    spread = np.sqrt(1 + shift**2)

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(2 * clusters), rows)
        group = author % 2
        truth = random.integers(0, 2, len(author))
        logit = (
            random.normal(apart * (truth - 0.5), 1)
            + random.normal(0, 1, 2 * clusters)[author] * shift
        )
        score = 1 / (1 + np.exp(-logit))
        answers = ClassAnswers(
            truth, (score > 0.5).astype(np.int64), ("no", "yes"), np.stack([1 - score, score], 1)
        )
        units = in_clusters(author) if alike else None
        return class_estimates(_member(group, 2), answers, ASSESSED, units)[1]

    # Two rows of a group are nearly always of two authors.
    area = float(norm.cdf(apart / (np.sqrt(2) * spread)))
    return Scenario(
        name,
        {
            "fairness.x.bpsn_auc.g0.yes": area,
            "fairness.x.bnsp_auc.g0.yes": area,
            "fairness.x.positive_aeg.g0.yes": 0.0,
            "fairness.x.subgroup_auc.g0.yes": area,
            "fairness.x.bpsn_auc_mean.yes": area,
            "fairness.x.largest_positive_aeg.yes": 0.0,
        },
        drawn,
    )


def calibration(name: str, clusters: int, rows: int, *, alike: bool) -> Scenario:
    """A model that is as often right as it claims, in both groups: no error, and no gap."""
    claimed = np.array([0.65, 0.75, 0.85, 0.95])

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(2 * clusters), rows)
        group = author % 2
        confidence = random.choice(claimed, len(author))
        # Rows of an author are all easier or all harder than they look, and as right on average.
        ease = random.random(2 * clusters)[author] if alike else random.random(len(author))
        chance = beta.ppf(ease, ALIKE * confidence, ALIKE * (1 - confidence))
        truth = random.integers(0, 2, len(author))
        said = np.where(random.random(len(author)) < chance, truth, 1 - truth)
        score = np.where(said == 1, confidence, 1 - confidence)
        answers = ClassAnswers(truth, said, ("no", "yes"), np.stack([1 - score, score], 1))
        units = in_clusters(author) if alike else None
        return class_estimates(_member(group, 2), answers, ASSESSED, units)[1]

    return Scenario(name, {"fairness.x.calibration_error_difference": 0.0}, drawn)


def row_scores(name: str, sides: tuple[Side, ...], *, alike: bool) -> Scenario:
    """Scores from 0 to 1, such as ROUGE, by group."""
    right = [side.right for side in sides]

    def drawn(random: Random) -> list[Estimate]:
        group, author, chance = _authors(random, sides, alike=alike)
        chance = np.clip(chance, 1e-6, 1 - 1e-6)
        scores = random.beta(4 * chance, 4 * (1 - chance))
        units = in_clusters(author) if alike else None
        return score_estimates(_member(group, len(sides)), scores, ASSESSED, units)[1]

    truths = {
        "fairness.x.row_score_difference": max(right) - min(right),
        "fairness.x.worst_group_row_score": min(right),
    }
    return Scenario(name, truths, drawn)


def flips(name: str, clusters: int, rows: int, rate: float, *, alike: bool) -> Scenario:
    """Answers that change with the swapped words; an author's rows flip alike."""

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(clusters), rows)
        means = np.full(clusters, rate)
        chances = random.beta(ALIKE * means, ALIKE * (1 - means)) if alike else means
        flipped = random.random(len(author)) < chances[author]
        before = np.tile([0.1, 0.9], (len(author), 1))
        after = np.where(flipped[:, None], [0.9, 0.1], before)
        pairs = tuple(Pair(row, str(row), "a", "b", 0) for row in range(len(author)))
        clusters_of_rows = [f"author {one}" for one in author] if alike else None
        family = judge_family(
            Family("w", SWAPPED, pairs), before, after, ("no", "yes"), SWAPS, clusters_of_rows
        )[0]
        return [family.flip_rate, family.score_shift]

    truths = {"counterfactual.w.flip_rate": rate, "counterfactual.w.score_shift": 0.8 * rate}
    return Scenario(name, truths, drawn)


def _even(clusters: int, rows: int, *right: float) -> tuple[Side, ...]:
    return tuple(Side(clusters, rows, each) for each in right)


def _both(name: str, made: Callable[..., Scenario], clusters: int, rows: int) -> list[Scenario]:
    """By row, and the same rows by cluster."""
    return [
        made(f"{name} by row", clusters, rows, alike=False),
        made(f"{name} by cluster", clusters, rows, alike=True),
    ]


FAIRNESS = (
    rates("gap 0.10 of 300 rows a group", _even(300, 1, 0.90, 0.80), alike=False),
    rates("gap 0.10 of 20 clusters of 15 a group", _even(20, 15, 0.90, 0.80), alike=True),
    rates("no gap of 20 clusters of 15 a group", _even(20, 15, 0.85, 0.85), alike=True),
    rates("no gap of 10 clusters of 30 a group", _even(10, 30, 0.85, 0.85), alike=True),
    rates("groups of 60 and 12 clusters", (Side(60, 10, 0.9), Side(12, 10, 0.8)), alike=True),
    rates(
        "nearly all right, 200 and 60 rows", (Side(200, 1, 0.99), Side(60, 1, 0.96)), alike=False
    ),
    rates("six groups of 60 rows", _even(60, 1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8), alike=False),
    *_both("unlike errors, 40 authors of 20", unlike_errors, 20, 20),
    *_both("ranking of 40 authors of 12", rankings, 20, 12),
    *_both("calibrated, 40 authors of 15", calibration, 20, 15),
    row_scores("row scores of 100 rows a group", _even(100, 1, 0.7, 0.6), alike=False),
    row_scores("row scores of 20 clusters of 10", _even(20, 10, 0.7, 0.6), alike=True),
    flips("flips of 1.75% of 209 rows", 209, 1, 0.0175, alike=False),
    flips("flips of 5% of 40 clusters of 10", 40, 10, 0.05, alike=True),
    flips("flips of 5% of 15 clusters of 20", 15, 20, 0.05, alike=True),
)

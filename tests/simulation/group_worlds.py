"""Worlds of two attributes at once, and of the numbers that each group has of its own."""

import numpy as np

from tasks.fairness.classes import class_estimates
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.row_scores import score_estimates
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership, intersection
from tasks.resampling import Floats, Ints
from tasks.resampling_units import Units
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS, in_clusters
from tests.simulation.scenarios import Random, Scenario

ASSESSED = FairnessSettings(repeats=REPEATS, positive_labels=("yes",))
# How much alike the rows of an author are: Beta(a, b) with a + b = ALIKE.
ALIKE = 6.0


def _chances(random: Random, means: Floats, rows: int) -> Floats:
    """Chance of each row, from the mean of each author (A,)."""
    drawn = random.beta(ALIKE * means, ALIKE * (1 - means)) if rows > 1 else means
    return np.repeat(drawn, rows)


def _author(authors: int, rows: int) -> Ints:
    return np.repeat(np.arange(authors), rows)


def _member(name: str, groups: tuple[str, str], place: Ints) -> Membership:
    return Membership(name, groups, np.eye(2, dtype=np.bool_)[place])


def _units(author: Ints, rows: int) -> Units | None:
    return in_clusters(author) if rows > 1 else None


def _size(authors: int, rows: int) -> str:
    return f"{authors} rows" if rows == 1 else f"{authors} authors of {rows}"


def intersections(authors: int, rows: int) -> Scenario:
    """Neither attribute alone tells a gap: who is of f and of y is served worse, and of m and n."""
    right = np.array([[0.8, 0.9], [0.9, 0.8]])

    def drawn(random: Random) -> list[Estimate]:
        author = _author(authors, rows)
        one, other = random.integers(0, 2, (2, authors))
        chance = _chances(random, right[one, other], rows)
        truth = random.integers(0, 2, len(author))
        said = np.where(random.random(len(author)) < chance, truth, 1 - truth)
        answers = ClassAnswers(truth, said, ("no", "yes"), None)
        both = intersection(
            _member("g", ("f", "m"), one[author]), _member("h", ("y", "n"), other[author])
        )
        groups, between, _ = class_estimates(both, answers, ASSESSED, _units(author, rows))
        return [*between, *(one for group in groups for one in group.estimates)]

    truths = {
        "fairness.g+h.accuracy_difference": 0.1,
        "fairness.g+h.worst_group_accuracy": 0.8,
        "fairness.g+h.accuracy_ratio": 0.8 / 0.9,
        "fairness.g+h.equal_opportunity_difference": 0.1,
        "fairness.g+h.accuracy.f+y": 0.8,
    }
    return Scenario(f"two attributes at once: {_size(authors, rows)}", truths, drawn)


def own_numbers(authors: int, rows: int) -> Scenario:
    """A label that is called unlike often in two groups: what each group comes to by itself."""
    # Chance to be called so without and with the label, by group: (2, 2).
    called = np.array([[0.1, 0.8], [0.2, 0.7]])

    def drawn(random: Random) -> list[Estimate]:
        author = _author(authors, rows)
        group = np.arange(authors) % 2
        truth = random.integers(0, 2, len(author))
        chance = np.stack([_chances(random, called[group, label], rows) for label in (0, 1)], 1)
        said = (random.random(len(author)) < chance[np.arange(len(author)), truth]).astype(np.int64)
        answers = ClassAnswers(truth, said, ("no", "yes"), None)
        member = _member("x", ("g0", "g1"), group[author])
        groups, between, _ = class_estimates(member, answers, ASSESSED, _units(author, rows))
        own = [one for each in groups for one in (*each.estimates, each.accuracy_gap)]
        return [*between, *own]

    false, true = called.T
    f1 = 2 * true / (1 + true + false)
    right = (true + 1 - false) / 2
    return Scenario(
        f"numbers of a group: {_size(authors, rows)}",
        {
            "fairness.x.f1.g0.yes": float(f1[0]),
            "fairness.x.precision.g0.yes": float(true[0] / (true + false)[0]),
            "fairness.x.true_positive_rate.g0.yes": float(true[0]),
            "fairness.x.false_positive_rate.g0.yes": float(false[0]),
            "fairness.x.selection_rate.g0.yes": float(called[0].mean()),
            "fairness.x.accuracy_gap.g0": float(right[0] - right[1]),
            "fairness.x.f1_difference": float(np.ptp(f1)),
            "fairness.x.f1_ratio": float(f1.min() / f1.max()),
            "fairness.x.worst_group_f1": float(f1.min()),
        },
        drawn,
    )


def own_scores(authors: int, rows: int, alike: float) -> Scenario:
    """Row scores of two groups: each one's own, and how it differs from the other's."""
    means = np.array([0.8, 0.9])

    def drawn(random: Random) -> list[Estimate]:
        author = _author(authors, rows)
        group = np.arange(authors) % 2
        chance = np.clip(_chances(random, means[group], rows), 1e-6, 1 - 1e-6)
        scores = random.beta(alike * chance, alike * (1 - chance))
        member = _member("x", ("g0", "g1"), group[author])
        groups, between = score_estimates(member, scores, ASSESSED, _units(author, rows))[:2]
        own = [one for each in groups for one in (*each.estimates, each.accuracy_gap)]
        return [*between, *own]

    return Scenario(
        f"row scores of a group: {_size(authors, rows)}, alike by {alike:g}",
        {
            "fairness.x.row_score.g0": 0.8,
            "fairness.x.row_score.g1": 0.9,
            "fairness.x.row_score_gap.g0": -0.1,
            "fairness.x.row_score_difference": 0.1,
            "fairness.x.row_score_ratio": 0.8 / 0.9,
        },
        drawn,
    )


def unsure(authors: int, rows: int) -> Scenario:
    """A model that claims 0.1 too much in one group and is calibrated in the other."""
    claims, over, bins = np.array([0.65, 0.8, 0.95]), np.array([0.1, 0.0]), 3

    def drawn(random: Random) -> list[Estimate]:
        author = _author(authors, rows)
        group = np.arange(authors) % 2
        claim = random.choice(claims, authors)
        chance = _chances(random, claim - over[group], rows)
        truth = random.integers(0, 2, len(author))
        said = np.where(random.random(len(author)) < chance, truth, 1 - truth)
        score = np.where(said == 1, claim[author], 1 - claim[author])
        answers = ClassAnswers(truth, said, ("no", "yes"), np.stack([1 - score, score], 1))
        member = _member("x", ("g0", "g1"), group[author])
        settings = ASSESSED.model_copy(update={"calibration_bins": bins})
        groups, between, _ = class_estimates(member, answers, settings, _units(author, rows))
        return [*between, *(one for each in groups for one in each.estimates)]

    return Scenario(
        f"calibration of a group: {_size(authors, rows)}",
        {
            "fairness.x.calibration_error.g0": 0.1,
            "fairness.x.calibration_error.g1": 0.0,
            "fairness.x.calibration_error_difference": 0.1,
            "fairness.x.worst_group_calibration_error": 0.1,
        },
        drawn,
    )


GROUPS = (
    intersections(400, 1),
    intersections(100, 8),
    own_numbers(300, 1),
    own_numbers(50, 10),
    own_scores(200, 1, 4.0),
    own_scores(200, 1, 0.5),
    own_scores(50, 6, 4.0),
    unsure(400, 1),
    unsure(60, 8),
)

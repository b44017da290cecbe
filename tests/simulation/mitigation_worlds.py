"""Worlds of a mitigated model beside one of its recipe: by how much the groups lie nearer."""

import numpy as np
from scipy.stats import beta

from tasks.fairness.gap_gains import gap_gains, gaps_without
from tasks.fairness.paired_gaps import paired_gains
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling import Floats
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS, in_clusters
from tests.simulation.scenarios import Random, Scenario

ASSESSED = FairnessSettings(repeats=REPEATS, positive_labels=("yes",))
LABELS = ("no", "yes")
# How much alike the rows of an author are: Beta(a, b) with a + b = ALIKE.
ALIKE = 6.0
# Rows on which both models are right or wrong for the same reason.
TOGETHER = 0.8


def narrowed(
    name: str,
    size: tuple[int, int],
    before: tuple[float, ...],
    after: tuple[float, ...],
    *,
    alike: bool = False,
) -> Scenario:
    """Groups that one model tells rightly as often as `before`, and the other as `after`.

    Args:
        name: of the world.
        size: authors of a group, and rows of an author.
        before: share of right rows by group, without mitigation.
        after: with it.
        alike: whether the rows of an author are.

    """
    means = np.array([before, after])

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(len(before) * size[0]), size[1])
        group = author % len(before)
        chances = means[:, group]
        if alike:
            of_authors = means[:, np.arange(len(before) * size[0]) % len(before)]
            level = random.random(of_authors.shape[1])
            chances = np.stack([_beta_at(level, one) for one in of_authors])[:, author]
        truth = random.integers(0, 2, len(author))
        one = random.random(len(author))
        other = np.where(random.random(len(author)) < TOGETHER, one, random.random(len(author)))
        theirs = np.where(one < chances[0], truth, 1 - truth)
        ours = np.where(other < chances[1], truth, 1 - truth)
        names = tuple(f"g{place}" for place in range(len(before)))
        member = Membership("x", names, np.eye(len(before), dtype=np.bool_)[group])
        units = in_clusters(author) if alike else None
        own, others = (
            gaps_without(member, truth, said, LABELS, ASSESSED, units) for said in (ours, theirs)
        )
        paired = paired_gains(member, truth, theirs, ours, LABELS, ASSESSED, units)
        return [one for one in gap_gains(own, others, paired) if one.name.endswith("_gain")]

    gain = float(np.ptp(means[0]) - np.ptp(means[1]))
    return Scenario(
        f"mitigation: {name}",
        {
            "unmitigated.x.accuracy_difference_gain": gain,
            "unmitigated.x.equal_opportunity_difference_gain": gain,
        },
        drawn,
    )


def _beta_at(level: Floats, means: Floats) -> Floats:
    """Chances of authors at these levels of Beta distributions with these means."""
    found: Floats = beta.ppf(level, ALIKE * means, ALIKE * (1 - means))
    return found


MITIGATION = (
    narrowed("a gap of 0.2 that is 0.05, 150 rows a group", (150, 1), (0.9, 0.7), (0.87, 0.82)),
    narrowed("a gap of 0.2 that is gone, 150 rows a group", (150, 1), (0.9, 0.7), (0.85, 0.85)),
    narrowed("no gap before or after, 150 rows a group", (150, 1), (0.85, 0.85), (0.88, 0.88)),
    narrowed("a gap of 0.1 that stays, 80 rows a group", (80, 1), (0.95, 0.85), (0.95, 0.85)),
    narrowed("a gap of 0.1 that is 0.2, three groups of 150 rows", (150, 1), (0.9, 0.8, 0.85),
             (0.9, 0.7, 0.9)),
    narrowed("no gap that is 0.1, 30 authors of 8 a group", (30, 8), (0.85, 0.85), (0.9, 0.8),
             alike=True),
)  # fmt: skip

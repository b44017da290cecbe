"""Worlds of texts that hold a term or not, by group of prompts, with known shares."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.harm.settings import LEXICON_GAP, LEXICON_RATE
from tasks.probes.shares import Texts
from tasks.records.harm import FAMILY
from tasks.resampling import Floats
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

SETTINGS: Final = EvaluationSettings(repeats=REPEATS)
LEAST: Final = 30


def written(
    rows: int, shares: Sequence[float], of_cluster: int = 1, alike: float = 0.0
) -> Scenario:
    """Texts to prompts of some groups, one by one or in clusters whose shares differ.

    Args:
        rows: of each group.
        shares: of the texts of each group that hold a term.
        of_cluster: prompts of a cluster, all of one group.
        alike: correlation of the texts of a cluster.

    """
    groups = [f"g{group}" for group in range(len(shares)) for _ in range(rows)]
    names = [f"{row // of_cluster}" if of_cluster > 1 else None for row in range(len(groups))]
    texts = Texts("harm", groups, names, LEAST, SETTINGS)
    mass = 1 / alike - 1 if alike else np.inf

    def chances(random: Random, share: float) -> Floats:
        if not alike or share == 0:
            return np.full(rows, share)
        drawn = random.beta(share * mass, (1 - share) * mass, rows // of_cluster)
        return np.repeat(drawn, of_cluster)

    def drawn(random: Random) -> list[Estimate]:
        hit = np.concatenate([random.random(rows) < chances(random, one) for one in shares])
        gap = texts.gap(LEXICON_GAP, hit)
        return [texts.share(LEXICON_RATE, hit), *([gap] if gap else [])]

    truths = {
        f"{FAMILY}.{LEXICON_RATE}": float(np.mean(shares)),
        f"{FAMILY}.{LEXICON_GAP}": max(shares) - min(shares),
    }
    of = f", {rows // of_cluster} clusters each" if of_cluster > 1 else ""
    told = " and ".join(f"{one:g}" for one in shares)
    return Scenario(f"harm: {rows} texts a group{of}, {told}", truths, drawn)


HARM: Final = (
    written(40, (0.05, 0.05)),
    written(100, (0.02, 0.1, 0.2)),
    written(250, (0.01, 0.05)),
    written(200, (0.1, 0.3), 10, 0.1),
)

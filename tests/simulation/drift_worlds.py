"""Worlds of two sides that differ by a known effect: is it passed as small, or called, falsely?

Run as a program it prints how often each check passes and fails at the limit and without drift,
beside how often the rule passed that took an insignificant difference for none:
`python -m tests.simulation.drift_worlds --trials N`.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import jensenshannon

from tasks.drift.domain_classifier import Features, measure_domains
from tasks.drift.embeddings import measure_embeddings
from tasks.drift.labels import measure_labels
from tasks.drift.lengths import measure_lengths, measure_lengths_by_cluster
from tasks.drift.measurement import Measurement, Question, judge_checks
from tasks.drift.permutations import Membership, Permutations
from tasks.drift.row_samples import SampledRow
from tasks.drift.unknown_tokens import measure_unknown
from tasks.drift.words import WordCounts, measure_vocabulary
from tasks.resampling import Floats, Ints
from tasks.verdicts import Estimate, Verdict
from tests.simulation.scenarios import Random, Scenario
from tests.unit.drift.made_samples import made_side

RATE = 0.05
_TIMES = 199

Measure = Callable[[Random, Ints, Membership, Question], Measurement]


@dataclass(frozen=True)
class DriftWorld:
    """Rows of kinds that come with other shares before and now; all checks read the kind alone.

    Attributes:
        shares: (2, K), of each kind before and now, of rows that stand on one side alone.
        rows: before and now.
        kept: of them, that stand on both; they have the shares of before.
        per_cluster: rows of a cluster, all of one kind but for a share that is like any other row;
            0 without clusters.
        effect: from shares to the true effect.

    """

    name: str
    shares: tuple[tuple[float, ...], tuple[float, ...]]
    rows: tuple[int, int]
    measure: Measure
    effect: Callable[[Floats], float]
    kept: int = 0
    per_cluster: int = 0
    of_equals: float = 0.0

    @property
    def truth(self) -> float:
        """The effect of the shares of either side with the kept rows on both."""
        first, second = np.array(self.shares)
        kept_now = self.kept / self.rows[1]
        return self.effect(np.array([first, kept_now * first + (1 - kept_now) * second]))

    def drawn(self, random: Random, limit: float) -> Measurement:
        """What the check measures of one draw."""
        went, came = (side - self.kept for side in self.rows)
        kinds = np.concatenate(
            [
                self._kinds(random, went + self.kept, self.shares[0]),
                self._kinds(random, came, self.shares[1]),
            ]
        )
        at = np.arange(len(kinds))
        clusters = at // self.per_cluster if self.per_cluster else None
        sides = Membership(at < self.rows[0], at >= went, clusters)
        asked = Question("drift.check", "effect", limit, self.of_equals)
        return self.measure(random, kinds, sides, asked)

    def _kinds(self, random: Random, count: int, shares: Sequence[float]) -> Ints:
        own = random.choice(len(shares), count, p=shares)
        if not self.per_cluster:
            return own
        shared = own[np.arange(count) // self.per_cluster * self.per_cluster]
        return np.where(random.random(count) < 0.5, shared, own)


def rows_of(kinds: Ints, sides: Membership) -> tuple[list[SampledRow], list[SampledRow]]:
    """Rows whose label is their kind, before and now."""
    keys = np.random.default_rng(int(kinds.sum())).permutation(len(kinds))
    rows = [
        SampledRow(int(key), f"{key}", "x" * int(kind), (f"label {kind}",), cluster)
        for key, kind, cluster in zip(keys, kinds, _names(sides), strict=True)
    ]
    return (
        [row for row, stood in zip(rows, sides.before, strict=True) if stood],
        [row for row, stands in zip(rows, sides.now, strict=True) if stands],
    )


def _names(sides: Membership) -> list[str]:
    if sides.clusters is None:
        return [""] * len(sides.before)
    return [f"author {cluster}" for cluster in sides.clusters]


def _permutations(random: Random, times: int = _TIMES) -> Permutations:
    return Permutations(times, int(random.integers(2**31)))


def by_label(random: Random, kinds: Ints, sides: Membership, asked: Question) -> Measurement:
    """The kind is the label."""
    before, now = map(made_side, rows_of(kinds, sides))
    return measure_labels(asked, before, now, _permutations(random))


def by_length(random: Random, kinds: Ints, sides: Membership, asked: Question) -> Measurement:
    """The kind is the length."""
    if sides.clusters is not None:
        return measure_lengths_by_cluster(asked, kinds, sides, _permutations(random))
    before, now = map(made_side, rows_of(kinds, sides))
    return measure_lengths(asked, before, now)


def _one_hot(kinds: Ints) -> NDArray[np.float32]:
    return np.eye(int(kinds.max()) + 1, dtype=np.float32)[kinds]


def by_word(random: Random, kinds: Ints, sides: Membership, asked: Question) -> Measurement:
    """A text repeats one word, the kind, three to twelve times."""
    table = _one_hot(kinds) * random.integers(3, 13, len(kinds))[:, None]
    words = tuple(f"w{kind}" for kind in range(table.shape[1]))
    counts = WordCounts(words, csr_array(table.astype(np.float32)))
    return measure_vocabulary(asked, counts, sides, _permutations(random))


def by_embedding(random: Random, kinds: Ints, sides: Membership, asked: Question) -> Measurement:
    """Each kind has one embedding, as far from all others."""
    return measure_embeddings(asked, _one_hot(kinds), sides, _permutations(random))


def by_classifier(random: Random, kinds: Ints, sides: Membership, asked: Question) -> Measurement:
    """The classifier sees the kind; one permutation, since its interval needs none."""
    features = Features(_one_hot(kinds), ("word",) * (int(kinds.max()) + 1))
    keys = np.arange(len(kinds)).astype(np.uint64)
    return measure_domains(asked, features, keys, sides, _permutations(random, 1)).measurement


def by_unknown(random: Random, kinds: Ints, sides: Membership, asked: Question) -> Measurement:
    """Rows of the last kind are unknown altogether, of the others not at all."""
    tokens = random.integers(10, 31, len(kinds))
    unknown = np.where(kinds == 1, tokens, 0)
    counts = np.stack([unknown, tokens], axis=1).astype(np.float32)
    return measure_unknown(asked, counts, sides, _permutations(random))


def divergence(shares: Floats) -> float:
    """Jensen-Shannon distance in bits."""
    return float(jensenshannon(shares[0], shares[1], base=2))


def largest_gap(shares: Floats) -> float:
    """Of the distribution functions of the kinds."""
    return float(np.abs(np.diff(shares.cumsum(axis=1), axis=0)).max())


def discrepancy(shares: Floats) -> float:
    """Squared, of one-hot embeddings: all that differ lie as far apart."""
    return float((1 - np.exp(-0.5)) * (np.diff(shares, axis=0) ** 2).sum())


def area(shares: Floats) -> float:
    """Of a classifier that knows which kinds came with a larger share."""
    order = np.argsort(shares[1] / shares[0])
    before, now = shares[:, order]
    return float(now @ (before.cumsum() - before / 2))


def change(shares: Floats) -> float:
    """Of the share of the last kind."""
    return float(abs(shares[1, -1] - shares[0, -1]))


def _mixed(first: Sequence[float], second: Sequence[float], part: float) -> tuple[float, ...]:
    return tuple(((1 - part) * np.array(first) + part * np.array(second)).tolist())


FIVE = (0.23, 0.17, 0.19, 0.23, 0.18)
OTHER = (0.05, 0.4, 0.1, 0.3, 0.15)
TWENTY = tuple((np.arange(20, 0, -1) / 210).tolist())
TURNED = TWENTY[::-1]
EVEN = (0.25, 0.25, 0.25, 0.25)
LEANT = (0.3, 0.3, 0.2, 0.2)

WORLDS = (
    DriftWorld("labels, five, 800 rows", (FIVE, _mixed(FIVE, OTHER, 0.5)), (800, 800), by_label,
               divergence),
    DriftWorld("labels, two, 100 rows", ((0.5, 0.5), (0.36, 0.64)), (100, 100), by_label,
               divergence),
    DriftWorld("labels, a rare one comes, 600 rows", ((0.6, 0.4, 0.0), (0.588, 0.392, 0.02)),
               (600, 600), by_label, divergence),
    DriftWorld("labels, five, 1000 rows, 3000 before", (FIVE, _mixed(FIVE, OTHER, 0.5)),
               (3_000, 1_000), by_label, divergence),
    DriftWorld("labels, five, most rows kept", (FIVE, OTHER), (900, 1_000), by_label, divergence,
               kept=700),
    DriftWorld("labels, most rows kept, which differ less", ((0.98, 0.02), (0.9, 0.1)),
               (1_000, 1_000), by_label, divergence, kept=750),
    DriftWorld("labels, 60 authors of 10", (FIVE, _mixed(FIVE, OTHER, 0.6)), (600, 600), by_label,
               divergence, per_cluster=10),
    DriftWorld("labels, 12 authors of 20", (FIVE, OTHER), (240, 240), by_label, divergence,
               per_cluster=20),
    DriftWorld("lengths, 50 rows, 0.20", (EVEN, (0.35, 0.35, 0.15, 0.15)), (50, 50), by_length,
               largest_gap),
    DriftWorld("lengths, 1000 rows, 0.10", (EVEN, LEANT), (1_000, 1_000), by_length, largest_gap),
    DriftWorld("lengths, most rows kept", (EVEN, (0.45, 0.45, 0.05, 0.05)), (1_000, 1_000),
               by_length, largest_gap, kept=750),
    DriftWorld("lengths, 60 authors of 10", (EVEN, LEANT), (600, 600), by_length, largest_gap,
               per_cluster=10),
    DriftWorld("words, 200 rows", (TWENTY, _mixed(TWENTY, TURNED, 0.28)), (200, 200), by_word,
               divergence),
    DriftWorld("words, 60 authors of 10", (TWENTY, _mixed(TWENTY, TURNED, 0.28)), (600, 600),
               by_word, divergence, per_cluster=10),
    DriftWorld("unknown, foreign rows come, 200 rows", ((1.0, 0.0), (0.98, 0.02)), (200, 200),
               by_unknown, change),
    DriftWorld("unknown, half the rows, 3000 rows", ((0.5, 0.5), (0.48, 0.52)), (3_000, 3_000),
               by_unknown, change),
    DriftWorld("unknown, most rows kept", ((0.98, 0.02), (0.9, 0.1)), (1_000, 1_000), by_unknown,
               change, kept=750),
    DriftWorld("unknown, 60 authors of 10", ((0.98, 0.02), (0.94, 0.06)), (600, 600), by_unknown,
               change, per_cluster=10),
    DriftWorld("classifier, 100 rows", ((0.5, 0.5), (0.2, 0.8)), (100, 100), by_classifier, area,
               of_equals=0.5),
    DriftWorld("classifier, half of the rows kept", ((0.7, 0.3), (0.1, 0.9)), (200, 200),
               by_classifier, area, kept=100, of_equals=0.5),
    DriftWorld("classifier, 40 authors of 10", ((0.5, 0.5), (0.2, 0.8)), (400, 400),
               by_classifier, area, per_cluster=10, of_equals=0.5),
    DriftWorld("embeddings, 300 rows", (FIVE, _mixed(FIVE, OTHER, 0.4)), (300, 300),
               by_embedding, discrepancy),
    DriftWorld("embeddings, 40 authors of 10", (FIVE, _mixed(FIVE, OTHER, 0.6)), (400, 400),
               by_embedding, discrepancy, per_cluster=10),
)  # fmt: skip


def as_estimate(found: Measurement, name: str = "") -> Estimate:
    """Drift is judged at 95% alone: no look at test rows and no family corrects it."""
    name, rows = name or found.question.name, sum(found.rows)
    if found.answer is None or found.interval is None:
        return Estimate(name, None, rows, reason=found.reason)
    return Estimate(name, found.answer[0], rows, (found.interval,))


def _scenario(world: DriftWorld) -> Scenario:
    name = "drift.effect"

    def drawn(random: Random) -> list[Estimate]:
        return [as_estimate(world.drawn(random, world.truth), name)]

    return Scenario(f"drift, {world.name}", {name: world.truth}, drawn)


DRIFT = tuple(_scenario(world) for world in WORLDS)


def passed_before(found: Measurement) -> bool:
    """By the rule that took an insignificant difference for none, of one check alone.

    Of the classifier that is no answer here, since its p-value is of one permutation.
    """
    if found.answer is None:
        return False
    effect, p_value = found.answer
    return not (effect >= found.question.limit and p_value < RATE)


def without_drift(world: DriftWorld) -> DriftWorld:
    """The same with the shares of before on both sides."""
    return replace(world, shares=(world.shares[0], world.shares[0]))


def main() -> None:
    """Print how often each world passes and fails, at the limit and without drift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    trials = parser.parse_args().trials
    print(f"{'':<40}{'':>8}{'at the limit':>24}{'without drift':>24}")
    print(f"{'world':<40}{'limit':>8}" + 2 * f"{'before':>8}{'pass':>8}{'fail':>8}")
    for world in WORLDS:
        cells = []
        for one in (world, without_drift(world)):
            draws = [
                one.drawn(np.random.default_rng(trial), world.truth) for trial in range(trials)
            ]
            verdicts = [judge_checks([draw], RATE)[0].verdict for draw in draws]
            cells += [
                np.mean([passed_before(draw) for draw in draws]),
                np.mean([verdict is Verdict.PASS for verdict in verdicts]),
                np.mean([verdict is Verdict.FAIL for verdict in verdicts]),
            ]
        shown = "".join(f"{cell:>8.3f}" for cell in cells)
        print(f"{world.name:<40}{world.truth:>8.4f}{shown}", flush=True)


if __name__ == "__main__":
    main()

"""What became of planted canaries: how far they stand out, and whether they are written out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.evaluation.intervals import level
from tasks.evaluation.settings import EvaluationSettings
from tasks.perturbations.draws import random_of
from tasks.probes.memory.settings import FAMILY, PlantedCanarySettings
from tasks.records.memory import Canaries, CanaryFindings, CanaryFound
from tasks.resampling import Floats
from tasks.resampling_units import units_of_rows
from tasks.task_types.canary_texts import CANARY_TEXTS, MORE_TOKENS, CanaryTexts
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import mean_of
from tasks.verdicts import Estimate, undetermined

EXPOSURE: Final = "canary_exposure"
EXTRACTED: Final = "canaries_extracted"
GREEDY, BEAM = "greedy", "beam"
# Texts whose likelihood is asked for at once.
_ASKED_AT_ONCE: Final = 4_096


@dataclass(frozen=True)
class PlantedCanary:
    """A canary.

    Attributes:
        prefix: the text before the secret.
        secret: its digits.
        rest: the text behind them.

    """

    prefix: str
    secret: str
    rest: str


def read_canaries(planted: Canaries, store: ObjectStore, work: Path) -> list[PlantedCanary]:
    """Each canary once, in order.

    Raises:
        StoreError: the rows are missing.

    """
    path = store.get_file(planted.artifact, work / "canaries.parquet")
    rows = pq.read_table(path, columns=["canary", "prefix", "secret", "rest"]).to_pylist()
    first = {row["canary"]: row for row in reversed(rows)}
    return [
        PlantedCanary(row["prefix"], row["secret"], row["rest"]) for _, row in sorted(first.items())
    ]


def find_canaries(
    model: Path,
    limits: TokenLimits,
    task_type: str,
    planted: Canaries,
    canaries: Sequence[PlantedCanary],
    settings: PlantedCanarySettings,
    evaluation: EvaluationSettings,
) -> CanaryFindings:
    """Exposure of each canary, and which of them the model writes out.

    Exposure (Carlini et al. 2019, arXiv:1802.08232) is log2 of the number of possible secrets less
    log2 of the rank of the one that was planted, by likelihood behind the same prefix. Here the
    rank is among a sample of them, as likely ones before the canary: log2(K + 1) - log2(1 + those
    that are as likely or likelier) for K alternatives. A secret that was not learned has any rank
    with the same chance, 1.4 bits in the mean. Where all alternatives of a canary are exactly as
    likely as it, the model was not shown what tells them apart, and the exposure is undetermined.

    Args:
        model: folder of it.
        limits: of the model.
        task_type: what it is for.
        planted: the record of the canaries.
        canaries: the canaries themselves.
        settings: how many alternatives and beams.
        evaluation: how intervals are made.

    """
    asked = CANARY_TEXTS.load(task_type).load(model, limits)
    losses = _losses(asked, canaries, settings.alternatives, planted)
    likelier = (losses[:, 1:] <= losses[:, :1]).sum(axis=1).tolist()
    found = []
    for one, rank in zip(canaries, likelier, strict=True):
        bits = math.log2(settings.alternatives + 1) - math.log2(rank + 1)
        written = _way_out(asked, one, settings.beams) if asked.writes else ""
        found.append(CanaryFound(one.prefix, rank, bits, written))
    exposures = np.array([one.exposure_bits for one in found])
    written_out = np.array([bool(one.written) for one in found], dtype=np.float64)
    return CanaryFindings(
        planted=planted,
        alternatives=settings.alternatives,
        beams=settings.beams if asked.writes else 0,
        exposure=_exposure(losses, exposures, evaluation),
        extracted=mean_estimate(f"{FAMILY}.{EXTRACTED}", written_out, 1.0, evaluation)
        if asked.writes
        else None,
        found=tuple(found),
    )


def alternatives_of(canary: int, secret: str, count: int, seed: int) -> list[str]:
    """Other digits than a canary's, drawn evenly from all that there are.

    Args:
        canary: its number, so that each has alternatives of its own.
        secret: its digits.
        count: how many; one may come twice.
        seed: of the draw.

    """
    random, digits = random_of(seed, "alternatives", f"{canary}"), len(secret)
    found: list[str] = []
    while len(found) < count:
        drawn = f"{random.randrange(10**digits):0{digits}d}"
        if drawn != secret:
            found.append(drawn)
    return found


def _exposure(losses: Floats, bits: Floats, evaluation: EvaluationSettings) -> Estimate:
    """The mean over canaries; of losses (N, K + 1) that tell secrets apart, each."""
    name = f"{FAMILY}.{EXPOSURE}"
    if tied := int((losses[:, 1:] == losses[:, :1]).all(axis=1).sum()):
        reason = (
            f"of {tied} of {len(losses)} canaries the model holds all {losses.shape[1] - 1} other "
            "secrets exactly as likely: its tokens do not tell them apart"
        )
        return undetermined(name, len(losses), reason)
    return mean_estimate(name, bits, math.log2(losses.shape[1]), evaluation)


def _losses(
    asked: CanaryTexts, canaries: Sequence[PlantedCanary], count: int, planted: Canaries
) -> Floats:
    """Of each of N canaries the loss of its secret, and behind it of K alternatives, (N, K + 1)."""
    prefixes, secrets = list[str](), list[str]()
    for place, one in enumerate(canaries):
        for digits in (one.secret, *alternatives_of(place, one.secret, count, planted.seed)):
            prefixes.append(one.prefix)
            secrets.append(digits + one.rest)
    return np.concatenate(
        [
            asked.losses(prefixes[start : start + _ASKED_AT_ONCE],
                         secrets[start : start + _ASKED_AT_ONCE])
            for start in range(0, len(prefixes), _ASKED_AT_ONCE)
        ]
    ).reshape(len(canaries), count + 1)  # fmt: skip


def _way_out(asked: CanaryTexts, canary: PlantedCanary, beams: int) -> str:
    """How the model writes a secret out behind its prefix; empty where it does not."""
    texts = asked.written(canary.prefix, len(canary.secret) + MORE_TOKENS, beams)
    first, *others = ["".join(text.split()).startswith(canary.secret) for text in texts]
    return GREEDY if first else BEAM if any(others) else ""


def mean_estimate(
    name: str, values: Floats, most: float, evaluation: EvaluationSettings
) -> Estimate:
    """A mean over canaries, or over texts, from 0 to its most.

    Args:
        name: of the estimate.
        values: (N,).
        most: that one can have.
        evaluation: how intervals are made.

    """
    units = units_of_rows([f"{place:06d}" for place in range(len(values))], seed=evaluation.seed)
    measure = mean_of(name, values, high=most, greater_is_better=False)
    return level(name, measure, units, evaluation.repeats, evaluation.seed)

"""How well scores part out-of-distribution texts from test rows, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.evaluation.intervals import level, levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.out_of_distribution.settings import (
    AUROC,
    ENERGY,
    FALSE_POSITIVE_RATE,
    FAMILY,
    FLAGGED,
    KNN,
    MAHALANOBIS,
    MSP,
)
from tasks.records.out_of_distribution import OutOfDistributionScore
from tasks.resampling import Floats
from tasks.resampling_units import units_of_rows
from tasks.task_types.labels.ranking import macro_area, roc_area, roc_influence
from tasks.task_types.measures import mean_of, mean_of_some
from tasks.verdicts import Estimate

# Share of the validation rows that lies below a score's threshold.
KEPT: Final = 0.95
DOES: Final[Mapping[str, str]] = {
    MSP: "one less the highest probability",
    ENERGY: "negative logarithm of the summed exponentials of the logits",
    MAHALANOBIS: "distance of the embedding to the nearest label's training rows",
    KNN: "distance of the embedding to the nearest training rows",
}


@dataclass(frozen=True, eq=False)
class ScoredSets:
    """One score of three sets of rows.

    Attributes:
        validation: (V,).
        test: (N,).
        ood: of the out-of-distribution texts, (F,).

    """

    validation: Floats
    test: Floats
    ood: Floats


def judge_scores(
    scores: Mapping[str, ScoredSets],
    row_ids: Sequence[str],
    clusters: Sequence[str | None] | None,
    evaluation: EvaluationSettings,
) -> tuple[OutOfDistributionScore, ...]:
    """Each score with its numbers.

    Args:
        scores: by name, all of the same rows.
        row_ids: of the test rows, (N,).
        clusters: of the test rows; None where they are drawn one by one, as
            out-of-distribution texts are.
        evaluation: how intervals are made.

    """
    first = next(iter(scores.values()))
    rows, outside = len(first.test), len(first.ood)
    names = [*row_ids, *(f"ood {row:07d}" for row in range(outside))]
    together = [*clusters, *([None] * outside)] if clusters is not None else None
    units = units_of_rows(names, together, seed=evaluation.seed)
    is_ood = np.arange(rows + outside) >= rows
    thresholds, named = {}, []
    for name, one in scores.items():
        threshold = thresholds[name] = float(np.quantile(one.validation, KEPT, method="higher"))
        both = np.concatenate([one.test, one.ood])
        beyond = (both > threshold).astype(np.float64)
        area = macro_area(AUROC, both[None], is_ood[None], roc_area, roc_influence)
        flagged = mean_of_some(FLAGGED, beyond, is_ood)
        rate = mean_of_some(FALSE_POSITIVE_RATE, beyond, ~is_ood, greater_is_better=False)
        named += [(f"{FAMILY}.{name}", measure) for measure in (area, flagged, rate)]
    drawn = iter(levels(named, units, evaluation.repeats, evaluation.seed))
    return tuple(
        OutOfDistributionScore(
            name, DOES[name], thresholds[name], next(drawn), next(drawn), next(drawn)
        )
        for name in scores
    )


def share_answered(name: str, answered: Floats, evaluation: EvaluationSettings) -> Estimate:
    """Share of the out-of-distribution texts that are answered.

    Args:
        name: of the estimate.
        answered: 1 where a row is, (F,).
        evaluation: how the interval is made.

    """
    units = units_of_rows([f"ood {row:07d}" for row in range(len(answered))])
    measure = mean_of(name, answered, greater_is_better=False)
    return level(name, measure, units, evaluation.repeats, evaluation.seed)

"""How well a number of each row tells those that were learned from those that were not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaincinv
from scipy.stats import binom

from tasks.evaluation.intervals import level
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.settings import FALSE_POSITIVES, FAMILY
from tasks.records.memory import CALIBRATED, LOSS, MembershipAttack
from tasks.resampling import TAILS, Floats, ladder_around
from tasks.resampling_units import units_of_rows
from tasks.task_types.labels.ranking import macro_area, roc_area, roc_influence
from tasks.verdicts import Estimate, undetermined

TPR: Final = "tpr_at_1_fpr"
# Area under the curve of who tells nothing.
GUESS: Final = 0.5
EXACT_THRESHOLD: Final = "exact binomial, of the threshold and of the share"


@dataclass(frozen=True, eq=False)
class Scored:
    """A number of each row of both sides, higher where a row looks learned.

    Attributes:
        members: of training rows, (M,).
        others: of held-out rows, (K,).
        row_ids: of both, training rows first, (M + K,).

    """

    members: Floats
    others: Floats
    row_ids: Sequence[str]

    def defined(self) -> "Scored":
        """Without rows that have no number."""
        kept = [np.isfinite(side) for side in (self.members, self.others)]
        every = np.concatenate(kept)
        ids = [row_id for row_id, keep in zip(self.row_ids, every, strict=True) if keep]
        return Scored(self.members[kept[0]], self.others[kept[1]], ids)


def judge_attack(
    name: str, scored: Scored, min_rows: int, evaluation: EvaluationSettings
) -> MembershipAttack:
    """AUC and true-positive rate of an attack, each with its interval.

    Args:
        name: ``loss``, ``calibrated`` or ``lira``.
        scored: the rows.
        min_rows: of a side, with fewer nothing is told.
        evaluation: how intervals are made.

    """
    scored = scored.defined()
    names = names_of(name)
    if why := why_too_few(scored, min_rows):
        rows = len(scored.row_ids)
        auc, tpr = (undetermined(one, rows, why) for one in names)
        return MembershipAttack(name, auc, tpr)
    return MembershipAttack(
        name,
        area_estimate(names[0], scored, evaluation),
        tpr_estimate(names[1], scored, FALSE_POSITIVES),
    )


def held_against_control(attack: MembershipAttack, control: Estimate) -> MembershipAttack:
    """An attack by losses, undetermined where the control says that splits differ by themselves.

    Shadow models take out how hard a row is, whichever split it is of, so that theirs stands.

    Args:
        attack: on training rows.
        control: AUC of the first attack on validation rows, of which none was learned.

    """
    if attack.name not in {LOSS, CALIBRATED} or control.low is None or control.high is None:
        return attack
    if control.low <= GUESS <= control.high:
        return attack
    reason = (
        f"validation rows are told from test rows, too, and neither was learned (AUC "
        f"{control.value:.3f} [{control.low:.3f}, {control.high:.3f}]): the splits differ by "
        "themselves"
    )
    auc, tpr = (undetermined(one.name, one.n, reason) for one in (attack.auc, attack.tpr))
    return MembershipAttack(attack.name, auc, tpr)


def names_of(attack: str) -> tuple[str, str]:
    """Names of the estimates of an attack: of the first, memory.membership_auc."""
    if attack == LOSS:
        return f"{FAMILY}.membership_auc", f"{FAMILY}.{TPR}"
    return f"{FAMILY}.{attack}_auc", f"{FAMILY}.{attack}_{TPR}"


def why_too_few(scored: Scored, min_rows: int) -> str:
    """Why rows of two sides tell nothing; empty where they do."""
    least = min(len(scored.members), len(scored.others))
    if least >= min_rows:
        return ""
    return (
        f"it rests on {len(scored.members):,} rows of one side and {len(scored.others):,} of the "
        f"other, and probes.memory.min_rows is {min_rows:,}"
    )


def area_estimate(name: str, scored: Scored, evaluation: EvaluationSettings) -> Estimate:
    """The area under the ROC curve, by the bootstrap of the evaluation over rows."""
    scores = np.concatenate([scored.members, scored.others])[None]
    learned = np.arange(scores.shape[1])[None] < len(scored.members)
    units = units_of_rows(scored.row_ids, seed=evaluation.seed)
    measure = macro_area("auc", scores, learned, roc_area, roc_influence)
    return level(name, measure, units, evaluation.repeats, evaluation.seed)


def _tpr(scored: Scored, false_positives: float) -> float:
    """Share of the members above the threshold that at most so many of the others exceed."""
    others = np.sort(scored.others)
    threshold = others[len(others) - 1 - int(false_positives * len(others))]
    return float((scored.members > threshold).mean())


def tpr_estimate(name: str, scored: Scored, false_positives: float) -> Estimate:
    """The true-positive rate at a false-positive rate, with an interval that holds for both.

    The threshold is a quantile of the held-out rows, and known from a sample only. Order statistics
    bound it whatever the scores are distributed like; between these two bounds the share of the
    members has the interval of Clopper and Pearson. Each takes half of what may be missed, so that
    the ends are right, and somewhat wide. Of fewer than 437 held-out rows no upper bound of a 1%
    threshold exists at 95% (0.99 to the power of 437 is below 0.0125), and the lower end is 0.

    Args:
        name: of the estimate.
        scored: the rows.
        false_positives: of the threshold.

    """
    others, members = np.sort(scored.others), scored.members
    count, learned = len(others), len(members)
    lows, highs = np.zeros(len(TAILS)), np.ones(len(TAILS))
    for place, tail in enumerate(TAILS / 2):
        below = int(binom.ppf(tail, count, 1 - false_positives))
        above = int(binom.ppf(1 - tail, count, 1 - false_positives)) + 1
        if below > 0:
            hits = int((members > others[below - 1]).sum())
            highs[place] = betaincinv(hits + 1, learned - hits, 1 - tail) if hits < learned else 1.0
        if above <= count:
            hits = int((members > others[above - 1]).sum())
            lows[place] = betaincinv(hits, learned - hits + 1, tail) if hits else 0.0
    value = _tpr(scored, false_positives)
    return Estimate(
        name, value, learned + count, ladder_around(value, lows, highs), EXACT_THRESHOLD
    )

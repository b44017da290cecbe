"""The held-out rows of a snapshot against its training rows."""

from dataclasses import dataclass

from tasks.records.data import DriftCheck
from tasks.verdicts import Verdict


@dataclass(frozen=True)
class SplitShift:
    """One held-out split against the training split of the same clean rows.

    Attributes:
        split: validation or test.
        checks: named shift.SPLIT.KIND; rows_before are of training, rows_now of the split.
        label_shares: (training, split) by label.
        verdict: pass where all checks pass.

    """

    split: str
    checks: tuple[DriftCheck, ...]
    label_shares: dict[str, tuple[float, float]]
    verdict: Verdict


@dataclass(frozen=True)
class SplitShifts:
    """All held-out splits against the training split; empty where nothing was compared."""

    held_out: tuple[SplitShift, ...] = ()


NO_SHIFTS = SplitShifts()

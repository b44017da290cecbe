"""By how much gaps are smaller: by definition, and with what it may be believed."""

import numpy as np
import pytest

from tasks.fairness.gap_gains import gap_gains, gaps_without
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.verdicts import MAX_FAMILY

QUICK = FairnessSettings(repeats=4_000)
LABELS = ("no", "yes")
GROUPS = np.arange(200) < 120
MEMBER = Membership("x", ("a", "b"), np.stack([GROUPS, ~GROUPS], axis=1))
TRUTH = np.arange(200) % 2
PARITY = "x.demographic_parity_difference"


def test_a_gain_is_the_gap_that_went() -> None:
    """One model says yes of 90 of group a and 20 of b, the other of half of each."""
    unlike = np.concatenate([np.arange(120) < 90, np.arange(80) < 20]).astype(int)
    ours, theirs = (gaps_without(MEMBER, TRUTH, one, LABELS, QUICK) for one in (TRUTH, unlike))
    told = {one.name: one for one in gap_gains(ours, theirs)}
    before, gain = told[f"unmitigated.{PARITY}"], told[f"unmitigated.{PARITY}_gain"]
    assert before.value == pytest.approx(90 / 120 - 20 / 80)
    assert gain.value == pytest.approx(90 / 120 - 20 / 80)
    assert (gain.n, len(gain.ladder)) == (200, MAX_FAMILY)
    own = next(one for one in ours if one.name == f"fairness.{PARITY}")
    # At 95%, the ends of both at 97.5%; where those are not told, all that a gain can be.
    assert gain.ladder[0] == (
        before.ladder[1][0] - own.ladder[1][1], before.ladder[1][1] - own.ladder[1][0],
    )  # fmt: skip
    assert gain.ladder[-1] == (-1, 1)
    assert gain.low is not None
    assert gain.low > 0.1
    widths = [high - low for low, high in gain.ladder]
    assert widths == sorted(widths)


def test_the_same_model_gains_nothing_that_can_be_told() -> None:
    own = gaps_without(MEMBER, TRUTH, TRUTH, LABELS, QUICK)
    gains = [one for one in gap_gains(own, own) if one.name.endswith("_gain")]
    assert gains
    for one in gains:
        assert one.value is None or (one.value == 0 and one.low <= 0 <= one.high)  # type: ignore[operator]


def test_what_one_gap_does_not_tell_is_undetermined() -> None:
    small = FairnessSettings(repeats=4_000, min_group_rows=100)
    ours = gaps_without(MEMBER, TRUTH, TRUTH, LABELS, QUICK)
    theirs = gaps_without(MEMBER, TRUTH, TRUTH, LABELS, small)
    told = {one.name: one for one in gap_gains(ours, theirs)}
    gain = told["unmitigated.x.accuracy_difference_gain"]
    assert gain.value is None
    assert "b has 80 test rows" in gain.reason

"""Registered versions judged by any policy, from what was measured of them when they were judged.

Nothing is measured, moved or recorded. Each version is judged at the level of the look that it had
at its held-out rows; that look is not repeated and none is spent. Its comparisons are with those
that were champion and anchor then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.judged_version import JudgedVersion
from tasks.records.looks import Look
from tasks.records.measured_version import ESTIMATES_FILE, read_estimates
from tasks.records.registry import Judgement, Staged
from tasks.registry.fairness_gates import gates_fairness
from tasks.registry.judged_versions import judged_last, read_judged
from tasks.registry.ledger import read_ledger
from tasks.registry.looks import read_looks
from tasks.registry.policy import judge_policy, share_of
from tasks.registry.settings import STAGING_FAMILY, PolicySettings
from tasks.registry.version_tags import WEIGHTS_TAG
from tasks.verdicts import Estimate, GateResult, Verdict, combine, judge, undetermined

NEVER_JUDGED: Final = "no run has judged it, so nothing that was measured of it is kept"
OF_MLFLOW: Final = (
    "judged by the numbers that its MLflow run keeps: an earlier release judged it, whose ledger "
    "entry names no record of them"
)
NO_LOOK: Final = "no look at its held-out rows is recorded, which says at which level it is judged"
NOT_TOLD: Final = "no gate on fairness.* or counterfactual.* can be asked of what is kept"


@dataclass(frozen=True)
class PolicyCheck:
    """What a policy says of a registered version.

    Attributes:
        judgement: each gate with its verdict.
        notes: whom it was compared with, and where the numbers come from.

    """

    version: int
    judgement: Judgement
    notes: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether every gate passes."""
        return self.judgement.verdict is Verdict.PASS


def check_policy(
    policy: PolicySettings, line: str, version: int, *, store: ObjectStore, tracking: Tracking
) -> PolicyCheck:
    """Judge a registered version by a policy; what cannot be judged is undetermined.

    Args:
        policy: any, not only that of the line.
        line: the model line.
        version: its number in MLflow.
        store: holds the ledger and what was judged.
        tracking: holds the version.

    Raises:
        IntegrityError: what is kept of the version was changed.
        PromotionError: the ledger is not what was written.
        StoreError, TrackingError: there is no such version, or a server is unreachable.

    """
    tags = tracking.version_tags(line, version)
    kept = judged_last(version, read_ledger(store, line, tracking))
    if kept:
        return _of_record(policy, version, read_judged(kept, store))
    content = tracking.file_of_version(line, version, ESTIMATES_FILE)
    if content is None:
        return _of_estimates(policy, version, (), None, NEVER_JUDGED)
    weights = tags.get(WEIGHTS_TAG, "")
    looks = [one.look for one in read_looks(line, store=store, tracking=tracking) if one.look]
    look = next((one for one in reversed(looks) if one.weights_sha256 == weights), None)
    estimates = read_estimates(version, content).estimates
    return _of_estimates(policy, version, estimates, look, OF_MLFLOW)


def _of_record(policy: PolicySettings, version: int, judged: JudgedVersion) -> PolicyCheck:
    staged = judged.staged or _not_staged(policy, version)
    judgement = judge_policy(
        policy, judged.scores, judged.fairness, staged, judged.judgement.look, judged.golden
    )
    scores = judged.scores
    compared = {"champion": scores.champion_version, "anchor": scores.anchor_version}
    notes = [f"{name}.* is against version {one}" for name, one in compared.items() if one]
    notes += [f"{one.comparator}.* is against {one.name}" for one in scores.versions if one.name]
    return PolicyCheck(version, judgement, tuple(notes))


def _not_staged(policy: PolicySettings, version: int) -> Staged:
    reason = f"version {version} was never served on staging: a gate before that did not pass"
    gates = (gate for gate in policy.gates if gate.family == STAGING_FAMILY)
    return Staged(version, tuple(undetermined(gate.metric, 0, reason) for gate in gates), (), "")


def _of_estimates(
    policy: PolicySettings,
    version: int,
    estimates: tuple[Estimate, ...],
    look: Look | None,
    note: str,
) -> PolicyCheck:
    """By numbers alone: which gates rows can decide is not known of them, so none of these pass."""
    share = share_of(policy, look.since_pass) if look else 1
    golden = share_of(policy, look.of_line) if look else 1
    results = judge(policy.gates, estimates, share, golden)
    open_ones = judge(policy.fairness_where_decidable, list(_rows_unknown(policy)), share, golden)
    gates = (*results, *open_ones) if look else tuple(map(_left_open, (*results, *open_ones)))
    verdicts = [gate.verdict for gate in gates]
    not_gated = "" if gates_fairness(policy.gates) else policy.fairness_not_gated or NOT_TOLD
    if not_gated == NOT_TOLD:
        verdicts.append(Verdict.UNDETERMINED)
    judged = Judgement(gates, combine(verdicts), (), look, share, not_gated, golden_share=golden)
    return PolicyCheck(version, judged, (note,))


def _rows_unknown(policy: PolicySettings) -> Iterator[Estimate]:
    for gate in policy.fairness_where_decidable:
        yield undetermined(gate.judged_on, 0, "how many rows it rests on is not kept")


def _left_open(gate: GateResult) -> GateResult:
    """A gate of which nobody knows at which level it is to be judged."""
    if gate.value is None:
        return gate
    return replace(gate, verdict=Verdict.UNDETERMINED, reason=NO_LOOK)

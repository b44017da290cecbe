"""The policy over the evidence: which gates are asked, and what they say together."""

import re
from collections.abc import Iterator
from typing import Final

from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores
from tasks.records.looks import Look
from tasks.records.registry import Judgement, Staged
from tasks.registry.fairness_gates import (
    REMEDY,
    gates_fairness,
    not_asked,
    split_by_rows,
    why_not_gated,
)
from tasks.registry.settings import PolicySettings
from tasks.verdicts import Gate, Verdict, combine, look_share
from tasks.verdicts import judge as judge_gates

NO_CHAMPION: Final = (
    "there was no champion to compare with, so the gates on champion.* are not asked"
)
NO_ANCHOR: Final = "no version was ever in production, so the gates on anchor.* are not asked"
# A metric of one label is none, whatever the label: golden.team.f1.capital_gain.
_GAIN: Final = re.compile(r"(fresh|golden\.[^.]+)\.[^.]+_gain")
NOT_STAGED: Final = "the gates on staging.* are asked when the registered artifact was served"


def judge_policy(
    policy: PolicySettings,
    scores: Scores,
    fairness: Fairness,
    staged: Staged | None,
    look: Look | None = None,
    golden: GoldenScores | None = None,
) -> Judgement:
    """Judge every gate of the policy on what was measured.

    Args:
        policy: the gates.
        scores: quality of the candidate, with the baseline and the champion.
        fairness: how it treats groups.
        staged: how the registered artifact served; None before that, and then the gates on
            staging.* are left out, or the policy's own gates for staging are asked. A judgement
            without it promotes nothing.
        look: at the held-out rows; None where what is judged was not evaluated on any.
        golden: what golden sets and behaviour suites say; gates on them are undetermined without.

    """
    from tasks.power import power_of_gates

    share = share_of(policy, look.since_pass) if look else 1
    of_golden = share_of(policy, look.of_line) if look else 1
    dropped = dict(_not_asked(scores, staged))
    own_for_staging = staged is None and bool(policy.staging_gates)
    if own_for_staging:
        policy = _for_staging(policy)
    decidable, undecidable = split_by_rows(policy, fairness.gate_rows)
    gates = [gate for gate in policy.gates if _needs(gate) not in dropped] + decidable
    others = [estimate for one in (staged, golden) if one for estimate in one.estimates]
    measured = (*scores.measured, *fairness.estimates, *others)
    results = judge_gates(gates, measured, share, of_golden)
    verdicts = [result.verdict for result in results]
    notes = [note for family, note in dropped.items() if _gates_of(policy, family)]
    # An anchor that is the champion has its note.
    notes += dict.fromkeys(version.note for version in scores.versions if version.note)
    fairness_is_due = not gates_fairness(gates) and not own_for_staging
    not_gated = why_not_gated(policy, undecidable) if fairness_is_due else ""
    if not_gated and not policy.fairness_not_gated:
        verdicts.append(Verdict.UNDETERMINED)
        not_gated = f"{not_gated}; {REMEDY}"
    else:
        notes += not_asked(undecidable)
    power = power_of_gates(gates, measured, policy.slightly_better, results, share, of_golden)
    verdict = combine(verdicts)
    return Judgement(
        results, verdict, tuple(notes), look, share, not_gated, power, of_golden,
        approval=policy.approval, canary=policy.canary is not None,
    )  # fmt: skip


def _for_staging(policy: PolicySettings) -> PolicySettings:
    """A policy that has gates for staging of its own, as it is before anything was served.

    How groups are treated decides on production, and so is not asked unless one of them asks it.
    """
    own = {"gates": policy.staging_gates, "fairness_where_decidable": ()}
    return policy.model_copy(update=own)


def share_of(policy: PolicySettings, since_pass: int) -> int:
    """The number that alpha is divided by for such a look since a pass, by the line's setting."""
    return 1 if policy.looks.spending == "none" else look_share(since_pass)


def _not_asked(scores: Scores, staged: Staged | None) -> Iterator[tuple[str, str]]:
    measured = {estimate.name.partition(".")[0] for estimate in scores.estimates}
    if scores.champion_version is None and "champion" not in measured:
        yield "champion", NO_CHAMPION
        # Where there is a champion there is an anchor: nothing measured of it is undetermined.
        if scores.anchor_version is None and "anchor" not in measured:
            yield "anchor", NO_ANCHOR
    if staged is None:
        yield "staging", NOT_STAGED


def _gates_of(policy: PolicySettings, family: str) -> list[Gate]:
    return [gate for gate in policy.gates if _needs(gate) == family]


def _needs(gate: Gate) -> str:
    """The family without which a gate is not asked: a gain is over the champion."""
    return "champion" if _GAIN.fullmatch(gate.metric) else gate.family

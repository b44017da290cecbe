"""The candidate beside the champion and the baseline, and what may be claimed of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.evaluation import Claim, Comparison, Scores
from tasks.reporting.estimates import EstimateTable, is_difference, tables_apart
from tasks.reporting.gates import SYMBOLS
from tasks.reporting.number_format import p_value, words_of
from tasks.verdicts import Estimate, Verdict

RIVALS: Final = ("champion", "baseline")


# What a claim's verdict says of the candidate; an open one says that nothing is shown.
_SAID: Final = {
    ("superiority", Verdict.PASS): "better",
    ("superiority", Verdict.FAIL): "worse",
    ("non-inferiority", Verdict.PASS): "not worse",
    ("non-inferiority", Verdict.FAIL): "worse by more",
}


@dataclass(frozen=True)
class ClaimRow:
    """One claim in words.

    Attributes:
        claimed: what is claimed, for example ``non-inferiority, margin 0.02``.
        said: what was found.
        p: Holm-corrected, with the test that it comes from; empty where there is none.

    """

    metric: str
    claimed: str
    verdict: str
    symbol: str
    said: str
    reason: str
    p: str


@dataclass(frozen=True)
class ModelComparison:
    """One comparator: both models' numbers, the gains, and the claims that rest on them."""

    tables: list[EstimateTable]
    claims: list[ClaimRow]


def versus(comparator: str, scores: Scores) -> ModelComparison:
    """The candidate against ``champion`` or ``baseline``."""
    claims = [
        _claim_row(comparison, claim)
        for comparison in scores.comparisons
        if comparison.comparator == comparator
        for claim in comparison.claims
    ]
    return ModelComparison(comparison_tables(comparator, scores.estimates), claims)


def _claim_row(comparison: Comparison, claim: Claim) -> ClaimRow:
    # The test is of the hypothesis that both are as good, so it speaks of superiority alone.
    tested = comparison.p_adjusted is not None and claim.kind == "superiority"
    return ClaimRow(
        metric=words_of(f"quality.{comparison.metric}"),
        claimed=claim.kind if not claim.margin else f"{claim.kind}, margin {claim.margin:g}",
        verdict=claim.verdict.value,
        symbol=SYMBOLS[claim.verdict],
        said=_SAID.get((claim.kind, claim.verdict), claim.verdict.value),
        reason=claim.reason,
        p=f"{p_value(comparison.p_adjusted)}, {comparison.test}" if tested else "",
    )


def comparison_tables(comparator: str, estimates: Sequence[Estimate]) -> list[EstimateTable]:
    """The candidate's gains over a comparator, and both models' own numbers one below the other."""
    by_name = {estimate.name: estimate for estimate in estimates}
    theirs = [e for e in estimates if e.name.startswith(f"{comparator}.")]
    gains = [e for e in theirs if is_difference(e.name)]
    levels: list[Estimate] = []
    names: list[str] = []
    for other in (e for e in theirs if not is_difference(e.name)):
        metric = words_of(other.name)
        ours = by_name.get(other.name.replace(comparator, "quality", 1))
        levels += [ours, other] if ours else [other]
        names += [f"{metric}, candidate"] if ours else []
        names.append(f"{metric}, {comparator}")
    return [*tables_apart(gains), *tables_apart(levels, names)]

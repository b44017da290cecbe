"""The candidate beside those that it is compared with, and what may be claimed of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.evaluation import Claim, Comparison, Scores
from tasks.reporting.estimates import EstimateTable, is_difference, tables_apart
from tasks.reporting.gates import SYMBOLS
from tasks.reporting.number_format import p_value, words_of
from tasks.verdicts import Estimate, Verdict

RIVALS: Final = ("champion", "anchor", "baseline")
TEACHER: Final = "teacher"
UNCOMPRESSED: Final = "uncompressed"
UNMITIGATED: Final = "unmitigated"
# They are there where the candidate was taught, compressed or mitigated.
_IF_THERE: Final = (TEACHER, UNCOMPRESSED, UNMITIGATED)
# How a comparator is called where its name alone would not do.
_CALLED: Final = {
    UNCOMPRESSED: "model before compression",
    UNMITIGATED: "model without mitigation",
}
# What is told of a candidate and one of these alone; see tasks.evaluation.agreement_and_cost.
_OF_BOTH: Final = frozenset(
    f"{other}.{one}"
    for other in (TEACHER, UNCOMPRESSED)
    for one in ("agreement", "size_share", "speed_up")
)
# The candidate on the rows of a comparison, where these are not all; see tasks.evaluation.
_CANDIDATE: Final = "candidate"
ANCHOR_IS_CHAMPION: Final = (
    "The anchor, the best version that was ever in production, is the champion itself: its "
    "comparison stands above."
)
NO_ANCHOR: Final = "no version was ever in production"

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
    """One comparator: both models' numbers, the gains, and the claims that rest on them.

    Attributes:
        version: of the registry; None for the baseline, and where there is none.
        name: of the teacher, which may be of another line, in words; empty of all others.
        called: what kind of model it is, in words.
        notes: what is to be known of the comparison, in sentences.

    """

    tables: list[EstimateTable]
    claims: list[ClaimRow]
    version: int | None = None
    notes: tuple[str, ...] = ()
    name: str = ""
    called: str = ""


def rivals_of(scores: Scores) -> tuple[str, ...]:
    """Whom the candidate is compared with; its teacher, and itself before, where there is such."""
    there = {one.comparator for one in scores.versions}
    return (*RIVALS, *(name for name in _IF_THERE if name in there))


def versus(comparator: str, scores: Scores, of_groups: Sequence[Estimate] = ()) -> ModelComparison:
    """The candidate against one of `rivals_of`.

    Args:
        comparator: which.
        scores: of the candidate and of all of them.
        of_groups: what was measured of groups, among which may be gains over a comparator.

    """
    if comparator == "anchor" and _anchor_is_champion(scores):
        return ModelComparison(
            [], [], scores.anchor_version, (ANCHOR_IS_CHAMPION,), called=comparator
        )
    claims = [
        _claim_row(comparison, claim)
        for comparison in scores.comparisons
        if comparison.comparator == comparator
        for claim in comparison.claims
    ]
    tables = comparison_tables(comparator, (*scores.measured, *of_groups))
    named = [one.name for one in scores.versions if one.comparator == comparator == TEACHER]
    return ModelComparison(
        tables, claims, _version(comparator, scores), tuple(_notes(comparator, scores, tables)),
        "".join(named[:1]), _CALLED.get(comparator, comparator),
    )  # fmt: skip


def _anchor_is_champion(scores: Scores) -> bool:
    return scores.anchor_version is not None and scores.anchor_version == scores.champion_version


def _version(comparator: str, scores: Scores) -> int | None:
    versions = {"champion": scores.champion_version, "anchor": scores.anchor_version}
    return versions.get(comparator)


def _notes(comparator: str, scores: Scores, tables: Sequence[EstimateTable]) -> Iterator[str]:
    """Why there is no comparison, or on which rows it is."""
    if comparator == "baseline":
        if not tables:
            yield "No baseline was measured."
    elif comparator in _IF_THERE:
        reasons = [one.reason for one in scores.versions if one.comparator == comparator]
        yield from (f"No comparison: {reason}." for reason in reasons if reason)
    elif _version(comparator, scores) is None:
        why = scores.champion_note if comparator == "champion" else NO_ANCHOR
        yield f"No comparison: {why or 'no reason was recorded'}."
    own = [one.note for one in scores.versions if one.comparator == comparator]
    yield from (f"{note[0].upper()}{note[1:]}." for note in own if note)


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


def _is_gain(name: str) -> bool:
    """Whether it compares the models; the gap between a model's own groups does not."""
    return is_difference(name) and not name.endswith("_difference")


def comparison_tables(comparator: str, estimates: Sequence[Estimate]) -> list[EstimateTable]:
    """The candidate's gains over a comparator, and both models' own numbers one below the other."""
    by_name = {estimate.name: estimate for estimate in estimates}
    beside = f"{comparator}.{_CANDIDATE}."
    theirs = [
        e
        for e in estimates
        if e.name.startswith(f"{comparator}.") and not e.name.startswith(beside)
    ]
    of_both = [e for e in theirs if e.name in _OF_BOTH]
    theirs = [e for e in theirs if e.name not in _OF_BOTH]
    gains = [e for e in theirs if _is_gain(e.name)]
    # A metric may be called a ratio itself, as length_ratio is.
    of_levels = {f"{e.name}_ratio" for e in theirs}
    ratios = [e for e in theirs if e.name in of_levels]
    levels: list[Estimate] = []
    names: list[str] = []
    for other in (e for e in theirs if not _is_gain(e.name) and e not in ratios):
        metric = words_of(other.name)
        plain = other.name.removeprefix(f"{comparator}.")
        own = (f"{beside}{plain}", f"quality.{plain}", f"fairness.{plain}")
        ours = next((by_name[name] for name in own if name in by_name), None)
        levels += [ours, other] if ours else [other]
        names += [f"{metric}, candidate"] if ours else []
        names.append(f"{metric}, {_CALLED.get(comparator, comparator)}")
    return [
        *tables_apart(gains), *tables_apart(ratios), *tables_apart(levels, names),
        *tables_apart(of_both),
    ]  # fmt: skip

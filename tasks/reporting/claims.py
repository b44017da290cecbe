"""What comparisons, slices and groups claim, against the numbers that were measured."""

from collections.abc import Iterator

from tasks.records.evaluation import Comparison, Scores
from tasks.records.fairness import Fairness
from tasks.verdicts import Estimate, Verdict


def unsupported_claims(scores: Scores, fairness: Fairness) -> Iterator[str]:
    """Claims that no estimate of the records stands behind."""
    measured = {estimate.name: estimate for estimate in (*scores.measured, *fairness.estimates)}
    for comparison in scores.comparisons:
        yield from _unsupported_comparison(comparison, scores, measured)
    for what, estimate in [*_of_slices(scores), *_of_groups(fairness), *_of_probes(scores)]:
        if not _is_among(estimate, measured):
            yield f"{what} claims {estimate.name} {estimate.value}, which no record holds"
    families = {family.name for family in fairness.counterfactuals}
    for flip in fairness.flips:
        if flip.family not in families:
            yield f"row {flip.row_id} flips in {flip.family!r}, which nothing measured"


def _unsupported_comparison(
    comparison: Comparison, scores: Scores, measured: dict[str, Estimate]
) -> Iterator[str]:
    what = f"the comparison with the {comparison.comparator} in {comparison.metric}"
    if comparison.comparator == "champion" and scores.champion_version is None:
        yield f"{what} has no champion"
    if comparison.comparator == "anchor" and scores.anchor_version is None:
        yield f"{what} has no anchor"
    there = {one.comparator for one in scores.versions}
    for other, called in (
        ("teacher", "teacher"),
        ("uncompressed", "model before compression"),
        ("unmitigated", "model without mitigation"),
    ):
        if comparison.comparator == other and other not in there:
            yield f"{what} has no {called}"
    if not _is_among(comparison.gain, measured):
        yield f"{what} claims a gain of {comparison.gain.value}, which no record holds"
    told = [claim for claim in comparison.claims if claim.verdict is not Verdict.UNDETERMINED]
    if told and comparison.gain.value is None:
        yield f"{what} claims {told[0].kind} without a gain"


def _of_slices(scores: Scores) -> Iterator[tuple[str, Estimate]]:
    """Of a search, the worst slice alone is an estimate of its own."""
    found = [one for one in scores.slices if one.origin == "search"]
    for one in (*(s for s in scores.slices if s.origin != "search"), *found[:1]):
        yield f"slice {one.name}", one.gap


def _of_groups(fairness: Fairness) -> Iterator[tuple[str, Estimate]]:
    for auc in fairness.aucs:
        for estimate in (auc.subgroup_auc, auc.bpsn_auc, auc.bnsp_auc):
            yield f"{auc.attribute} {auc.group}", estimate
    for family in fairness.counterfactuals:
        for estimate in (family.flip_rate, family.score_shift, family.largest_shift):
            yield f"counterfactual {family.name}", estimate


def _of_probes(scores: Scores) -> Iterator[tuple[str, Estimate]]:
    if scores.robustness:
        yield from (("the robustness probes", one) for one in scores.robustness.estimates)
    if scores.language_bias:
        yield from (("the stereotype probes", one) for one in scores.language_bias.estimates)
    if found := scores.out_of_distribution:
        yield from (("the probe with out-of-distribution texts", one) for one in found.estimates)
    if scores.abstention:
        yield from (("abstention", one) for one in scores.abstention.estimates)
    if left_out := scores.leave_one_domain_out:
        yield from (("the probe without a domain", one) for one in left_out.estimates)
    if scores.memory:
        yield from (("the probe for memory", one) for one in scores.memory.estimates)
    if scores.harm:
        yield from (("the probe for harmful output", one) for one in scores.harm.estimates)


def _is_among(estimate: Estimate, measured: dict[str, Estimate]) -> bool:
    # repr, since a number that is not finite is not equal to itself
    return repr(measured.get(estimate.name)) == repr(estimate)

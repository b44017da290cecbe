"""The gates on groups that a line has by default, and which of them its test rows can decide.

Why these, and why these thresholds: docs/decisions/0037-default-policy-and-metric-names.md.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tasks.protected_groups.group_names import EXCLUSIVE
from tasks.records.gate_rows import GateRows
from tasks.registry.settings import FAIRNESS_FAMILIES, PolicySettings
from tasks.verdicts import ALPHA, MAX_FAMILY, Gate, look_share

FLIP_RATE: Final = 0.05
ACCURACY_GAP: Final = 0.10
FALSE_POSITIVE_GAP: Final = 0.10
TRUE_POSITIVE_GAP: Final = 0.20
# Of a task type whose rows have one class, and of the others; the most telling first.
CLASS_GAPS: Final = {
    "accuracy_difference": ACCURACY_GAP,
    "false_positive_rate_difference": FALSE_POSITIVE_GAP,
    "equal_opportunity_difference": TRUE_POSITIVE_GAP,
}
SCORE_GAPS: Final = {"row_score_difference": ACCURACY_GAP}
LEFT_OUT_SHOWN: Final = 6
REMEDY: Final = (
    'to go on without, add `fairness_not_gated: "why"` under `policy:` in the line\'s file, or add '
    "gates on fairness.* or counterfactual.* to policy.gates"
)
CUT: Final = (
    "rows whose words to swap stand behind tokenization.max_length do not count when it is judged"
)


def default_fairness_gates(
    attributes: Sequence[str], swaps: Sequence[str], *, has_one_class: bool
) -> tuple[Gate, ...]:
    """The gates on groups and swapped words of a line that names no gates.

    Of very many attributes the first ones, as Holm's correction is made for 20 gates of a family.

    Args:
        attributes: that are assessed; where `A_exclusive` is among them, it stands for A.
        swaps: families of swapped words that models of the line are asked about.
        has_one_class: whether a row has one class.

    """
    limits = CLASS_GAPS if has_one_class else SCORE_GAPS
    named = [one for one in attributes if f"{one}_exclusive" not in attributes]
    gaps = [
        Gate(metric=f"fairness.{attribute}.{name}", at_most=limit)
        for name, limit in limits.items()
        for attribute in named
    ]
    flips = [
        Gate(metric=f"counterfactual.{family}.flip_rate", at_most=FLIP_RATE) for family in swaps
    ]
    return (*flips[:MAX_FAMILY], *gaps[:MAX_FAMILY])


def split_by_rows(
    policy: PolicySettings, counted: Iterable[GateRows]
) -> tuple[list[Gate], list[str]]:
    """The gates that rows can decide, and of each other one why they cannot.

    A gate is decided by rows of which a model without a single error would pass it: the upper end
    of Clopper and Pearson's interval (1934, doi:10.1093/biomet/26.4.404) for no error in the
    smallest part that it compares, at the confidence of Holm's first step over its family and of
    the first look at the rows.

    Args:
        policy: its `fairness_where_decidable`.
        counted: what the gates rest on, told without an answer.

    """
    by_name = {one.metric: one for one in counted}
    families = [gate.family for gate in (*policy.gates, *policy.fairness_where_decidable)]
    # At the first look at the rows: which gates are asked must not follow from how many there were.
    first = 1 if policy.looks.spending == "none" else look_share(1)
    asked, left_out = [], []
    for gate in (_on_what_is_told_apart(one, by_name) for one in policy.fairness_where_decidable):
        found = by_name.get(gate.metric) or _of_attribute(gate.metric, by_name)
        if reason := _why_undecidable(gate, found, families.count(gate.family) * first):
            left_out.append(f"{gate.metric} ({reason})")
        else:
            asked.append(gate)
    return asked, left_out


def _on_what_is_told_apart(gate: Gate, by_name: Mapping[str, GateRows]) -> Gate:
    """A gate on exclusive cells, on the groups themselves where no row is of two of them."""
    family, attribute, *rest = gate.metric.split(".")
    plain = attribute.removesuffix(EXCLUSIVE)
    counted = {name.split(".")[1] for name in by_name}
    if attribute in counted or plain not in counted:
        return gate
    return gate.model_copy(update={"metric": ".".join((family, plain, *rest))})


def _of_attribute(metric: str, by_name: dict[str, GateRows]) -> GateRows | None:
    """Of a number whose own part was not counted, what the groups of its attribute hold."""
    prefix = metric.rpartition(".")[0]
    names = ("accuracy_difference", "row_score_difference", "flip_rate")
    return next((one for name in names if (one := by_name.get(f"{prefix}.{name}"))), None)


def _why_undecidable(gate: Gate, found: GateRows | None, share: int) -> str:
    if found is None:
        return "nothing of it is measured of this task type"
    if not found.rows:
        return found.part
    need = max(found.least, rows_to_decide(gate, share))
    if found.rows >= found.least and found.units >= rows_to_decide(gate, share):
        return ""
    units = "" if found.units == found.rows else f" in {found.units} clusters"
    return f"{found.part}: {found.rows} rows{units}, {need} are needed"


def rows_to_decide(gate: Gate, share: int) -> int:
    """Rows of which a model without an error would just pass, in a family of `share` gates."""
    room = gate.at_most if gate.at_most is not None else 1 - (gate.at_least or 0.0)
    if room <= 0:
        return int(1e9)  # no number of rows shows that there is nothing at all
    return math.ceil(math.log(ALPHA / share / 2) / math.log1p(-room)) if room < 1 else 1


def why_not_gated(policy: PolicySettings, left_out: Sequence[str]) -> str:
    """Why no gate asks how groups are treated, as far as rows and settings tell."""
    if policy.fairness_not_gated:
        return policy.fairness_not_gated
    if not left_out:
        return "the policy has no gate on fairness.* or counterfactual.*"
    return f"the test rows can decide none of its gates: {_listed(left_out)}"


def gates_fairness(gates: Iterable[Gate]) -> bool:
    """Whether any of these gates asks how groups are treated."""
    return any(gate.family in FAIRNESS_FAMILIES for gate in gates)


def notes_on_fairness(policy: PolicySettings, counted: Iterable[GateRows]) -> tuple[str, ...]:
    """What a run is going to say of fairness, before anything is trained.

    Args:
        policy: the line's.
        counted: what gates on groups will rest on.

    """
    asked, left_out = split_by_rows(policy, counted)
    if gates_fairness((*policy.gates, *asked)):
        said = [gate.metric for gate in (*policy.gates, *asked) if gates_fairness([gate])]
        cut = (CUT,) * any(gate.family == "counterfactual" for gate in asked)
        return (f"fairness is gated by {', '.join(said)}", *cut, *not_asked(left_out))
    why = f"fairness is not gated: {why_not_gated(policy, left_out)}"
    if policy.fairness_not_gated:
        return (why, *not_asked(left_out))
    return (f"{why}. No candidate will be promoted so; {REMEDY}",)


def not_asked(left_out: Sequence[str]) -> tuple[str, ...]:
    """One note on the gates that rows cannot decide."""
    return (f"not asked, as the test rows could not decide: {_listed(left_out)}",) * bool(left_out)


def _listed(left_out: Sequence[str]) -> str:
    more = len(left_out) - LEFT_OUT_SHOWN
    return "; ".join(left_out[:LEFT_OUT_SHOWN]) + (f"; and {more} more" if more > 0 else "")

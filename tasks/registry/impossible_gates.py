"""Gates that no candidate passes with the rows of a line, and the rows that it takes."""

from typing import Final

from tasks.power import least_rows_of_share
from tasks.records.power import GroupSize, HeldOut
from tasks.resampling_units import MIN_CLUSTERS
from tasks.task_types.measures import LEAST_UNBOUNDED_ROWS
from tasks.verdicts import Gate

# Means that no row's bound holds; see task_types.measures.
UNBOUNDED: Final = frozenset({"perplexity", "bits_per_byte", "log_loss", "length_ratio"})
# Groups or cells that a message names.
_NAMED: Final = 3
# Shares of rows with exact intervals, all 1, or all 0, where every answer is right.
_SHARES: Final = frozenset({"accuracy", "exact_match", "flip_rate"})
# Rates that are of the rows of one label, and of the rows without it.
_WITH_LABEL: Final = ("equal_opportunity", "equalized_odds", "f1")
_WITHOUT_LABEL: Final = ("false_positive_rate", "equalized_odds")
_DRAWN: Final = frozenset(
    {
        "quality",
        "baseline",
        "champion",
        "anchor",
        "teacher",
        "uncompressed",
        "unmitigated",
        "slice",
        "augmentation",
        "leave_one_domain_out",
    }
)


def why_never(gate: Gate, held_out: HeldOut, share: float, min_group_rows: int) -> str:
    """Why no candidate passes the gate with these rows, and which rows it takes; else empty.

    Args:
        gate: of the policy.
        held_out: the test rows.
        share: that alpha is divided by for the gate.
        min_group_rows: rows below which a group is not judged.

    """
    if held_out.rows == 0:
        return "there are no test rows; give the split a share in splits, or add rows"
    leaf = gate.metric.rpartition(".")[2].removesuffix("_gain")
    clusters = held_out.clusters
    if gate.family in _DRAWN and clusters is not None and clusters < MIN_CLUSTERS:
        return (
            f"the test rows lie in {clusters} clusters, and fewer than {MIN_CLUSTERS} tell nothing"
        )
    if gate.family in _DRAWN and leaf in UNBOUNDED and held_out.rows < LEAST_UNBOUNDED_ROWS:
        return f"{held_out.rows:,} test rows, and {leaf} takes {LEAST_UNBOUNDED_ROWS} or more"
    if gate.family == "fairness" and (small := _too_small(gate, held_out, min_group_rows)):
        return small
    return _too_few_even_if_right(gate, held_out, share, leaf)


def _too_few_even_if_right(gate: Gate, held_out: HeldOut, share: float, leaf: str) -> str:
    """Of exact shares: whether the interval of rows that are all right still holds the threshold.

    A flip rate rests on those of the test rows that have a word to swap, or on fewer.
    """
    if leaf not in _SHARES or gate.family not in {"quality", "counterfactual"}:
        return ""
    least = least_rows_of_share(gate, share)
    if least is None:
        return "no number of rows proves a share of all rows"
    if held_out.rows >= least:
        return ""
    return f"there are {held_out.rows:,} test rows, and even if all are right it takes {least:,}"


def _too_small(gate: Gate, held_out: HeldOut, least: int) -> str:
    """Which group, or which rows of it with or without a label, are fewer than are judged."""
    attribute = gate.metric.split(".")[1]
    groups = _groups_of(gate, held_out)
    if not groups or gate.metric.count(".") > 2:  # noqa: PLR2004 - FAMILY.ATTRIBUTE.METRIC
        return ""
    small = {one.group: one.rows for one in groups if one.rows < least}
    clustered = {
        one.group: one.clusters
        for one in groups
        if one.clusters is not None and one.clusters < MIN_CLUSTERS
    }
    if small:
        return f"of {attribute} {_listed(small)} rows, and fewer than {least} are not judged"
    if clustered:
        listed = _listed(clustered)
        return f"of {attribute} {listed} clusters, and fewer than {MIN_CLUSTERS} tell nothing"
    metric = gate.metric.split(".")[2]
    cells: dict[str, int] = {}
    for one in groups:
        for label, count in one.rows_by_label.items():
            if metric.startswith(_WITH_LABEL):
                cells[f"{one.group} with {label}"] = count
            if metric.startswith(_WITHOUT_LABEL):
                cells[f"{one.group} without {label}"] = one.rows - count
    few = {name: count for name, count in cells.items() if count < least}
    return (
        f"of {attribute} {_listed(few)} rows, and fewer than {least} are not judged" if few else ""
    )


def _groups_of(gate: Gate, held_out: HeldOut) -> list[GroupSize]:
    """The groups that a gate compares; of exclusive cells the rows of that group alone."""
    parts = gate.metric.split(".")
    alone = parts[1].endswith("_exclusive")
    found = [one for one in held_out.groups if one.attribute == parts[1].removesuffix("_exclusive")]
    if not alone:
        return found
    return [
        GroupSize(one.attribute, one.group, one.exclusive, one.exclusive, one.clusters, {})
        for one in found
    ]


def _listed(sizes: dict[str, int]) -> str:
    """The smallest first, and how many there are beyond those that are named."""
    ordered = sorted(sizes.items(), key=lambda item: (item[1], item[0]))
    named = [f"{name} has {count:,}" for name, count in ordered[:_NAMED]]
    more = len(ordered) - _NAMED
    return ", ".join([*named, *([f"and {more} more have few"] if more > 0 else [])])

"""How the scores of a label rank the rows of each group, as the page shows it."""

from dataclasses import dataclass

from tasks.records.fairness import Fairness
from tasks.reporting.charts import Tick, plain_bar, scale_of
from tasks.reporting.estimates import EstimateRow, estimate_row
from tasks.reporting.number_format import count, is_drawable


@dataclass(frozen=True)
class AucRow:
    """One group and label.

    Attributes:
        aucs: subgroup, BPSN and BNSP AUC, drawn on the table's axis.
        gaps: average equality gap of the positives and of the negatives.

    """

    attribute: str
    group: str
    label: str
    rows: str
    aucs: tuple[EstimateRow, ...]
    gaps: tuple[EstimateRow, ...]


@dataclass(frozen=True)
class AucTable:
    """All groups on one axis of AUCs."""

    rows: tuple[AucRow, ...]
    ticks: tuple[Tick, ...]


def auc_table(fairness: Fairness) -> AucTable:
    """Every group for each label that the settings name; no row where they name none."""
    drawn = [
        estimate
        for one in fairness.aucs
        for estimate in (one.subgroup_auc, one.bpsn_auc, one.bnsp_auc)
        if is_drawable(estimate)
    ]
    scale = scale_of(drawn)
    rows = tuple(
        AucRow(
            attribute=one.attribute,
            group=one.group,
            label=one.label,
            rows=f"{count(one.positives)} of {count(one.positives + one.negatives)}",
            aucs=tuple(
                estimate_row(estimate, plain_bar(estimate, scale))
                for estimate in (one.subgroup_auc, one.bpsn_auc, one.bnsp_auc)
            ),
            gaps=tuple(map(estimate_row, (one.positive_aeg, one.negative_aeg))),
        )
        for one in fairness.aucs
    )
    return AucTable(rows, scale.ticks)

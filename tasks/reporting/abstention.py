"""Which rows a classifier answers, and its risk there, as page, card and Prefect run show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.abstention import Abstention
from tasks.records.abstention_scores import AbstentionPart, AbstentionScores, RiskPoint
from tasks.reporting.charts import Plane, risk_coverage_plane
from tasks.reporting.estimates import EstimateTable, estimate_row, estimate_table, tables_apart
from tasks.reporting.number_format import count, number, share
from tasks.reporting.summaries import estimates_markdown, plain

SAYS: Final = (
    "Coverage is the share of rows that are answered; the selective risk is the share of wrong "
    "answers among those given, and the error rate that of rows which are answered and wrong. The "
    "guarantee is an average over all rows to come that are like the validation rows: it is none "
    "for a group or a label, whose own numbers stand below, and none for out-of-distribution texts."
)
ASSUMES: Final = (
    "It asks that validation rows and rows to come are exchangeable. The epoch that was kept, any "
    "temperature and any settings of a sweep were chosen by the same validation rows, which the "
    "guarantee does not count; the test rows had no part in any of it, and judge what is left."
)
OF_CLUSTERS: Final = (
    "Rows are in clusters, of which one row each was taken: the guarantee is of a row drawn from "
    "each cluster, and not of all rows, of which a large cluster has more."
)
SETS: Final = (
    "The conformal set of a row is all labels from a probability on, which was fitted to hold the "
    "right one in the asked share of rows; it is measured here, and not served."
)
_OF_PARTS: Final = (
    ("coverage", "Rows that are answered"),
    ("coverage_gap", "Rows that are answered, against all other rows"),
    ("selective_risk", "Wrong among the answers"),
    ("set_coverage", "Sets that hold the right label"),
    ("set_coverage_gap", "Sets that hold the right label, against all other rows"),
    ("set_size", "Labels in a set"),
)


@dataclass(frozen=True)
class AbstentionSection:
    """All that is told of a threshold.

    Attributes:
        sentence: what it was fitted to, on which rows.
        overall: over all test rows.
        curve: risk over coverage, with a mark where the threshold stands.
        curve_described: the same in words.
        parts: by label and group, a table a measure, with its caption.

    """

    sentence: str
    overall: list[EstimateTable]
    curve: Plane
    curve_described: str
    parts: tuple[tuple[str, EstimateTable], ...]
    says: str = SAYS
    assumes: str = ASSUMES
    sets: str = SETS


def abstention_section(found: AbstentionScores | None) -> AbstentionSection | None:
    """The section; None of a line whose model answers every row."""
    if found is None:
        return None
    coverage = found.overall[0].value or 0.0
    return AbstentionSection(
        sentence=fitted_sentence(found.fitted),
        overall=tables_apart(found.overall),
        curve=risk_coverage_plane([(one.coverage, one.risk) for one in found.curve], coverage),
        curve_described=_described(found.curve, coverage),
        parts=tuple(
            (caption, estimate_table([getattr(p, name) for p in found.parts], _names(found.parts)))
            for name, caption in _OF_PARTS
        )
        if found.parts
        else (),
    )


def fitted_sentence(fitted: Abstention) -> str:
    """What the threshold is, and what it keeps to."""
    if fitted.risk_of == "rows":
        kept = f"in expectation at most {share(fitted.risk, 1)} of all rows are answered wrongly"
    else:
        kept = (
            f"with confidence {share(fitted.confidence, 1)} at most {share(fitted.risk, 1)} of the "
            "answers given are wrong"
        )
    where = (
        f"The model answers abstain where its score is below {fitted.threshold:.4f}"
        if fitted.threshold > 0
        else "The model answers every row, since that keeps to the risk"
    )
    said = (
        f"{where}: fitted on {count(fitted.rows)} validation rows so that {kept}. Of these it "
        f"answers {count(fitted.answered)}, {count(fitted.wrong)} of them wrongly. Sets are fitted "
        f"to hold the right label in {share(fitted.set_coverage, 1)} of rows."
    )
    return f"{said} {OF_CLUSTERS}" if fitted.of_clusters else said


def abstention_lines(found: AbstentionScores) -> list[str]:
    """The section for the card, a line each."""
    lines = [fitted_sentence(found.fitted)]
    for estimate in found.overall:
        row = estimate_row(estimate)
        told = f"undetermined, {row.reason}" if row.reason else f"{row.number} {row.interval}"
        lines.append(f"{row.name}: {told}, n = {row.n}.")
    for part in found.parts:
        row = estimate_row(part.coverage_gap)
        if not row.reason:
            lines.append(
                f"{part.name} ({part.attribute}), {count(part.rows)} rows: coverage against all "
                f"other rows {row.number} {row.interval}."
            )
    return [*lines, f"{SAYS} {ASSUMES}"]


def abstention_markdown(found: AbstentionScores) -> str:
    """The section for the page of a run."""
    told = [
        *found.overall,
        *(one for part in found.parts for one in part.estimates if one.value is not None),
    ]
    return "\n\n".join(
        [plain(fitted_sentence(found.fitted)), estimates_markdown(told), plain(f"{SAYS} {SETS}")]
    )


def _names(parts: Sequence[AbstentionPart]) -> list[str]:
    return [f"{part.name} ({part.attribute.replace('_', ' ')})" for part in parts]


def _described(curve: Sequence[RiskPoint], coverage: float) -> str:
    if not curve:
        return "No row was answered."
    last = curve[-1]
    return (
        f"Wrong answers among the surest rows, from {share(curve[0].coverage, 1)} of them (risk "
        f"{number(curve[0].risk)}) to {share(last.coverage, 1)} (risk {number(last.risk)}); the "
        f"threshold answers {share(coverage, 1)}."
    )

"""The data of a line as a report shows it: what came in, was left behind, and is different."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tasks.records.data import (
    DataReport,
    Drift,
    DriftCheck,
    Leakage,
    Representation,
    Snapshot,
    TermAssociation,
)
from tasks.records.label_checks import LabelChecks
from tasks.records.split_shift import NO_SHIFTS, SplitShift, SplitShifts
from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.funnel import FunnelStep, data_funnel
from tasks.reporting.gates import SYMBOLS, Headline
from tasks.reporting.histograms import HistogramPlot, histogram_plot
from tasks.reporting.label_checks import LabelSection, label_section
from tasks.reporting.number_format import (
    count,
    interval,
    is_drawable,
    number,
    p_value,
    share,
    words_of,
)
from tasks.reporting.source_changes import (
    SOURCE_HEADS,
    ChangeRow,
    SourceRow,
    change_rows,
    source_rows,
)
from tasks.verdicts import Verdict

_READING: Final = {
    Verdict.PASS: "no drift",
    Verdict.FAIL: "drift",
    Verdict.UNDETERMINED: "undetermined",
}
_SHIFT_READING: Final = {
    Verdict.PASS: "like the training rows",
    Verdict.FAIL: "unlike the training rows",
    Verdict.UNDETERMINED: "undetermined",
}
# Measures of a group's presence, in the order in which they are read.
MEASURES: Final = {
    "class_imbalance": "class imbalance",
    "difference_in_proportions": "DPL",
    "kl_divergence": "KL",
    "js_divergence": "JS",
    "lp_norm": "L2",
    "total_variation": "TVD",
    "kolmogorov_smirnov": "KS",
    "conditional_demographic_disparity": "CDDL",
}


@dataclass(frozen=True)
class DataEvidence:
    """The records that the data section is written from.

    Attributes:
        representation: None where the contract is broken, since there are no clean rows then.
        drift: None there too, and where there is no champion.
        labels: None there too.
        shifts: held-out splits against the training rows; empty where the contract is broken.

    """

    line: str
    snapshot: Snapshot
    data: DataReport
    representation: Representation | None
    drift: Drift | None
    labels: LabelChecks | None = None
    shifts: SplitShifts = NO_SHIFTS


@dataclass(frozen=True)
class SimilarityRow:
    """A likeness between rows and how many rows have it."""

    name: str
    rows: str
    share: str


@dataclass(frozen=True)
class DriftRow:
    """One drift check in words."""

    name: str
    effect: str
    value: str
    interval: str
    limit: str
    p: str
    rows: str
    verdict: str
    symbol: str
    reading: str


@dataclass(frozen=True)
class GroupPresence:
    """One group and label with its measures, as text."""

    attribute: str
    group: str
    label: str
    rows: str
    measures: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class TermRow:
    """A term and the label that it stands with."""

    attribute: str
    term: str
    label: str
    rows: str
    value: str
    interval: str
    bar: Bar | None


@dataclass(frozen=True)
class TermTable:
    """All terms on one axis of bits, which holds 0."""

    rows: tuple[TermRow, ...]
    ticks: tuple[Tick, ...]
    zero: float


@dataclass(frozen=True)
class DataSection:
    """All that the data templates show beside the records."""

    funnel: list[FunnelStep]
    changes: list[ChangeRow]
    sources: list[SourceRow]
    source_heads: tuple[str, ...]
    lengths: list[tuple[str, HistogramPlot]]
    likeness: list[SimilarityRow]
    drift: list[DriftRow]
    shifts: list[DriftRow]
    drift_lengths: HistogramPlot | None
    label_shares: list[tuple[str, str, str, float, float]]
    measures: tuple[str, ...]
    presence: list[GroupPresence]
    terms: TermTable
    labels: LabelSection | None


def data_headline(evidence: DataEvidence) -> Headline:
    """What the check of the data comes to; drift is told, and breaks no contract."""
    data, drift = evidence.data, evidence.drift
    clean = sum(data.rows_by_split.values())
    rows = f"{count(clean)} of {count(evidence.snapshot.rows_read)} rows"
    if data.verdict is not Verdict.PASS:
        breaches = len(data.breaches)
        title = "Breaks its contract"
        sentence = (
            f"The data of {evidence.line} breaks its contract in {count(breaches)} "
            f"{'way' if breaches == 1 else 'ways'}, so nothing is trained on it; {rows} are well "
            "one by one."
        )
    else:
        title = "Keeps its contract"
        reading = (
            f"Against the data of version {drift.reference.version}: {_READING[drift.verdict]}."
            if drift
            else "There is no champion whose data it could have drifted from."
        )
        unlike = [one.split for one in evidence.shifts.held_out if one.verdict is Verdict.FAIL]
        told = f" Unlike the training rows: {' and '.join(unlike)}." if unlike else ""
        sentence = f"{rows} of {evidence.line} are clean. {reading}{told}"
    return Headline(data.verdict.value, SYMBOLS[data.verdict], title, sentence)


def build_data_section(evidence: DataEvidence) -> DataSection:
    """Put the data records into words and marks."""
    data, drift = evidence.data, evidence.drift
    plots = [(unit, histogram_plot({"rows": one})) for unit, one in data.lengths.items()]
    return DataSection(
        funnel=data_funnel(evidence.snapshot, data),
        changes=change_rows(evidence.snapshot.changes),
        sources=source_rows(evidence.snapshot.by_source),
        source_heads=SOURCE_HEADS,
        lengths=[(unit, plot) for unit, plot in plots if plot],
        likeness=list(_likeness(data.leakage, sum(evidence.snapshot.rows_by_split.values()))),
        drift=[drift_row(check) for check in drift.checks] if drift else [],
        shifts=shift_rows(evidence.shifts.held_out),
        drift_lengths=histogram_plot(dict(zip(("before", "now"), drift.lengths, strict=True)))
        if drift
        else None,
        label_shares=_label_shares(drift),
        measures=tuple(MEASURES.values()),
        presence=_presence(evidence.representation),
        terms=_terms(evidence.representation.terms if evidence.representation else ()),
        labels=label_section(evidence.labels) if evidence.labels else None,
    )


def _likeness(leakage: Leakage, rows: int) -> Iterator[SimilarityRow]:
    found = {
        "equal but for case, punctuation and Unicode form, across splits": (
            leakage.normalised_across
        ),
        "the same within a split": leakage.normalised_within,
        f"near-duplicates (Jaccard {leakage.jaccard_threshold:g} or more) across splits": (
            leakage.near_across
        ),
        "near-duplicates within a split": leakage.near_within,
        "alike, with different answers": leakage.conflicting,
        **{
            f"share {leakage.ngram_words} words in a row with benchmark {name}": overlapping
            for name, overlapping in leakage.overlaps.items()
        },
        **{
            f"of train or validation, like a row of {name}": alike
            for name, alike in leakage.golden.items()
        },
    }
    for name, number_of_rows in found.items():
        yield SimilarityRow(name, count(number_of_rows), share(number_of_rows, rows))


def shift_rows(shifts: Iterable[SplitShift]) -> list[DriftRow]:
    """The checks of all held-out splits in words."""
    return [drift_row(check, _SHIFT_READING) for one in shifts for check in one.checks]


def drift_row(check: DriftCheck, readings: Mapping[Verdict, str] = _READING) -> DriftRow:
    """A drift check in words."""
    reading = readings[check.verdict]
    return DriftRow(
        name=words_of(check.name),
        effect=check.effect,
        value=number(check.effect_size),
        interval="" if check.low is None else f"[{number(check.low)}, {number(check.high)}]",
        limit=number(check.limit),
        p=p_value(check.p_adjusted),
        rows=f"{count(check.rows_before)} → {count(check.rows_now)}",
        verdict=check.verdict.value,
        symbol=SYMBOLS[check.verdict],
        reading=f"{reading}: {check.reason}" if check.reason else reading,
    )


def _label_shares(drift: Drift | None) -> list[tuple[str, str, str, float, float]]:
    """Label, both shares as text, and both in per cent of the largest."""
    if drift is None or not drift.label_shares:
        return []
    largest = max(max(pair) for pair in drift.label_shares.values()) or 1.0
    return [
        (
            label, share(before, 1), share(now, 1),
            round(100 * before / largest, 2), round(100 * now / largest, 2),
        )
        for label, (before, now) in drift.label_shares.items()
    ]  # fmt: skip


def _presence(representation: Representation | None) -> list[GroupPresence]:
    return [
        GroupPresence(
            attribute=one.attribute,
            group=one.group,
            label=one.label,
            rows=f"{count(one.with_label)} of {count(one.rows)}",
            measures=tuple(number(one.measures.get(name)) for name in MEASURES),
            reason=one.reason,
        )
        for one in (representation.groups if representation else ())
    ]


def _terms(terms: tuple[TermAssociation, ...]) -> TermTable:
    drawable = [one.association for one in terms if is_drawable(one.association)]
    scale = scale_of(drawable, include=(0.0,))
    rows = tuple(
        TermRow(
            attribute=one.attribute,
            term=one.term,
            label=one.label,
            rows=f"{count(one.with_label)} of {count(one.rows)}",
            value=number(one.association.value),
            interval=interval(one.association.low, one.association.high),
            bar=plain_bar(one.association, scale),
        )
        for one in terms
    )
    return TermTable(rows, scale.ticks, scale.at(0.0))

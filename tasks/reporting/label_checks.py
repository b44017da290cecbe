"""What is known of the labels, as a report shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.records.label_checks import LabelChecks, LabelPredictor
from tasks.reporting.number_format import count, interval, number, share
from tasks.verdicts import Estimate

# Predictors that are shown where nothing is warned of.
PREDICTORS_SHOWN: Final = 10
_MARKS: Final = {"": "", "warning": "undetermined", "breach": "fail"}


@dataclass(frozen=True)
class PredictorRow:
    """A feature and the label that it tells, as text."""

    feature: str
    label: str
    precision: str
    recall: str
    correlation: str
    interval: str
    bits: str
    accuracy: str
    finding: str
    mark: str


@dataclass(frozen=True)
class SuspectRow:
    """A row whose label may be wrong, as text."""

    row_id: str
    split: str
    given: str
    suggested: str
    probability: str
    found_by: str
    excerpt: str


@dataclass(frozen=True)
class LabelSection:
    """All that the template shows of the labels.

    Attributes:
        sampled: how many rows were looked at, where not all were.
        why_none: why nothing was looked for, of predictors and of errors.
        shares: label, suspects, and the estimated share of wrong labels with its interval.

    """

    sampled: str
    predictors: list[PredictorRow]
    majority: str
    family: int
    why_none: tuple[str, str]
    suspects: list[SuspectRow]
    found: str
    uri: str
    shares: list[tuple[str, str, str]]


def label_section(checks: LabelChecks) -> LabelSection:
    """Put the record into words."""
    spurious, errors = checks.spurious, checks.errors
    shown = [
        one
        for place, one in enumerate(spurious.predictors)
        if one.finding or place < PREDICTORS_SHOWN
    ]
    rows = f"{count(checks.rows)} of {count(checks.rows_in_all)} rows"
    return LabelSection(
        sampled=rows if checks.rows < checks.rows_in_all else "",
        predictors=[_predictor(one, len(spurious.predictors)) for one in shown],
        majority=number(spurious.majority) if spurious.majority is not None else "",
        family=len(spurious.predictors),
        why_none=(spurious.reason, errors.reason),
        suspects=[
            SuspectRow(
                one.row_id[:16], one.split, one.given, one.suggested, number(one.probability),
                one.found_by, one.excerpt,
            )
            for one in errors.worst
        ],
        found=f"{count(errors.found)} of {count(errors.rows)} rows",
        uri=errors.suspects.uri if errors.suspects else "",
        shares=list(_shares(checks)),
    )  # fmt: skip


def label_sentences(checks: LabelChecks) -> Iterator[str]:
    """What a person should look at, a sentence each; nothing where all is well."""
    for one in checks.spurious.warned:
        yield f"{one.sentence}: look at these rows, or allow it in label_checks.spurious.allowed"
    errors = checks.errors
    if errors.found:
        whole = errors.estimates[0]
        yield (
            f"{count(errors.found)} of {count(errors.rows)} labels look wrong "
            f"(estimated share {number(whole.value)}{_ends(whole)}): correct them in the file of "
            "suspects, and take it back in with assayline readmit"
        )


def _predictor(one: LabelPredictor, family: int) -> PredictorRow:
    ladder = one.correlation.ladder
    low, high = ladder[family - 1] if ladder else (None, None)
    return PredictorRow(
        feature=f"without {one.feature}" if one.absent else one.feature,
        label=one.label,
        precision=f"{share(one.with_label, one.rows)} of {count(one.rows)}",
        recall=f"{share(one.with_label, one.label_rows)} of {count(one.label_rows)}",
        correlation=number(one.correlation.value),
        interval=interval(low, high),
        bits=number(one.information.value),
        accuracy=number(one.accuracy),
        finding=one.finding,
        mark=_MARKS[one.finding],
    )


def _ends(estimate: Estimate) -> str:
    found = interval(estimate.low, estimate.high)
    return f" {found}" if found else ""


def _shares(checks: LabelChecks) -> Iterator[tuple[str, str, str]]:
    errors = checks.errors
    for estimate in errors.estimates:
        label = estimate.name.removeprefix("labels.error_share").removeprefix(".")
        found = errors.by_label.get(label, 0) if label else errors.found
        told = f"{number(estimate.value)}{_ends(estimate)}" if estimate.ladder else estimate.reason
        yield label or "all labels", count(found), told

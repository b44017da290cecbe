"""Whether a classifier tells out-of-distribution texts, as page, card and Prefect run show it."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from tasks.records.out_of_distribution import OutOfDistribution
from tasks.reporting.estimates import EstimateTable, estimate_row, estimate_table
from tasks.reporting.number_format import count, number
from tasks.reporting.summaries import estimates_markdown, plain

SAYS: Final = (
    "AUROC is the chance that an out-of-distribution text has a higher score than a test row: 0.5 "
    "is none. A text is flagged beyond the threshold that 95% of the validation rows lie below; "
    "the false positive rate is the share of test rows beyond that threshold."
)
NOT_SHOWN: Final = (
    "It is told of this file alone: of texts of another distribution nothing is known, and a "
    "file that differs by length or language is told by these alone. Nothing of it is served: "
    "what a model withholds, abstention says."
)
_TABLES: Final = (
    ("auroc", "AUROC"),
    ("flagged", "Flagged out-of-distribution texts"),
    ("false_positive_rate", "False positive rate at 95% of the validation rows"),
)


@dataclass(frozen=True)
class OutOfDistributionSection:
    """All that is told of out-of-distribution texts.

    Attributes:
        sentence: which rows, and from which they are told.
        tables: a table a measure, with its caption; a row a score.
        does: each score in words.
        answered: share of them that a model with a threshold answers; empty without one.
        surest: label, score and text of those of which the model is surest.

    """

    sentence: str
    tables: tuple[tuple[str, EstimateTable], ...]
    does: tuple[tuple[str, str], ...]
    answered: str
    surest: tuple[tuple[str, str, str], ...]
    says: str = SAYS
    not_shown: str = NOT_SHOWN


def out_of_distribution_section(found: OutOfDistribution | None) -> OutOfDistributionSection | None:
    """The section; None of a line that does not probe it."""
    if found is None:
        return None
    names = [_title(one.name) for one in found.scores]
    return OutOfDistributionSection(
        sentence=_sentence(found),
        tables=tuple(
            (caption, estimate_table([getattr(one, name) for one in found.scores], names))
            for name, caption in _TABLES
        ),
        does=tuple((_title(one.name), one.does) for one in found.scores),
        answered=_answered(found),
        surest=tuple((one.label, number(one.score), one.text) for one in found.surest),
    )


def out_of_distribution_lines(found: OutOfDistribution) -> list[str]:
    """The section for the card, a line each."""
    lines = [_sentence(found)]
    for one in found.scores:
        row = estimate_row(one.auroc)
        told = f"undetermined, {row.reason}" if row.reason else f"{row.number} {row.interval}"
        lines.append(f"{_title(one.name)} ({one.does}): AUROC {told}.")
    lines += [told] if (told := _answered(found)) else []
    return [*lines, f"{SAYS} {NOT_SHOWN}"]


def out_of_distribution_markdown(found: OutOfDistribution) -> str:
    """The section for the page of a run."""
    return "\n\n".join(
        [plain(_sentence(found)), estimates_markdown(found.estimates), plain(f"{SAYS} {NOT_SHOWN}")]
    )


def _sentence(found: OutOfDistribution) -> str:
    distances = (
        f" Distances are from the embeddings of {count(found.training_rows)} training rows."
        if found.training_rows
        else ""
    )
    note = f" {found.note}" if found.note else ""
    named = f"{PurePosixPath(found.path).name}, SHA-256 {found.sha256[:12]}"
    return (
        f"{count(found.rows)} out-of-distribution texts ({named}) were told from "
        f"{count(found.test_rows)} test rows.{distances}{note}"
    )


def _answered(found: OutOfDistribution) -> str:
    if found.answered is None:
        return ""
    told = estimate_row(found.answered).told
    return f"Share of the out-of-distribution texts that the model answers, not withholds: {told}."


def _title(name: str) -> str:
    return {"msp": "MSP", "knn": "kNN"}.get(name, name.capitalize())

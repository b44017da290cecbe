"""Why a candidate answers as it does, as page, card and Prefect run show it."""

from dataclasses import dataclass
from typing import Final

from tasks.records.explanation import ExplainedMethod, Explanation, LabelWords
from tasks.reporting.estimates import EstimateTable, tables_apart
from tasks.reporting.number_format import count, interval, number
from tasks.reporting.summaries import markdown_table, plain

HEADS: Final = (
    "method", "comprehensiveness", "gain over chance", "sufficiency", "gain over chance",
    "rank correlation with random weights", "agreement with rationales", "reading",
)  # fmt: skip
_MEASURES: Final = (
    "comprehensiveness", "comprehensiveness_gain", "sufficiency", "sufficiency_gain",
    "randomisation_correlation", "rationale_auc",
)  # fmt: skip
SAYS: Final = (
    "A method is to be believed as far as its words matter more to the model than words by chance: "
    "comprehensiveness is how far the probability of the model's answer falls without the "
    "strongest words (higher is better), sufficiency how far it falls with these alone (lower is "
    "better). None of it says that an answer is right, or why people would give it; agreement with "
    "rationales is of likeness to people, not of faithfulness to the model."
)
IDENTITY_SAYS: Final = (
    "Of rows that name such a group: the share of the answer's attributions that lies on identity "
    "words, less their share of the words. Above 0 they count for more than other words. That is "
    "no harm by itself: it says where to look."
)
_WORDS_SHOWN: Final = 8


@dataclass(frozen=True)
class MethodRow:
    """One method in words.

    Attributes:
        cells: numbers with intervals, for a table with `HEADS`, method and reading left out.

    """

    method: str
    cells: tuple[str, ...]
    reading: str


@dataclass(frozen=True)
class WordsRow:
    """The words that push one label."""

    label: str
    group: str
    rows: str
    words: str


@dataclass(frozen=True)
class ExplanationSection:
    """All that is told of the explained rows.

    Attributes:
        sentence: what was explained, and by what the words are told.
        overall: of all rows.
        by_group: of rows of one group alone.

    """

    sentence: str
    says: str
    methods: tuple[MethodRow, ...]
    heads: tuple[str, ...]
    overall: tuple[WordsRow, ...]
    by_group: tuple[WordsRow, ...]
    identity: list[EstimateTable]
    identity_says: str
    tables: list[EstimateTable]


def explanation_section(explanation: Explanation | None) -> ExplanationSection | None:
    """The section; None of a line that explains nothing."""
    if explanation is None:
        return None
    words = [_words_row(one) for one in explanation.words]
    named = [one for one in explanation.identity if one.value is not None]
    numbers = [one for method in explanation.methods for one in method.estimates]
    return ExplanationSection(
        sentence=sentence_of(explanation),
        says=SAYS,
        methods=tuple(_method_row(one) for one in explanation.methods),
        heads=HEADS,
        overall=tuple(row for row in words if not row.group),
        by_group=tuple(row for row in words if row.group),
        identity=tables_apart(named, [one.name.rpartition(".")[2] for one in named]),
        identity_says=IDENTITY_SAYS,
        tables=tables_apart(numbers, [_head(one.name) for one in numbers]),
    )


def sentence_of(explanation: Explanation) -> str:
    """What was explained, and by what the words are told."""
    by = explanation.words_by.replace("_", " ")
    rows = count(explanation.rows)
    parts = [
        f"{rows} test rows were explained, each for the model's own answer.",
        f"Words by label are those of {by}, in {explanation.unit}.",
    ]
    if explanation.rationales is not None:
        parts.append(f"{count(explanation.rationales)} of the rows have people's rationales.")
    if explanation.inexact:
        parts.append(
            f"The integrated gradients of {count(explanation.inexact)} rows miss their sum by more "
            "than 1%."
        )
    return " ".join(parts)


def explanation_markdown(explanation: Explanation) -> str:
    """The section for the page of a run."""
    section = explanation_section(explanation)
    assert section is not None  # noqa: S101 - there is one
    rows = [(row.method, *row.cells, row.reading) for row in section.methods]
    words = [(row.label, row.group or "all rows", row.rows, row.words) for row in
             (*section.overall, *section.by_group)]  # fmt: skip
    return "\n\n".join(
        [
            plain(section.sentence),
            plain(section.says),
            markdown_table(HEADS, rows),
            markdown_table(("answer", "of", "rows", "words that push it"), words),
        ]
    )


def _method_row(one: ExplainedMethod) -> MethodRow:
    found = {estimate.name.rpartition(".")[2]: estimate for estimate in one.estimates}
    cells = []
    for measure in _MEASURES:
        estimate = found.get(measure)
        if estimate is None:
            cells.append("")
        elif estimate.value is None:
            cells.append(f"undetermined: {estimate.reason}")
        else:
            cells.append(f"{number(estimate.value)} {interval(estimate.low, estimate.high)}")
    return MethodRow(one.method, tuple(cells), one.reading)


def _words_row(one: LabelWords) -> WordsRow:
    shown = [f"{word.word} {word.mean:+.2f} ({count(word.rows)})" for word in one.words]
    return WordsRow(one.label, one.group, count(one.rows), ", ".join(shown[:_WORDS_SHOWN]))


def _head(name: str) -> str:
    _, method, measure = name.split(".")
    return f"{measure.replace('_', ' ')}, {method.replace('_', ' ')}"

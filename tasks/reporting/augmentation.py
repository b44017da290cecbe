"""New training rows, and what they have bought, as page, card and Prefect run show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.augmentation import Augmentation, ChangedText, MethodRows
from tasks.reporting.estimates import EstimateTable, tables_apart
from tasks.reporting.number_format import count, share, words_of
from tasks.reporting.summaries import markdown_table, plain
from tasks.verdicts import Estimate

METHOD_HEADS: Final = ("method", "asked", "made", "left out")
_FAMILY: Final = "augmentation"
_WITHOUT: Final = "without"
_KINDS: Final = {
    "clean": "test rows as they are",
    "noisy": "test rows with wrong keys and misspelt words",
    "group": "test rows that name a group",
    "swapped": "these about somebody else",
}
NOT_COMPARED: Final = (
    "No model was trained without the new rows (augmentation.compare is off), so that nothing says "
    "what they have bought."
)
SAME_EPOCHS: Final = (
    "The model without them was trained by the same recipe, with as many epochs: over fewer rows, "
    "and so in fewer steps."
)


@dataclass(frozen=True)
class MethodRow:
    """One method in words."""

    method: str
    asked: str
    made: str
    left_out: str
    examples: tuple[ChangedText, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """For a table with `METHOD_HEADS`."""
        return self.method, self.asked, self.made, self.left_out


@dataclass(frozen=True)
class AugmentationSection:
    """All that is told of a line's new rows.

    Attributes:
        sentence: how many there are, and of how many they were made.
        bought: what they have bought; without tables where nothing was compared.
        note: what is to be known of these.

    """

    sentence: str
    methods: tuple[MethodRow, ...]
    bought: list[EstimateTable]
    note: str


def augmentation_section(
    augmentation: Augmentation | None, estimates: Sequence[Estimate]
) -> AugmentationSection | None:
    """The section; None of a line that makes no new rows.

    Args:
        augmentation: the new rows.
        estimates: of the candidate, augmentation.* among others.

    """
    if augmentation is None:
        return None
    own = [one for one in estimates if one.name.startswith(f"{_FAMILY}.")]
    return AugmentationSection(
        sentence=sentence_of(augmentation),
        methods=tuple(map(_row, augmentation.methods)),
        bought=tables_apart(own, [_head(one.name) for one in own]),
        note=SAME_EPOCHS if own else NOT_COMPARED,
    )


def sentence_of(augmentation: Augmentation) -> str:
    """How many rows were learned from beside those of the source."""
    return (
        f"{count(augmentation.rows)} new rows were made of {count(augmentation.parents)} of the "
        f"{count(augmentation.training_rows)} training rows "
        f"({share(augmentation.rows, augmentation.training_rows)}), and are learned from beside "
        "them. All other counts of rows are of rows of the source."
        + (
            f" Texts were translated there and back by {augmentation.translators}."
            if augmentation.translators
            else ""
        )
    )


def augmentation_markdown(augmentation: Augmentation, estimates: Sequence[Estimate]) -> str:
    """The section for the page of a run."""
    section = augmentation_section(augmentation, estimates)
    assert section is not None  # noqa: S101 - there are new rows
    parts = [
        plain(section.sentence),
        markdown_table(METHOD_HEADS, [row.cells for row in section.methods]),
        plain(section.note),
    ]
    heads = ("measure", "number", "95% interval", "n", "reading")
    rows = [
        (row.name, row.number, row.interval, row.n, row.reason)
        for table in section.bought
        for row in table.rows
    ]
    return "\n\n".join([*parts, markdown_table(heads, rows)] if rows else parts)


def _row(one: MethodRows) -> MethodRow:
    left_out = "; ".join(f"{reason}: {count(rows)}" for reason, rows in one.left_out.items())
    return MethodRow(
        one.method.replace("_", " "), count(one.asked), count(one.made), left_out, one.examples
    )


def _head(name: str) -> str:
    """The metric with the rows and the model that it is of."""
    _, kind, *rest = name.split(".")
    without = rest[0] == _WITHOUT
    metric = words_of(f"quality.{'.'.join(rest[1:] if without else rest)}")
    return f"{metric}, {_KINDS.get(kind, kind)}" + (", without new rows" if without else "")

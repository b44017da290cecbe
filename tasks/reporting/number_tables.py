"""Some numbers on one axis, each with what it is of, as page, card and Prefect run show them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.estimates import EstimateRow, estimate_row
from tasks.reporting.number_format import is_drawable
from tasks.reporting.summaries import markdown_table, plain
from tasks.verdicts import Estimate

_HEADS: Final = ("number", "rests on", "value", "95% interval", "reading")


@dataclass(frozen=True)
class NumberRow:
    """A number with what it is of, on the axis of its table."""

    title: str
    estimate: EstimateRow
    bar: Bar | None


@dataclass(frozen=True)
class NumberTable:
    """Some numbers on one axis.

    Attributes:
        title: what they are of.
        sentence: on how much they rest.
        reading: what they are, and what they are not.
        rows: the numbers.
        ticks: of their axis.

    """

    title: str
    sentence: str
    reading: str
    rows: tuple[NumberRow, ...]
    ticks: tuple[Tick, ...]


def number_table(
    title: str, sentence: str, reading: str, named: list[tuple[str, Estimate]]
) -> NumberTable:
    """A table of some numbers, each with what it is of."""
    drawn = [one for _, one in named if is_drawable(one)]
    scale = scale_of(drawn, include=(0.0, 1.0))
    return NumberTable(
        title=title,
        sentence=sentence,
        reading=reading,
        rows=tuple(
            NumberRow(name, estimate_row(one), plain_bar(one, scale) if is_drawable(one) else None)
            for name, one in named
        ),
        ticks=scale.ticks if drawn else (),
    )


def table_lines(tables: Iterable[NumberTable]) -> Iterator[str]:
    """Each table, and each of its numbers, in a line for the card."""
    for table in tables:
        yield f"{table.title}: {table.sentence} {table.reading}"
        for row in table.rows:
            yield f"{table.title}, {row.title}: {row.estimate.told}."


def table_sections(tables: Iterable[NumberTable]) -> Iterator[str]:
    """Each table in Markdown with its heading and what it cannot show."""
    for table in tables:
        rows = [
            (
                one.title, one.estimate.n, one.estimate.number, one.estimate.interval,
                one.estimate.reason,
            )
            for one in table.rows
        ]  # fmt: skip
        yield f"### {table.title}"
        yield plain(f"{table.sentence} {table.reading}")
        yield markdown_table(_HEADS, rows)

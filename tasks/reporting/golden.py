"""Golden sets and behaviour suites as page, card and Prefect run show them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records.golden import FailedCase, FunctionalityResult, GoldenScores, GoldenSetScores
from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.estimates import NO_TICKS, EstimateTable, tables_apart
from tasks.reporting.number_format import count, interval, is_drawable, number, words_of
from tasks.reporting.slices import read_slice
from tasks.reporting.summaries import markdown_table, plain
from tasks.verdicts import Estimate

_BEHAVIOUR = "behaviour"


@dataclass(frozen=True)
class FunctionalityRow:
    """One functionality in words.

    Attributes:
        reason: why its pass rate is undetermined; empty where it is not.
        champion: the champion's pass rate; empty where there is none.

    """

    name: str
    rows: str
    number: str
    interval: str
    reason: str
    champion: str
    bar: Bar | None
    failed: tuple[FailedCase, ...]


@dataclass(frozen=True)
class GoldenSliceRow:
    """One slice of a golden set in words."""

    description: str
    rows: str
    score: str
    gap: str
    interval: str
    reading: str


@dataclass(frozen=True)
class GoldenSection:
    """One golden set or behaviour suite in words.

    Attributes:
        sentence: how many rows, and what became of the champion.
        estimates: those of the set itself: no slices.
        functionalities: of a suite, worst first, on one axis of pass rates.

    """

    title: str
    sentence: str
    estimates: tuple[Estimate, ...]
    tables: list[EstimateTable]
    slices: list[GoldenSliceRow]
    functionalities: list[FunctionalityRow]
    ticks: tuple[Tick, ...]


def golden_sections(golden: GoldenScores | None) -> list[GoldenSection]:
    """A section for each set, golden sets first; none where there are none."""
    return [_section(one) for one in golden.sets] if golden else []


def golden_markdown(golden: GoldenScores) -> str:
    """A table for each set, with functionalities worst first."""
    heads = ("measure", "number", "95% interval", "n", "reading")
    parts = []
    for section in golden_sections(golden):
        rows = [
            (row.name, row.number, row.interval, row.n, row.reason)
            for table in section.tables
            for row in table.rows
        ]
        rows += [
            (row.name, row.number, row.interval, row.rows, row.reason)
            for row in section.functionalities
        ]
        parts += [
            f"### {plain(section.title)}",
            plain(section.sentence),
            markdown_table(heads, rows),
        ]
    return "\n\n".join(parts)


def _section(one: GoldenSetScores) -> GoldenSection:
    family = f"{one.kind}.{one.name}."
    own = tuple(each for each in one.estimates if not each.name.startswith(f"{family}slice."))
    shown = [each for each in own if not one.functionalities or each.name == f"{family}pass_rate"]
    heads = [words_of(f"quality.{each.name.removeprefix(family)}") for each in shown]
    rates = [each.pass_rate for each in one.functionalities]
    drawable = [rate for rate in rates if is_drawable(rate)]
    return GoldenSection(
        title=f"{'Behaviour suite' if one.kind == _BEHAVIOUR else 'Golden set'} {one.name}",
        sentence=_sentence(one),
        estimates=own,
        tables=tables_apart(shown, heads),
        slices=[
            GoldenSliceRow(
                each.description, count(each.rows), number(each.score), number(each.gap.value),
                interval(each.gap.low, each.gap.high) if is_drawable(each.gap) else "",
                " ".join(read_slice(each)),
            )
            for each in one.slices
        ],
        functionalities=_rows(one.functionalities, drawable),
        ticks=scale_of(drawable).ticks if drawable else NO_TICKS,
    )  # fmt: skip


def _rows(
    functionalities: Sequence[FunctionalityResult], drawable: Sequence[Estimate]
) -> list[FunctionalityRow]:
    scale = scale_of(drawable)
    return [
        FunctionalityRow(
            name=one.name,
            rows=count(one.rows),
            number=number(one.pass_rate.value),
            interval=interval(one.pass_rate.low, one.pass_rate.high),
            reason=one.pass_rate.reason,
            champion="" if one.champion is None else number(one.champion),
            bar=plain_bar(one.pass_rate, scale),
            failed=one.failed,
        )
        for one in functionalities
    ]


def _sentence(one: GoldenSetScores) -> str:
    dropped = one.duplicates_dropped
    rows = f"{count(one.rows)} rows that the candidate did not learn from"
    rows += f" ({count(dropped)} exact duplicates left out)" if dropped else ""
    if one.champion_note:
        return f"{rows}. There is no comparison with a champion: {one.champion_note}."
    both = f"{rows}, asked of the candidate and of the champion, version {one.champion_version}."
    return f"{both} {one.left_out_note}." if one.left_out_note else both

"""Base models that a line might start from, as tables of the console and of a run's page."""

from collections.abc import Iterator, Sequence
from typing import Final

from tasks.records.choice import Candidate, Choice, Number
from tasks.reporting.number_format import (
    count,
    duration,
    interval,
    number,
    percent,
    share,
    size,
)
from tasks.reporting.summaries import markdown_table, plain

NOT_STATED: Final = "not stated"
OWN: Final = " (the line's)"
_MANY_ROWS: Final = 10
_WORDS: Final = "words alone (TF-IDF)"

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def facts_table(choice: Choice) -> Table:
    """What each candidate is, and how it reads the line's texts; of those that can be taken."""
    usable = usable_of(choice)
    units = {one.tokens.unit for one in usable if one.tokens}
    heads = (
        "base model", "licence", "parameters", "size", "context", "unknown",
        f"tokens a {'/'.join(sorted(units)) or 'word'}", "longer", "cut",
    )  # fmt: skip
    return heads, [_facts(one) for one in usable]


def _facts(one: Candidate) -> tuple[str, ...]:
    used = one.tokens
    read = ("", "", "", "", "")
    if used:
        read = (
            "no limit" if used.context is None else count(used.context),
            share(used.unknown_share, 1),
            f"{used.per_unit:.2f}",
            share(used.longer_share, 1),
            share(used.cut_share, 1),
        )
    return (
        f"{one.name}{OWN if one.is_own else ''}",
        one.licence or NOT_STATED,
        millions(one.parameters),
        size(one.size_bytes),
        *read,
    )


def probe_table(choice: Choice) -> Table:
    """What the probe of each comes to; no rows where there is no probe."""
    priced = any(one.training_cost is not None for one in choice.candidates)
    heads = (
        "", "base model", choice.metric, "95% interval", "against the best",
        f"at {percent(choice.confidence)}", "", "rows a second", "training",
        *(("cost",) if priced else ()),
    )  # fmt: skip
    if not choice.validation_rows:
        return heads, []
    rows = [_probe(one, choice, priced=priced) for one in usable_of(choice)]
    if (words := choice.words_alone) is not None:
        cells = ("", _WORDS, number(words.value), interval(words.low, words.high))
        rows.append((*cells, *("",) * (len(heads) - len(cells))))
    return heads, rows


def _probe(one: Candidate, choice: Choice, *, priced: bool) -> tuple[str, ...]:
    quality = one.quality or Number(None)
    behind = one.behind_best
    return (
        "*" if one.name == choice.recommended else "",
        one.name,
        number(quality.value),
        interval(quality.low, quality.high),
        "" if behind is None else number(behind.value),
        "" if behind is None else interval(behind.low, behind.high),
        _standing(one),
        "" if not one.row_s else _rate(1 / one.row_s),
        "" if one.training_s is None else duration(one.training_s),
        *((("" if one.training_cost is None else number(one.training_cost)),) if priced else ()),
    )


def _standing(one: Candidate) -> str:
    behind = one.behind_best
    if one.standing == "not told" and behind and behind.low is not None and behind.high is not None:
        return "within noise of the best" if behind.high >= 0 else one.standing
    return one.standing


def _rate(rows: float) -> str:
    return f"{rows:,.0f}" if rows >= _MANY_ROWS else f"{rows:.1f}"


def millions(parameters: int) -> str:
    """Parameters in millions or thousands: 22.7M, 45k."""
    if parameters >= 1_000_000:  # noqa: PLR2004 - a million
        return f"{parameters / 1e6:,.1f}M"
    return f"{parameters / 1e3:,.0f}k"


def usable_of(choice: Choice) -> list[Candidate]:
    """The candidates that can be taken, best first."""
    return [one for one in choice.candidates if not one.reason]


def left_out(choice: Choice) -> Iterator[str]:
    """Each candidate that cannot be taken, with the reason."""
    for one in choice.candidates:
        if one.reason:
            yield f"{one.name}: {'' if one.at_hand else 'not at hand: '}{one.reason}"


def sentence_of(choice: Choice) -> str:
    """Which candidate is recommended and why, or why none is."""
    if not choice.recommended:
        return choice.why
    return f"{choice.recommended} is recommended: {choice.why}"


def footnotes(choice: Choice) -> Sequence[str]:
    """What the numbers rest on, and what else is to be known."""
    said = [*choice.notes]
    used = next((one.tokens for one in choice.candidates if one.tokens), None)
    if used:
        said.append(
            f"tokens are counted on {used.rows:,} training rows; unknown: share of the tokens; "
            "longer: rows longer than the context; cut: rows longer than tokenization.max_length"
        )
    if choice.validation_rows:
        said.append(
            f"probe: a linear model on frozen features of {choice.train_rows:,} training rows, "
            f"measured on {choice.validation_rows:,} validation rows; no test row was read"
        )
    if choice.basis:
        said.append(choice.basis)
    return said


def choice_markdown(choice: Choice) -> str:
    """Both tables and all that is said, for the Prefect run's page."""
    tables = [
        markdown_table(heads, rows)
        for heads, rows in (facts_table(choice), probe_table(choice))
        if rows
    ]
    lines = [f"- {plain(one)}" for one in (*left_out(choice), *footnotes(choice))]
    return "\n\n".join([plain(sentence_of(choice)), *tables, "\n".join(lines)])

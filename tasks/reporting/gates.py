"""The gates in words, for page, card, Prefect run and console; what it imports is light."""

import re
from dataclasses import dataclass
from typing import Final

from tasks.records.registry import Judgement
from tasks.reporting.number_format import (
    EXACT,
    NOTHING,
    count,
    interval,
    number,
    percent,
    title_of,
    with_unit,
)
from tasks.verdicts import GateResult, Verdict

SYMBOLS: Final = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNDETERMINED: "?"}
_RULE: Final = re.compile(r"(at least|at most) (\S+)")


@dataclass(frozen=True)
class GateRow:
    """One gate as it is shown; every field is text.

    Attributes:
        metric: the estimate's name, as in the policy.
        name: the same in words.
        symbol: ``✓``, ``✗`` or ``?``, so that colour is never the only sign.
        verdict: pass, fail or undetermined.
        number: the point estimate with its unit.
        interval: both ends, ``exact`` or ``none``.
        confidence: of the interval, for example ``95%``; empty where there is none.
        threshold: the gate's rule with its unit.
        n: rows that the number rests on.
        reason: one sentence.

    """

    metric: str
    name: str
    symbol: str
    verdict: str
    number: str
    interval: str
    confidence: str
    threshold: str
    n: str
    reason: str


@dataclass(frozen=True)
class Threshold:
    """A gate's rule as numbers: which side of the value passes."""

    value: float
    passes_above: bool


@dataclass(frozen=True)
class Headline:
    """The verdict over all gates in two lines.

    Attributes:
        verdict: pass, fail or undetermined.
        symbol: its sign.
        title: in a few words.
        sentence: the line, the version, and how many gates do not pass.

    """

    verdict: str
    symbol: str
    title: str
    sentence: str


def gate_table(judgement: Judgement) -> list[GateRow]:
    """Every gate in the order of the policy."""
    return [gate_row(gate) for gate in judgement.gates]


def gate_row(gate: GateResult) -> GateRow:
    """One gate in words."""
    span = interval(gate.low, gate.high)
    return GateRow(
        metric=gate.metric,
        name=title_of(gate.metric),
        symbol=SYMBOLS[gate.verdict],
        verdict=gate.verdict.value,
        number=with_unit(number(gate.value), gate.metric),
        interval=with_unit(span, gate.metric),
        confidence=percent(gate.confidence) if span not in {NOTHING, EXACT} else "",
        threshold=with_unit(gate.rule, gate.metric),
        n=count(gate.n),
        reason=gate.reason,
    )


def threshold_of(rule: str) -> Threshold | None:
    """The rule of a gate as numbers; None where it is not written as a gate writes it."""
    found = _RULE.fullmatch(rule)
    if not found:
        return None
    try:
        return Threshold(float(found[2]), passes_above=found[1] == "at least")
    except ValueError:
        return None


def headline(line: str, version: int, judgement: Judgement) -> Headline:
    """What the judgement comes to."""
    title = {
        Verdict.PASS: "Earns production",
        Verdict.FAIL: "Does not earn production",
        Verdict.UNDETERMINED: "Not proven, so it does not earn production",
    }[judgement.verdict]
    earns = "earns" if judgement.verdict is Verdict.PASS else "does not earn"
    return Headline(
        verdict=judgement.verdict.value,
        symbol=SYMBOLS[judgement.verdict],
        title=title,
        sentence=f"{line} version {version} {earns} production: {_tally(judgement)}.",
    )


def _tally(judgement: Judgement) -> str:
    """How many gates pass, fail and are undetermined."""
    total = len(judgement.gates)
    if not total:
        return "no gate was judged"
    seen = [gate.verdict for gate in judgement.gates]
    failed, open_ = seen.count(Verdict.FAIL), seen.count(Verdict.UNDETERMINED)
    if not failed and not open_:
        passed = "its one gate passes" if total == 1 else f"all {total} gates pass"
        return f"{passed}, and fairness was not gated" if judgement.fairness_not_gated else passed
    parts = [f"{failed} {'fails' if failed == 1 else 'fail'}"] if failed else []
    parts += [f"{open_} {'is' if open_ == 1 else 'are'} undetermined"] if open_ else []
    first, verb = parts[0].split(" ", 1)
    of_all = f"{first} of {total} {'gate' if total == 1 else 'gates'} {verb}"
    return " and ".join([of_all, *parts[1:]])

"""How many looks the held-out rows have had, at which level one is judged, and what is left."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from tasks.records.evaluation import Scores
from tasks.records.looks import Look
from tasks.records.registry import Judgement
from tasks.reporting.number_format import count, percent
from tasks.verdicts import ALPHA, GOLDEN_FAMILIES, MAX_FAMILY, Estimate, ends_at, look_share

# More looks that do not pass: what these rows could tell then.
LOOKS_AHEAD: Final = (10, 52)


@dataclass(frozen=True)
class LevelRow:
    """What a look can decide; every field is text.

    Attributes:
        look: which look since a candidate last passed.
        confidence: that a gate of its own is judged at.
        width: how many times as wide an interval is as at 95%.
        rows: how many times as many rows make it as narrow as at 95%.

    """

    look: str
    confidence: str
    width: str
    rows: str


def look_sentences(judgement: Judgement) -> list[str]:
    """What is to be known of the look that a judgement rests on; nothing where there is none."""
    look = judgement.look
    if look is None:
        return []
    said = [_counted(look), _judged(judgement, look), _fresh(look)]
    return said + _of_golden(judgement, look)


def level_rows(judgement: Judgement) -> list[LevelRow]:
    """A look, and looks after more candidates that do not pass; none where looks are free."""
    look = judgement.look
    if look is None or judgement.look_share == 1:
        return []
    now = f"this one, {ordinal(look.since_pass)} since a pass"
    ahead = [
        (f"after {more} more that do not pass", look.since_pass + more) for more in LOOKS_AHEAD
    ]
    return [_level(name, since) for name, since in [(now, look.since_pass), *ahead]]


def fresh_estimates(judgement: Judgement, scores: Scores) -> list[Estimate]:
    """What was measured on fresh rows; nothing where all rows are fresh, which stands already."""
    if judgement.look is None or judgement.look.earlier == 0:
        return []
    return [one for one in scores.estimates if one.name.startswith("fresh.")]


def width_at(share: int) -> float:
    """How many times as wide a normal estimate's interval is at 1 - ALPHA / share as at 95%."""
    reach = [NormalDist().inv_cdf(1 - ALPHA / 2 / k) for k in range(1, MAX_FAMILY + 1)]
    ends = ends_at([(-one, one) for one in reach], share)
    return ends[1] / reach[0] if ends else float("nan")


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th; 11th."""
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _level(name: str, since_pass: int) -> LevelRow:
    share = look_share(since_pass)
    width = width_at(share)
    return LevelRow(name, percent(1 - ALPHA / share), f"{width:.2f}", f"{width**2:.1f}")


def _counted(look: Look) -> str:
    rows = count(look.held_out.rows)
    if look.earlier == 0:
        return f"first look of the line at these {rows} held-out rows"
    times = "once" if look.earlier == 1 else f"{count(look.earlier)} times"
    return (
        f"these {rows} held-out rows, or some of them, were looked at {times} before; this is the "
        f"{ordinal(look.since_pass)} look since a candidate last passed"
        + ("" if look.since_pass <= look.earlier else " (none has yet)")
    )


def _judged(judgement: Judgement, look: Look) -> str:
    share = judgement.look_share
    if share == 1:
        return (
            "looks cost nothing here (policy.looks.spending: none): each is judged at 95% as if it "
            f"were the first, and this is look {count(look.earlier + 1)}"
        )
    return (
        f"so a gate on them is judged at {percent(1 - ALPHA / share)}, where an interval is "
        f"{width_at(share):.2f} times as wide as at 95%, and a family of several gates at more"
    )


def _of_golden(judgement: Judgement, look: Look) -> list[str]:
    """Where golden sets were read more often than the test rows."""
    gated = any(gate.metric.split(".")[0] in GOLDEN_FAMILIES for gate in judgement.gates)
    if not gated or judgement.golden_share <= judgement.look_share:
        return []
    said = (
        f"golden sets are read by every candidate of the line, and this is the "
        f"{ordinal(look.of_line)} since one passed: gates on them are judged at "
        f"{percent(1 - ALPHA / judgement.golden_share)}"
    )
    return [said]


def _fresh(look: Look) -> str:
    return f"{count(look.fresh.rows)} of these rows were read by no earlier look (fresh.*)"

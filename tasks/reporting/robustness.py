"""What small changes of the test texts do, as page, card and Prefect run show it."""

from dataclasses import dataclass
from typing import Final

from tasks.records.robustness import Attack, MovedAnswer, Perturbed, Robustness
from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.estimates import EstimateRow, EstimateTable, estimate_row, estimate_table
from tasks.reporting.number_format import NOTHING, count, is_drawable, share
from tasks.reporting.summaries import markdown_table, plain

HEADS: Final = ("change", "strength", "changed rows", "flip rate", "95% interval", "reading")
KEEPS: Final = (
    "The right answer stays after these changes, as far as a reader still understands the text, so "
    "that one of the two answers of a row that flips is wrong at least."
)
MAY_TURN: Final = (
    "After these another answer may be right. Of what is asked it depends whether a flip or its "
    "absence is the fault, so that no gate judges them: a topic should stay, an opinion that is "
    "negated should turn."
)
FOUND_BY_SEARCH: Final = (
    "Found by search and not by chance: at least so many of these rows can be moved by a small "
    "change, and a longer search may move more. It is no share of requests that will go wrong."
)
# The strength of a change that has none.
WHOLE: Final = "whole text"
NOT_SHOWN: Final = (
    "Not probed: changes of other kinds than these, several kinds at once, texts of another "
    "domain, and rows that the model gets wrong for reasons that no change touches."
)


@dataclass(frozen=True)
class KindRow:
    """One kind at one strength: flip rate on the axis of all, and the score shift in words."""

    kind: str
    does: str
    strength: str
    changed: str
    same_tokens: str
    flip_rate: EstimateRow
    score_shift: str
    bar: Bar | None


@dataclass(frozen=True)
class MovedRow:
    """A row whose answer is another, before and after."""

    kind: str
    row_id: str
    before: str
    after: str
    text_before: str
    text_after: str


@dataclass(frozen=True)
class RobustnessSection:
    """All robustness probes.

    Attributes:
        sentence: on which rows they were made, and when.
        kept: kinds that keep the right answer.
        turned: kinds that may change it.
        ticks: of the axis of all flip rates.
        drops: how much the leading metrics fall, at the greatest strength.
        attack: what the search came to, in a sentence; empty where there was none.
        attacked: its flip rate.
        moved: rows that flip.

    """

    sentence: str
    kept: tuple[KindRow, ...]
    turned: tuple[KindRow, ...]
    ticks: tuple[Tick, ...]
    drops: EstimateTable | None
    attack: str
    attacked: EstimateRow | None
    moved: tuple[MovedRow, ...]
    keeps: str = KEEPS
    may_turn: str = MAY_TURN
    found_by_search: str = FOUND_BY_SEARCH
    not_shown: str = NOT_SHOWN


def robustness_section(found: Robustness | None) -> RobustnessSection | None:
    """The section; None of a line that asks for no probes."""
    if found is None:
        return None
    rates = [one.flip_rate for one in found.probed if is_drawable(one.flip_rate)]
    scale = scale_of(rates, include=(0.0,))

    def rows(*, keeps: bool) -> tuple[KindRow, ...]:
        return tuple(
            _row(one, plain_bar(one.flip_rate, scale))
            for one in found.probed
            if one.keeps_answer is keeps
        )

    drops = [drop for one in found.probed for drop in one.drops if drop.name.count(".") == 2]  # noqa: PLR2004 - FAMILY.KIND.METRIC
    attack = found.attack
    return RobustnessSection(
        sentence=sentence_of(found),
        kept=rows(keeps=True),
        turned=rows(keeps=False),
        ticks=scale.ticks if rates else (),
        drops=estimate_table(drops) if drops else None,
        attack=_of_attack(attack) if attack else "",
        attacked=estimate_row(attack.flip_rate) if attack else None,
        moved=(
            *(_moved(_title(one), each) for one in found.probed for each in one.moved),
            *(_moved("attack", each) for each in (attack.moved if attack else ())),
        ),
    )


def sentence_of(found: Robustness) -> str:
    """On which rows, with how many texts and when the probes were made."""
    kinds = len({one.kind for one in found.probed})
    return (
        f"{count(kinds)} kinds of small changes were tried on the {count(found.rows)} test rows "
        f"(data {found.data_sha256[:12]}), and the model was asked about {count(found.asked)} "
        f"changed texts, on {found.on or 'an unknown day'}, with seed {found.seed}."
    )


def robustness_lines(found: Robustness) -> list[str]:
    """Each kind in a line for the card: its flip rate, or why there is none."""
    lines = [_line(_title(one), one) for one in found.probed]
    if found.attack:
        told = estimate_row(found.attack.flip_rate).told
        lines.append(f"{_of_attack(found.attack)} Flip rate: {told}.")
    return lines


def robustness_markdown(found: Robustness) -> str:
    """The section for the page of a run."""
    section = robustness_section(found)
    assert section is not None  # noqa: S101 - there are probes
    rows = [
        (
            one.kind, one.strength, one.changed, one.flip_rate.number, one.flip_rate.interval,
            one.flip_rate.reason,
        )
        for one in (*section.kept, *section.turned)
    ]  # fmt: skip
    parts = [plain(section.sentence), markdown_table(HEADS, rows)]
    if section.attacked:
        parts.append(plain(f"{section.attack} {FOUND_BY_SEARCH}"))
    return "\n\n".join([*parts, plain(NOT_SHOWN)])


def _row(one: Perturbed, bar: Bar | None) -> KindRow:
    shift = estimate_row(one.score_shift)
    same = f"{count(one.same_tokens)} read as before" if one.same_tokens else ""
    return KindRow(
        kind=one.kind.replace("_", " "),
        does=one.does,
        strength=WHOLE if one.strength is None else share(one.strength, 1),
        changed=count(one.changed),
        same_tokens=same,
        flip_rate=estimate_row(one.flip_rate),
        score_shift="" if shift.reason else f"{shift.number} {shift.interval}",
        bar=bar,
    )


def _line(title: str, one: Perturbed) -> str:
    row = estimate_row(one.flip_rate)
    if row.reason:
        return f"{title} ({one.does}): nothing is known, {row.reason}."
    gate = "" if one.keeps_answer else "; another answer may be right"
    return f"{title} ({one.does}): flip rate {row.told} changed rows{gate}."


def _title(one: Perturbed) -> str:
    at = "" if one.strength is None else f" at {share(one.strength, 1)}"
    return f"{one.kind.replace('_', ' ')}{at}"


def _of_attack(attack: Attack) -> str:
    words = NOTHING if attack.changed_words is None else share(attack.changed_words, 1)
    return (
        f"A greedy search over {count(attack.rows)} rows that the model gets right, with at most "
        f"{count(attack.queries_per_row)} queries a row and {share(attack.max_changed, 1)} of the "
        f"words changed, asked {count(attack.queries)} texts; it changed {words} of the words "
        "where it moved the answer."
    )


def _moved(kind: str, one: MovedAnswer) -> MovedRow:
    return MovedRow(kind, one.row_id[:12], one.before, one.after, one.text_before, one.text_after)

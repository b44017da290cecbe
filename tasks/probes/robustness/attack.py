"""A greedy search for the worst small change of a row, in the way of TextFooler.

Jin et al. 2020 (arXiv:1907.11932): words are ranked by what leaving each out does to the score of
the answer, and changed in that order, each to what lowers it most, until the answer is another or
the budget is spent. Their changes are synonyms by word vectors; here they are the mistakes of
people and machines that the other probes make by chance (Pruthi et al. 2019, arXiv:1905.11268), so
that no vectors are needed and a reader still sees what was meant.

All rows take each step together, so that the model is asked in batches.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tasks.perturbations.chinese import HAN, homophones, similar_characters
from tasks.perturbations.draws import random_of, rank_of
from tasks.perturbations.misreadings import misread
from tasks.perturbations.typing_noise import keyboard_noise, spelling_noise
from tasks.perturbations.untouched import PLACEHOLDER, is_untouched
from tasks.perturbations.words import count_of
from tasks.probes.robustness.answers import Moves, shown
from tasks.probes.robustness.judging import MOVED_SHOWN, AnsweredRows, excerpts, flips_and_shifts
from tasks.probes.robustness.kinds import Change
from tasks.probes.robustness.settings import ATTACK, FAMILY, FLIP_RATE, AttackSettings
from tasks.records.robustness import Attack, MovedAnswer
from tasks.resampling import Floats
from tasks.task_types.answer_columns import ANSWER, PROBABILITIES, comparable
from tasks.verdicts import Estimate, undetermined

# Placeholders, and what else stands between spaces.
_PARTS: Final = re.compile(rf"{PLACEHOLDER.pattern}|[^\s\[]+|\[")
# What is changed as one: a word of four Latin letters or more, or a Chinese character.
_UNITS: Final = re.compile(r"[A-Za-z]{4,}|[\u4e00-\u9fff]")
_OF_LATIN: Final[tuple[Change, ...]] = (spelling_noise, keyboard_noise, misread)
_OF_HAN: Final[tuple[Change, ...]] = (homophones, similar_characters)
_RIGHT: Final = 1.0

# From M texts, each of a row, to the answers (M,).
Ask = Callable[[Sequence[tuple[int, str]]], pa.Table]


@dataclass
class _Search:
    """The search for one row.

    Attributes:
        place: of the test row.
        parts: the text in pieces, of which some may be changed.
        units: places of these pieces that are still to be tried, the most important first.
        score: of the answer to the text as it is now.
        most: pieces that may be changed.
        left: queries that are left.
        after: the answer that it was moved to; None while it was not.

    """

    place: int
    row_id: str
    parts: list[str]
    units: list[int]
    score: float
    most: int
    left: int
    size: int
    changed: int = 0
    after: str | None = None
    labels: frozenset[str] = field(default=frozenset())

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def with_part(self, place: int, part: str) -> str:
        return "".join([*self.parts[:place], part, *self.parts[place + 1 :]])

    def is_open(self) -> bool:
        return (
            self.after is None and self.changed < self.most and self.left > 0 and bool(self.units)
        )


def attack_rows(known: AnsweredRows, settings: AttackSettings, ask: Ask) -> Attack:
    """Search for changes that move the answers to rows that the model gets right.

    Args:
        known: the test rows with the answers to them.
        settings: rows, queries and words that may be changed.
        ask: the model.

    """
    column, why = known.shape.inputs[0].name, _why_no_search(known)
    found = [] if why else list(_searches(known, settings, column))
    _rank(found, known, ask)
    while any(one.is_open() for one in found):
        _step(found, known, ask)
    moved = [one for one in found if one.after is not None]
    shares = [one.changed / one.size for one in moved]
    return Attack(
        rows=len(found),
        queries=sum(settings.queries_per_row - one.left for one in found),
        queries_per_row=settings.queries_per_row,
        max_changed=settings.max_changed,
        flip_rate=_flip_rate(known, found, why),
        changed_words=float(np.mean(shares)) if shares else None,
        moved=tuple(_moved(known, one, column) for one in moved[:MOVED_SHOWN]),
    )


def _why_no_search(known: AnsweredRows) -> str:
    """What a task type of one's own does not say; empty where the search has what it follows."""
    answers = known.answers
    if PROBABILITIES not in answers.column_names or answers[ANSWER].null_count:
        return "the answers have no probabilities of labels, which the search follows"
    first = comparable(answers[ANSWER][0].as_py()) if answers.num_rows else {}
    if not isinstance(first, dict) or not first.keys() & {"label", "labels"}:
        return "the answers name no label or labels, which the search would move"
    return ""


def asked_of(known: AnsweredRows, model: Path) -> Ask:
    """Asks a model about texts in the place of those of test rows."""
    column = known.shape.inputs[0].name

    def ask(texts: Sequence[tuple[int, str]]) -> pa.Table:
        rows = known.test.take(pa.array([place for place, _ in texts], pa.int64()))
        at = rows.column_names.index(column)
        changed = pa.array([text for _, text in texts], rows.schema.field(column).type)
        return known.examiner.predict(model, rows.set_column(at, column, changed))

    return ask


def _searches(known: AnsweredRows, settings: AttackSettings, column: str) -> Iterator[_Search]:
    """Rows that the model gets right, by chance, and that have something to change."""
    seed, left = known.settings.seed, settings.rows
    right = known.examiner.measure(known.test, known.answers).row_scores >= _RIGHT
    rows = known.test.select(["row_id", column]).to_pylist()
    order = sorted(
        np.flatnonzero(right).tolist(), key=lambda n: rank_of(seed, ATTACK, rows[n]["row_id"])
    )
    for place in order:
        parts, units = _pieces(rows[place][column] or "")
        if not units or not left:
            continue
        left -= 1
        answer = known.answers.slice(place, 1)
        labels = _labels(answer[ANSWER][0].as_py())
        yield _Search(
            place, rows[place]["row_id"], parts, units,
            float(_scores(answer, [labels], known)[0]), count_of(settings.max_changed, len(units)),
            settings.queries_per_row, len(units), labels=labels,
        )  # fmt: skip


def _pieces(text: str) -> tuple[list[str], list[int]]:
    """A text in pieces, and the places of those that may be changed."""
    parts, units, end = list[str](), list[int](), 0
    for part in _PARTS.finditer(text):
        for unit in _UNITS.finditer(text, part.start(), part.end()):
            # A negation in a Chinese text, whose words no space parts, is one of its characters.
            if is_untouched(unit[0] if HAN.search(part[0]) else part[0]):
                continue
            parts += [text[end : unit.start()], unit[0]]
            units.append(len(parts) - 1)
            end = unit.end()
    return [*parts, text[end:]], units


def _rank(found: Sequence[_Search], known: AnsweredRows, ask: Ask) -> None:
    """Put the units in the order of what leaving each out does, for half of the queries."""
    asked = []
    for one in found:
        draws = random_of(known.settings.seed, ATTACK, one.row_id)
        tried = draws.sample(one.units, min(len(one.units), one.left // 2))
        one.left -= len(tried)
        one.units = tried
        asked += [(one, place) for place in tried]
    if not asked:
        return
    answers = ask([(one.place, one.with_part(place, "")) for one, place in asked])
    scores = _scores(answers, [one.labels for one, _ in asked], known)
    fall = {
        (one.place, place): one.score - score
        for (one, place), score in zip(asked, scores.tolist(), strict=True)
    }
    for one in found:
        one.units.sort(key=lambda place: (-fall[one.place, place], place))


def _step(found: Sequence[_Search], known: AnsweredRows, ask: Ask) -> None:
    """Change the next unit of every open search to what lowers its score most."""
    asked: list[tuple[_Search, int, str]] = []
    for one in found:
        if one.is_open():
            place = one.units.pop(0)
            made = _candidates(one, place, known.settings.seed)[: one.left]
            one.left -= len(made)
            asked += [(one, place, part) for part in made]
    if not asked:
        return
    answers = ask([(one.place, one.with_part(place, part)) for one, place, part in asked])
    scores = _scores(answers, [one.labels for one, _, _ in asked], known).tolist()
    told = answers[ANSWER].to_pylist()
    best: dict[int, int] = {}
    for n, (one, _, _) in enumerate(asked):
        if one.place not in best or scores[n] < scores[best[one.place]]:
            best[one.place] = n
    for n in best.values():
        one, place, part = asked[n]
        is_moved = _labels(told[n]) != one.labels
        if scores[n] < one.score or is_moved:
            one.parts[place], one.score, one.changed = part, scores[n], one.changed + 1
            one.after = told[n] if is_moved else None


def _candidates(one: _Search, place: int, seed: int) -> list[str]:
    """Other spellings of a unit, each once."""
    part = one.parts[place]
    draws = random_of(seed, ATTACK, one.row_id, str(place))
    made = [change(part, 1.0, draws) for change in (_OF_LATIN if part.isascii() else _OF_HAN)]
    return list(dict.fromkeys(each for each in made if each is not None and each != part))


def _labels(answer: str) -> frozenset[str]:
    """The labels that an answer names."""
    found = comparable(answer)
    return frozenset(found["labels"] if "labels" in found else [found["label"]])


def _scores(answers: pa.Table, labels: Sequence[frozenset[str]], known: AnsweredRows) -> Floats:
    """How far answers keep to labels, (M,): the mean of p of these and of 1 - p of all others."""
    told = np.array(answers[PROBABILITIES].to_pylist(), np.float64)
    named = np.array([[name in own for name in known.labels] for own in labels])
    return np.asarray(np.where(named, told, 1 - told).mean(axis=1))


def _flip_rate(known: AnsweredRows, found: Sequence[_Search], why: str) -> Estimate:
    name, count = f"{FAMILY}.{ATTACK}.{FLIP_RATE}", len(found)
    if count < known.settings.min_rows:
        least = known.settings.min_rows
        few = f"{count:,} rows were attacked, fewer than probes.robustness.min_rows ({least:,})"
        return undetermined(name, count, why or few)
    moved = np.array([one.after is not None for one in found])
    moves = Moves(moved, moved.astype(np.float64))
    places = [one.place for one in found]
    flip_rate, _ = flips_and_shifts(f"{FAMILY}.{ATTACK}", moves, places, known)
    return flip_rate


def _moved(known: AnsweredRows, one: _Search, column: str) -> MovedAnswer:
    row: dict[str, Any] = known.test.slice(one.place, 1).to_pylist()[0]
    answer = known.answers[ANSWER][one.place].as_py()
    before, after = excerpts(row, {**row, column: one.text}, known.shape)
    score = float(_scores(known.answers.slice(one.place, 1), [one.labels], known)[0])
    return MovedAnswer(
        one.row_id, shown(answer, known.shape), shown(one.after or "", known.shape), before, after,
        score - one.score,
    )  # fmt: skip

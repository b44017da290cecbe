"""Worlds of slices: their metrics, their gaps, the worst that a search finds, and confidence."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.evaluation.slice_calibration import estimates_of, measure_slice_calibration
from tasks.evaluation.slice_results import WORST_FOUND, measure_slices
from tasks.resampling import Floats, Ints
from tasks.resampling_units import Units, units_of_table
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

SHAPE = shape_of("classification")
LABELS = ("no", "yes")
# How much alike the rows of an author are: Beta(a, b) with a + b = ALIKE.
ALIKE = 6.0
PARTS, SIDES = ("a", "b"), ("left", "right")
PART_A = 0.3


def _settings(*by: str, words: int = 0) -> EvaluationSettings:
    slices = SliceSettings(by=by, search=len(by) > 1, search_words=words)
    return EvaluationSettings(repeats=REPEATS, slices=slices)


def _authors(random: Random, authors: int, rows: int) -> tuple[Ints, Ints]:
    """Author of each row, and whether it is of the part a, as all rows of an author are."""
    author = np.repeat(np.arange(authors), rows)
    return author, (random.random(authors) < PART_A)[author].astype(np.int64)


def _right(random: Random, author: Ints, rows: int, chance: Floats) -> Ints:
    """Whether each row is told rightly; the rows of an author are alike where it has several."""
    if rows > 1:
        first = np.arange(0, len(author), rows)
        drawn = random.beta(ALIKE * chance[first], ALIKE * (1 - chance[first]))
        chance = drawn[author]
    return (random.random(len(author)) < chance).astype(np.int64)


def _table(random: Random, author: Ints, rows: int, **columns: Sequence[str]) -> pa.Table:
    size = len(author)
    words = np.array([f"w{place}" for place in range(20)])
    has = random.random((size, len(words))) < 0.3
    found = {
        "row_id": [f"{row:06d}" for row in range(size)],
        "text": [" ".join(words[row]) for row in has],
        "label": random.choice(LABELS, size).tolist(),
        **columns,
    }
    if rows > 1:
        found[CLUSTER] = [f"author {one}" for one in author]
    return pa.table(found)


def _measured(
    table: pa.Table, right: Ints, units: Units, settings: EvaluationSettings
) -> tuple[list[Estimate], str]:
    """The estimates, and the name of the worst slice that was found, if any."""
    truth = np.array([LABELS.index(one) for one in table["label"].to_pylist()])
    answers = pa.table({"predicted": np.where(right, truth, 1 - truth)})
    measured = measure_classes(table, answers, LABELS)
    estimates, results = measure_slices(table, SHAPE, measured, units, settings)
    found = [one.name for one in results if one.origin == "search"]
    return estimates, found[0] if found else ""


def _units(table: pa.Table) -> Units:
    return units_of_table(table, cluster=CLUSTER, seed=0)


def _size(authors: int, rows: int) -> str:
    return f"{authors} rows" if rows == 1 else f"{authors} authors of {rows}"


def named(authors: int, rows: int, in_a: float, in_b: float) -> Scenario:
    """A slice that a column names; authors lie in it or not."""

    def drawn(random: Random) -> list[Estimate]:
        author, is_a = _authors(random, authors, rows)
        right = _right(random, author, rows, np.where(is_a, in_a, in_b))
        table = _table(random, author, rows, part=np.where(is_a, *PARTS).tolist())
        return _measured(table, right, _units(table), _settings("part"))[0]

    # Labels are even and missed alike, so that the macro F1 comes to the accuracy.
    truths = {
        "slice.part.a.score_gap": in_a - in_b,
        "slice.part.b.score_gap": in_b - in_a,
        "slice.part.a.accuracy": in_a,
        "slice.part.a.macro_f1": in_a,
        "slice.part.b.macro_f1": in_b,
    }
    return Scenario(f"slices: {in_a:g} and {in_b:g}, {_size(authors, rows)}", truths, drawn)


def searched(authors: int, rows: int, in_a: float, in_b: float, words: int) -> Scenario:
    """The worst of all slices by part, side and word, and by two of them at once.

    Which one is found, another draw tells otherwise: what is tallied is how far its estimate lies
    from the gap that this slice truly has.
    """

    def drawn(random: Random) -> list[Estimate]:
        author, is_a = _authors(random, authors, rows)
        side = random.choice(SIDES, authors)[author].tolist()
        right = _right(random, author, rows, np.where(is_a, in_a, in_b))
        table = _table(random, author, rows, part=np.where(is_a, *PARTS).tolist(), side=side)
        found, name = _measured(table, right, _units(table), _settings("part", "side", words=words))
        return [_off(one, _true_gap(name, in_a, in_b)) for one in found if one.name == WORST_FOUND]

    kinds = "words and parts" if words else "parts"
    name = f"worst slice of {kinds}: {in_a:g} and {in_b:g}, {_size(authors, rows)}"
    return Scenario(name, {WORST_FOUND: 0.0}, drawn)


def _true_gap(name: str, in_a: float, in_b: float) -> float:
    """Of a slice by part and maybe by what is independent of it."""
    parts = name.split(" and ")
    if in_a == in_b:
        return 0.0
    share = float(np.prod([0.5 for part in parts if part.startswith("side.")]))
    if "part.a" in parts:
        others = (PART_A * (1 - share) * in_a + (1 - PART_A) * in_b) / (1 - PART_A * share)
        return in_a - others
    if "part.b" in parts:
        others = ((1 - PART_A) * (1 - share) * in_b + PART_A * in_a) / (1 - (1 - PART_A) * share)
        return in_b - others
    return 0.0


def _off(estimate: Estimate, truth: float) -> Estimate:
    """How far the estimate lies from its truth."""
    if estimate.value is None:
        return estimate
    ladder = tuple((low - truth, high - truth) for low, high in estimate.ladder)
    return replace(estimate, value=estimate.value - truth, ladder=ladder)


def confident(authors: int, rows: int, in_a: float) -> Scenario:
    """A model that claims too much on one part, and what it keeps on the other."""
    claims = np.array([0.7, 0.8, 0.9])

    def drawn(random: Random) -> list[Estimate]:
        author, is_a = _authors(random, authors, rows)
        claim = random.choice(claims, authors)[author]
        right = _right(random, author, rows, claim - np.where(is_a, in_a, 0.0))
        table = _table(random, author, rows, part=np.where(is_a, *PARTS).tolist())
        scores = np.stack([claim, 1 - claim], axis=1)
        answers = pa.table(
            {
                "label": pa.array(1 - right, pa.int32()),
                "predicted": pa.array(np.zeros(len(right)), pa.int32()),
                "probabilities": pa.array(list(scores), pa.list_(pa.float64())),
            }
        )
        found = measure_slice_calibration(table, answers, _units(table), _settings("part"))
        return estimates_of(found)

    truths = {
        "quality.overconfidence": PART_A * in_a,
        "slice.part.a.overconfidence": in_a,
        "slice.part.b.overconfidence": 0.0,
    }
    return Scenario(f"confidence: {in_a:g} too much, {_size(authors, rows)}", truths, drawn)


SLICES = (
    named(300, 1, 0.8, 0.9),
    named(400, 1, 0.97, 0.99),
    named(80, 8, 0.8, 0.9),
    searched(400, 1, 0.9, 0.9, 20),
    searched(400, 1, 0.7, 0.9, 0),
    searched(100, 6, 0.85, 0.85, 20),
    searched(100, 6, 0.6, 0.9, 0),
    confident(300, 1, 0.1),
    confident(80, 8, 0.1),
)

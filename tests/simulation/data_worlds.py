"""Worlds of data before a model: words beside labels, splits against each other; and of latency."""

from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.special import ndtri

from tasks.drift.checks import DOMAIN_CLASSIFIER, measure_sides, questions_of
from tasks.drift.row_samples import RowSample
from tasks.drift.settings import DriftSettings
from tasks.drift.split_shift import shift_name
from tasks.label_checks.row_sample import LabelledRows
from tasks.label_checks.spurious import LARGEST, find_spurious
from tasks.protected_groups.mentions import Term
from tasks.registry.latency import PERCENTILE, latency_p95
from tasks.registry.staging import LATENCY
from tasks.representation.associations import strongest_associations
from tasks.representation.cooccurrence import Facet, TermCount
from tasks.resampling import Floats, Ints
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Estimate
from tests.simulation.drift_worlds import as_estimate, divergence, largest_gap
from tests.simulation.label_worlds import SETTINGS
from tests.simulation.scenarios import Random, Scenario
from tests.unit.drift.made_samples import made_row, made_side

# How much alike the rows of an author are: Beta(a, b) with a + b = ALIKE.
ALIKE = 6.0
LABELS = ("no", "yes")


def _size(authors: int, rows: int) -> str:
    return f"{authors} rows" if rows == 1 else f"{authors} authors of {rows}"


def _has(random: Random, authors: int, rows: int, labelled: Ints, chances: Floats) -> Ints:
    """Whether rows have a word, by the chances (2,) without and with the label; authors repeat."""
    chance = np.tile(chances, (authors, 1))
    if rows > 1:
        chance = random.beta(ALIKE * chance, ALIKE * (1 - chance))
    author = np.repeat(np.arange(authors), rows)
    return (random.random(len(author)) < chance[author, labelled]).astype(np.int64)


def telling_words(authors: int, rows: int, with_label: float, without: float) -> Scenario:
    """A word that comes oftener with a label, and comes or not by author: half are held out."""

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(2 * authors), rows)
        labelled = random.integers(0, 2, len(author))
        has = _has(random, 2 * authors, rows, labelled, np.array([without, with_label])) > 0
        found = LabelledRows(
            row_ids=tuple(f"{row:06d}" for row in range(len(author))),
            splits=np.where(author % 2 == 0, "train", "test"),
            texts=tuple(np.where(has, "refund", "parcel").tolist()),
            labels=np.eye(2, dtype=np.bool_)[labelled],
            names=("thanks", "complaint"),
            clusters=tuple(f"author {one}" for one in author) if rows > 1 else None,
            rows_in_all=len(author),
        )
        spurious = find_spurious(found, None, SETTINGS)
        one = spurious.predictors[0]
        own = [
            replace(one.correlation, name="labels.predictor.correlation"),
            replace(one.information, name="labels.predictor.information"),
        ]
        return [spurious.largest, *own]

    often = (with_label + without) / 2
    correlation = (with_label - without) / (2 * np.sqrt(often * (1 - often)))
    truths = {LARGEST: float(correlation), "labels.predictor.correlation": float(correlation)}
    # Words and labels mirror each other where the chances add to one: either word tells as much.
    if np.isclose(with_label + without, 1):
        truths["labels.predictor.information"] = float(np.log2(with_label / often))
    name = f"labels: a word with {with_label:g} and {without:g} of {_size(authors, rows)} held out"
    return Scenario(name, truths, drawn)


def associations(authors: int, rows: int, with_label: float, without: float) -> Scenario:
    """A term of a group that stands with a label oftener than chance has it."""
    name = "representation.gender.she.yes"

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(authors), rows)
        labelled = random.integers(0, 2, len(author))
        has = _has(random, authors, rows, labelled, np.array([without, with_label]))
        both = np.bincount(labelled[has > 0], minlength=2)
        units = own = None
        if rows > 1:
            tables = [np.zeros((authors, 3), np.int64) for _ in range(2)]
            for table, counted in zip(tables, (np.ones_like(has), has), strict=True):
                np.add.at(table, (author, labelled), counted)
                table[:, 2] = table[:, :2].sum(axis=1)
            units, own = tables[0], sparse.csr_array(tables[1])
        term = TermCount("gender", Term("female", "she", "en", ()), int(has.sum()), both, own)
        everyone = np.bincount(labelled, minlength=2)
        found, _ = strongest_associations(
            [term], Facet(np.array([len(author)]), everyone[None]), LABELS,
            min_rows=1, shown=5, by_unit=units,
        )  # fmt: skip
        return [one.association for one in found if one.label == "yes"]

    often = (with_label + without) / 2
    truth = float(np.log2(with_label / often))
    return Scenario(f"associations: {_size(authors, rows)}", {name: truth}, drawn)


WEIGHTS = np.array([2, 4, 6, 8])  # words of a row of each kind


def _side(random: Random, size: int, shares: Floats) -> RowSample:
    """Rows of four kinds: each has its label, its length, and one word that it repeats."""
    kinds = random.choice(len(shares), size, p=shares)
    return made_side(
        [
            made_row(random, " ".join([f"w{kind}"] * WEIGHTS[kind]), (f"label {kind}",))
            for kind in kinds
        ]
    )


def shifted(rows: tuple[int, int], shares: tuple[tuple[float, ...], tuple[float, ...]]) -> Scenario:
    """A test split that is unlike the training split in labels, lengths and words."""
    settings = DriftSettings(permutations=294)
    asked = questions_of(settings, shape_of("classification"), has_model=False)
    asked.pop(DOMAIN_CLASSIFIER)

    def drawn(random: Random) -> list[Estimate]:
        sides = [_side(random, *one) for one in zip(rows, map(np.array, shares), strict=True)]
        return [
            as_estimate(one, shift_name("test", one.question.name))
            for one in measure_sides(*sides, asked, None, settings).measurements
        ]

    sides = np.array(shares)
    words = sides * WEIGHTS / (sides * WEIGHTS).sum(axis=1, keepdims=True)
    truths = {
        "shift.test.label_shares": divergence(sides),
        "shift.test.text_length": largest_gap(sides),
        "shift.test.vocabulary": divergence(words),
    }
    return Scenario(f"shift: {rows[1]} test rows, {rows[0]} of training", truths, drawn)


def latency(requests: int) -> Scenario:
    """Response times of a log-normal distribution."""

    def drawn(random: Random) -> list[Estimate]:
        return [latency_p95(LATENCY, random.lognormal(3, 0.6, requests).tolist())]

    truth = float(np.exp(3 + 0.6 * ndtri(PERCENTILE)))
    return Scenario(f"latency of {requests} requests", {LATENCY: truth}, drawn)


DATA = (
    telling_words(150, 1, 0.7, 0.3),
    telling_words(40, 8, 0.7, 0.3),
    telling_words(40, 8, 0.9, 0.2),
    associations(400, 1, 0.3, 0.1),
    associations(60, 10, 0.3, 0.1),
    shifted((900, 300), ((0.25, 0.25, 0.25, 0.25), (0.35, 0.3, 0.2, 0.15))),
    latency(100),
    latency(500),
)

"""Rows that are like others: what would make an evaluation better than the model is."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from infra.store import ObjectStore
from tasks.records.data import SPLITS, Leakage, SimilarPair
from tasks.task_types.rows import RowShape
from tasks.validation.leakage.benchmarks import read_benchmarks
from tasks.validation.leakage.equal_texts import EqualTexts, count_split_clusters, find_equal_texts
from tasks.validation.leakage.golden_rows import GoldenLinks, find_golden_rows
from tasks.validation.leakage.hashing import MISSING, Positions
from tasks.validation.leakage.links import Links, most_alike
from tasks.validation.leakage.near_duplicates import (
    MAX_GROUP_ROWS,
    NearDuplicates,
    find_near_duplicates,
)
from tasks.validation.leakage.scanning import MAX_CHARACTERS, Scan, scan_rows
from tasks.validation.leakage.settings import LeakageSettings

ColumnName: TypeAlias = Literal[
    "equal_text", "near_duplicate", "overlap", "label_conflict", "golden_row"
]
COLUMNS: Final[tuple[ColumnName, ...]] = (
    "equal_text",
    "near_duplicate",
    "overlap",
    "label_conflict",
    "golden_row",
)
_MAX_EXAMPLES: Final = 20
_SHOWN_ID_CHARACTERS: Final = 12
_MAX_SHOWN_LABEL: Final = 60
_BUT_FOR: Final = "but for case, punctuation and Unicode form"


@dataclass(frozen=True)
class Marks:
    """Rows that get a sentence in a column.

    Attributes:
        rows: their positions, sorted.
        sentence: of the row at this place in ``rows``.

    """

    rows: Positions
    sentence: Callable[[int], str]


@dataclass(frozen=True)
class Leaks:
    """The likeness found, in numbers, and row by row.

    Attributes:
        marks: by column, that of the gravest likeness first.

    """

    record: Leakage
    marks: Mapping[ColumnName, Sequence[Marks]]

    def columns(self, start: int, stop: int) -> dict[str, list[str | None]]:
        """For the rows of the snapshot from start to stop: null, or what is wrong with each.

        A likeness that the policy only reports gives null here.
        """
        return {name: self._column(self.marks[name], start, stop) for name in COLUMNS}

    def _column(self, marks: Sequence[Marks], start: int, stop: int) -> list[str | None]:
        values: list[str | None] = [None] * (stop - start)
        for mark in reversed(marks):
            first, last = np.searchsorted(mark.rows, (start, stop)).tolist()
            for place in range(first, last):
                values[int(mark.rows[place]) - start] = mark.sentence(place)
        return values


def find_leaks(
    rows: Path,
    shape: RowShape,
    settings: LeakageSettings,
    store: ObjectStore,
    golden: Mapping[str, Path] | None = None,
) -> Leaks:
    """Look for twins, conflicting answers, overlaps with benchmarks and clusters that are split.

    A pair of twins puts one of its rows aside: across splits the one of train before that of
    validation, and this before that of test; within a split the later one by row_id. Rows that
    share a row_id are no twins. Memory is some 200 MB and a few bytes for each row, and some more
    for each row that has a twin; some 400 bytes a row, the normalised texts and the candidate pairs
    lie in a temporary folder meanwhile.

    Args:
        rows: Parquet of a snapshot, sorted by row_id.
        shape: of its task type.
        settings: which likeness counts, and what becomes of such rows.
        store: where benchmarks may lie.
        golden: Parquet of each golden set's snapshot, by its setting. Rows of train and validation
            that are like one of its rows are always put aside.

    Raises:
        DataError: a benchmark is missing, broken or empty, or lacks the column.

    """
    found = read_benchmarks(settings, store)
    with tempfile.TemporaryDirectory(prefix="assayline-leakage-") as name:
        folder = Path(name)
        scan = scan_rows(rows, shape, settings, found, folder)
        equal = find_equal_texts(scan)
        near = _spread(find_near_duplicates(scan, equal.copies, settings, folder), equal)
        shared = _shared_rows(scan)
        of_golden = find_golden_rows(scan, golden or {}, shape, settings, folder)
        record = replace(
            _count(scan, equal, near, shared, settings),
            golden={name: len(one.links) for name, one in of_golden.items()},
        )
        marks = _mark(scan, equal, near, shared, settings)
        return Leaks(record, marks | {"golden_row": _mark_golden(of_golden)})


def _spread(near: NearDuplicates, equal: EqualTexts) -> NearDuplicates:
    """Near-duplicates for the copies of a row too; none where the texts are equal.

    A row with an equal twin counts there and not here again; but one whose equal twins all stand
    in its own split still leaks if it is near a row held out from it.
    """
    within = _spread_to_copies(near.within, equal.copies)
    across = _spread_to_copies(near.across, equal.copies)
    return NearDuplicates(
        within.without(equal.within.rows).without(equal.across.rows),
        across.without(equal.across.rows),
        near.crowded_rows,
    )


def _spread_to_copies(links: Links, copies: Links) -> Links:
    linked = copies.chosen(np.isin(copies.twins, links.rows))
    places = np.searchsorted(links.rows, linked.twins)
    spread = Links(linked.rows, links.twins[places], links.similarities[places])
    return most_alike([links, spread])


def _shared_rows(scan: Scan) -> dict[str, Positions]:
    """By benchmark, the rows of train and validation that overlap with it."""
    held_out = SPLITS.index("test")
    by_name = {
        name: np.concatenate([np.zeros(0, np.int64), *parts]) for name, parts in scan.shared.items()
    }
    return {name: rows[scan.splits[rows] != held_out] for name, rows in by_name.items()}


def _count(
    scan: Scan,
    equal: EqualTexts,
    near: NearDuplicates,
    shared: Mapping[str, Positions],
    settings: LeakageSettings,
) -> Leakage:
    conflicting = [np.zeros(0, np.int64), *(links.rows for links in equal.conflicts.values())]
    return Leakage(
        normalised_within=len(equal.within),
        normalised_across=len(equal.across),
        near_within=len(near.within),
        near_across=len(near.across),
        conflicting=len(np.unique(np.concatenate(conflicting))),
        overlaps={name: len(rows) for name, rows in shared.items()},
        clusters_across_splits=count_split_clusters(scan.clusters, scan),
        jaccard_threshold=settings.jaccard_threshold,
        ngram_words=settings.ngram_words,
        examples=_examples(scan, equal, near),
        notes=_notes(scan, near, settings),
    )


def _examples(scan: Scan, equal: EqualTexts, near: NearDuplicates) -> tuple[SimilarPair, ...]:
    """Pairs of both kinds, those across splits rather than within one, most alike first."""
    of_near = [*_pairs(near.across, scan), *_pairs(near.within, scan)]
    of_equal = [*_pairs(equal.across, scan), *_pairs(equal.within, scan)]
    room = max(_MAX_EXAMPLES // 2, _MAX_EXAMPLES - len(of_near))
    shown = of_equal[:room]
    shown += of_near[: _MAX_EXAMPLES - len(shown)]
    return tuple(sorted(shown, key=lambda pair: (-pair.similarity, pair.row_id)))


def _pairs(links: Links, scan: Scan) -> list[SimilarPair]:
    best = np.argsort(-links.similarities, kind="stable")[:_MAX_EXAMPLES]
    rows, twins = links.rows[best], links.twins[best]
    return [
        SimilarPair(row_id.decode(), twin.decode(), SPLITS[split], SPLITS[twin_split], similarity)
        for row_id, twin, split, twin_split, similarity in zip(
            scan.row_ids.take(rows).tolist(),
            scan.row_ids.take(twins).tolist(),
            scan.splits[rows].tolist(),
            scan.splits[twins].tolist(),
            # To the digits that 32 bits hold.
            [round(value, 6) for value in links.similarities[best].tolist()],
            strict=True,
        )
    ]


def _notes(scan: Scan, near: NearDuplicates, settings: LeakageSettings) -> tuple[str, ...]:
    crowded, long = near.crowded_rows, scan.long_texts
    said = {
        "near-duplicates were not looked for: leakage.near_duplicates is off": (
            not settings.near_duplicates
        ),
        "no overlap with a benchmark was looked for: leakage.benchmarks is empty": (
            not settings.benchmarks
        ),
        "no cluster can span splits: no row has one (source.cluster_column)": (
            not _has_clusters(scan)
        ),
        f"{crowded} row(s) stand in groups of over {MAX_GROUP_ROWS} that are alike; each was held "
        "against the first of each split and the next few, not against all": crowded > 0,
        f"{long} text(s) of over {MAX_CHARACTERS:,} characters were compared by their start": (
            long > 0
        ),
    }
    return tuple(note for note, holds in said.items() if holds)


def _has_clusters(scan: Scan) -> bool:
    return any((hashes != MISSING).any() for _, hashes in scan.clusters.chunks())


def _mark(
    scan: Scan,
    equal: EqualTexts,
    near: NearDuplicates,
    shared: Mapping[str, Positions],
    settings: LeakageSettings,
) -> dict[ColumnName, Sequence[Marks]]:
    conflicts = [_mark_conflicts(name, links, scan) for name, links in equal.conflicts.items()]
    return {
        "equal_text": [
            _mark_twins(links, scan, lambda _: f"equal {_BUT_FOR}")
            for links in _put_aside(equal.across, equal.within, settings)
        ],
        "near_duplicate": [
            _mark_twins(links, scan, "Jaccard similarity {:.2f}".format)
            for links in _put_aside(near.across, near.within, settings)
        ],
        "overlap": [_mark_overlaps(shared, scan, settings.ngram_words)],
        "label_conflict": conflicts if settings.conflicting_labels == "quarantine" else [],
    }


def _put_aside(across: Links, within: Links, settings: LeakageSettings) -> list[Links]:
    policies = ((across, settings.across_splits), (within, settings.within_split))
    return [links for links, policy in policies if policy == "quarantine"]


def _mark_twins(links: Links, scan: Scan, likeness: Callable[[float], str]) -> Marks:
    ids = _shown_ids(links.twins, scan)
    splits = scan.splits[links.twins]

    def sentence(place: int) -> str:
        how = likeness(float(links.similarities[place]))
        return f"like {SPLITS[splits[place]]} row {ids[place].decode()}: {how}"

    return Marks(links.rows, sentence)


def _mark_overlaps(shared: Mapping[str, Positions], scan: Scan, words: int) -> Marks:
    rows = np.unique(np.concatenate([np.zeros(0, np.int64), *shared.values()]))
    whole = np.isin(rows, np.concatenate([np.zeros(0, np.int64), *scan.whole]))
    holders = {name: np.isin(rows, found) for name, found in shared.items()}

    def sentence(place: int) -> str:
        names = ", ".join(name for name, holds in holders.items() if holds[place])
        if whole[place]:
            return f"{names}: the whole text stands in it too"
        return f"{names}: {words} words in a row stand in it too"

    return Marks(rows, sentence)


def _mark_golden(of_golden: Mapping[str, GoldenLinks]) -> list[Marks]:
    return [_mark_golden_set(name, one) for name, one in of_golden.items()]


def _mark_golden_set(name: str, one: GoldenLinks) -> Marks:
    ids = one.golden.row_ids.take(one.links.twins).astype(f"S{_SHOWN_ID_CHARACTERS}")
    similarities = one.links.similarities

    def sentence(place: int) -> str:
        alike = float(similarities[place])
        how = f"equal {_BUT_FOR}" if alike == 1 else f"Jaccard similarity {alike:.2f}"
        return f"like row {ids[place].decode()} of {name}: {how}"

    return Marks(one.links.rows, sentence)


def _mark_conflicts(name: str, links: Links, scan: Scan) -> Marks:
    ids = _shown_ids(links.twins, scan)
    column = next(column for column in scan.answers if column.name == name)
    numbers = scan.answers[column]
    own, other = numbers.take(links.rows), numbers.take(links.twins)

    def sentence(place: int) -> str:
        where = f"row {ids[place].decode()}, equal {_BUT_FOR}"
        labels = [_shown_label(scan.labels.get(int(hashes[place]))) for hashes in (own, other)]
        if not all(labels):
            return f"{name} differs from that of {where}"
        return f"{name} is {labels[0]}, and {labels[1]} in {where}"

    return Marks(links.rows, sentence)


def _shown_label(label: str | None) -> str:
    return (label or "")[:_MAX_SHOWN_LABEL]


def _shown_ids(positions: Positions, scan: Scan) -> NDArray[Any]:
    return scan.row_ids.take(positions).astype(f"S{_SHOWN_ID_CHARACTERS}")

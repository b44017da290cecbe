"""One pass over the snapshot: what the search keeps of each row, on disk."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tasks.records.data import SPLITS
from tasks.task_types.rows import Column, RowShape, texts_of
from tasks.text_normalisation import normalise
from tasks.validation.leakage.benchmarks import Benchmark, find_shared
from tasks.validation.leakage.columns import NumberColumn
from tasks.validation.leakage.hashing import MISSING, Hashes, Positions, hash_strings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.leakage.signatures import choose_bands, hash_bands, sign, sketch

if TYPE_CHECKING:
    import pyarrow as pa

# Of a longer text the start is compared with others, so that one row cannot fill the memory.
MAX_CHARACTERS: Final = 1_000_000
_BATCH_ROWS: Final = 2048
_BATCH_BYTES: Final = 1_000_000
_READ_BYTES: Final = 1 << 20
_ROW_ID_CHARACTERS: Final = 64
_ABSENT: Final = "\0"
# A label column with more values than this holds no labels, and none is shown.
_MAX_LABELS: Final = 10_000


class TextFile:
    """Normalised texts on disk, in row order; empty for a row that has none."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "texts"
        self._path.touch()
        self._ends = NumberColumn(folder / "text_ends", np.int64)
        self._size = 0

    def append(self, texts: Sequence[str]) -> None:
        """Add the texts of the next rows."""
        encoded = [text[:MAX_CHARACTERS].encode() for text in texts]
        with self._path.open("ab") as file:
            file.writelines(encoded)
        ends = list(accumulate(map(len, encoded), initial=self._size))[1:]
        self._ends.append(np.array(ends, np.int64))
        self._size = ends[-1] if ends else self._size

    def spans(self, positions: Positions) -> tuple[Positions, Positions]:
        """First byte of each of these rows' texts, and its length in bytes."""
        ends = self._ends.take(positions)
        starts = np.where(positions > 0, self._ends.take(np.maximum(positions - 1, 0)), 0)
        return starts, ends - starts

    def take(self, positions: Positions) -> list[str]:
        """The texts of these rows."""
        starts, sizes = self.spans(positions)
        with self._path.open("rb", buffering=0) as file:
            texts = []
            for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
                file.seek(start)
                texts.append(file.read(size).decode())
            return texts


class Scan:
    """What one pass over the rows leaves; all of it but the splits and ordinals on disk.

    Attributes:
        texts: normalised; kept where near-duplicates are looked for, as are sketches and bands.
        row_ids: as bytes; empty for a row without a text.
        ordinals: number of distinct row_ids before this row's, equal for rows that share one.
        text_hashes: of the normalised text; MISSING where there is none.
        asked_hashes: the same of the text with what is marked in it, where rows have entities, or
            with both answers in any order, where one of two was preferred; else these are the
            text_hashes themselves. Rows of one text that ask of other entities, or compare other
            answers, are no copies of each other, and may bear other answers.
        clusters: hash of the author or document.
        answers: by column that the model shall answer, hash of the value; MISSING where the row
            lacks it and may not.
        sketches: a byte of each minimum of the signature.
        bands: by band of the signature, hash of its minima.
        shared: by benchmark, positions of the rows that overlap with it.
        whole: those of them that are shorter than an n-gram and stand in it as a whole.
        labels: spelling of each label by its hash.
        long_texts: rows of which the start alone is compared.

    """

    def __init__(
        self, folder: Path, shape: RowShape, settings: LeakageSettings, found: Sequence[Benchmark]
    ) -> None:
        self._shape = shape
        self._settings = settings
        self._benchmarks = found
        self._splits = NumberColumn(folder / "splits", np.uint8)
        self._ordinals = NumberColumn(folder / "ordinals", np.uint32)
        self._last_row_id, self._last_ordinal = "", 0
        self.row_ids = NumberColumn(folder / "row_ids", f"S{_ROW_ID_CHARACTERS}")
        self.texts = TextFile(folder)
        self.text_hashes = NumberColumn(folder / "text_hashes", np.uint64)
        self.asked_hashes = self.text_hashes
        if shape.asks_of_text:
            self.asked_hashes = NumberColumn(folder / "asked_hashes", np.uint64)
        self.clusters = NumberColumn(folder / "clusters", np.uint64)
        answers = [column for column in shape.columns if _is_answer(column)]
        self.answers = {
            column: NumberColumn(folder / f"answer_{column.name}", np.uint64) for column in answers
        }
        self._cut = choose_bands(settings.permutations, settings.jaccard_threshold)
        count = self._cut.count if settings.near_duplicates else 0
        self.bands = [NumberColumn(folder / f"band_{band}", np.uint64) for band in range(count)]
        self.sketches = NumberColumn(folder / "sketches", np.uint8, settings.permutations)
        self.shared: dict[str, list[Positions]] = {benchmark.name: [] for benchmark in found}
        self.whole: list[Positions] = []
        self.labels: dict[int, str] = {}
        self.long_texts = 0

    @cached_property
    def splits(self) -> NDArray[np.uint8]:
        """Index in SPLITS of each row's split."""
        return self._splits.read()

    @cached_property
    def ordinals(self) -> NDArray[np.uint32]:
        """Number of distinct row_ids before each row's."""
        return self._ordinals.read()

    def append(self, table: "pa.Table") -> None:
        """Add the next rows."""
        start = len(self.text_hashes)
        self._append_keys(table)
        self._append_answers(table)
        forms = [
            normalise(text) if text and row_id else ""
            for text, row_id in zip(
                texts_of(self._shape, table).to_pylist(), table["row_id"].to_pylist(), strict=True
            )
        ]
        self.long_texts += sum(len(form) > MAX_CHARACTERS for form in forms)
        hashes = hash_strings(form or None for form in forms)
        self.text_hashes.append(hashes)
        if self._shape.asks_of_text:
            marks = marks_of(self._shape, table)
            asked = (form and f"{form}\0{mark}" for form, mark in zip(forms, marks, strict=True))
            self.asked_hashes.append(hash_strings(one or None for one in asked))
        present = np.flatnonzero(hashes != MISSING)
        texts = [forms[place][:MAX_CHARACTERS] for place in present.tolist()]
        if self.bands:
            self.texts.append(forms)
            self._append_bands(texts, present, len(forms))
        self._note_shared(texts, hashes, present, start)

    def _append_keys(self, table: "pa.Table") -> None:
        row_ids = [row_id or "" for row_id in table["row_id"].to_pylist()]
        self.row_ids.append(np.array(row_ids, f"S{_ROW_ID_CHARACTERS}"))
        changes = np.array(
            [row_id != last for last, row_id in pairwise([self._last_row_id, *row_ids])]
        )
        ordinals = self._last_ordinal + np.cumsum(changes)
        self._ordinals.append(ordinals)
        self._last_row_id, self._last_ordinal = row_ids[-1], int(ordinals[-1])
        self._splits.append(np.array([SPLITS.index(name) for name in table["split"].to_pylist()]))
        self.clusters.append(hash_strings(table["cluster"].to_pylist()))

    def _append_answers(self, table: "pa.Table") -> None:
        for column, numbers in self.answers.items():
            values = table[column.name].to_pylist()
            hashes = hash_strings(_spell(value, column) for value in values)
            numbers.append(hashes)
            if column.kind == "label" and len(self.labels) < _MAX_LABELS:
                self.labels.update(zip(hashes.tolist(), map(str, values), strict=True))

    def _append_bands(self, texts: Sequence[str], present: Positions, rows: int) -> None:
        hashes = np.full((rows, len(self.bands)), MISSING)
        sketches = np.zeros((rows, self._settings.permutations), np.uint8)
        if texts:
            signatures = sign(texts, self._settings)
            hashes[present] = hash_bands(signatures, self._cut)
            sketches[present] = sketch(signatures)
        self.sketches.append(sketches)
        for band, column in enumerate(self.bands):
            column.append(hashes[:, band])

    def _note_shared(
        self, texts: Sequence[str], hashes: Hashes, present: Positions, start: int
    ) -> None:
        for benchmark in self._benchmarks if texts else ():
            words = self._settings.ngram_words
            shared, whole = find_shared(texts, hashes[present], benchmark, words)
            self.shared[benchmark.name].append(present[shared | whole] + start)
            self.whole.append(present[whole] + start)


def marks_of(shape: RowShape, table: "pa.Table") -> list[str]:
    """What is marked in each text, as it is but for case, punctuation and Unicode form.

    An entity is told by what stands before it, by itself and by its type: punctuation moves its
    place. Of a preference it is the two answers, whichever was chosen.
    """
    marks = [""] * table.num_rows
    if shape.preference:
        pairs = zip(*(table[name].to_pylist() for name in shape.preference), strict=True)
        both = (sorted(normalise(one or "") for one in pair) for pair in pairs)
        marks = [json.dumps(one, ensure_ascii=False) for one in both]
    for one in shape.entities:
        columns = [table[name].to_pylist() for name in one.names]
        for row, (text, start, end, kind) in enumerate(zip(*columns, strict=True)):
            if text and start is not None and end is not None:
                told = (normalise(text[:start]), normalise(text[start:end]), kind)
                marks[row] += json.dumps(told, ensure_ascii=False)
    return marks


def scan_rows(
    rows: Path,
    shape: RowShape,
    settings: LeakageSettings,
    found: Sequence[Benchmark],
    folder: Path,
) -> Scan:
    """Read the snapshot once, some megabytes at a time."""
    scan = Scan(folder, shape, settings, found)
    for table in _batches(rows, shape):
        scan.append(table)
    return scan


def _batches(rows: Path, shape: RowShape) -> Iterator["pa.Table"]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    answers = [column.name for column in shape.columns if _is_answer(column)]
    inputs = [column.name for column in shape.inputs]
    names = ["row_id", *inputs, *answers, "split", "cluster"]
    # With pre_buffer, pyarrow keeps the bytes of every row group that it has read.
    with pq.ParquetFile(rows, pre_buffer=False, buffer_size=_READ_BYTES) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=names):
            table = pa.Table.from_batches([batch])
            rows_at_once = max(1, len(table) * _BATCH_BYTES // max(table.nbytes, _BATCH_BYTES))
            for start in range(0, len(table), rows_at_once):
                yield table.slice(start, rows_at_once)


def _is_answer(column: Column) -> bool:
    # An integer is a place in the text, and punctuation moves it.
    return not column.is_input and column.kind != "integer"


def _spell(value: object, column: Column) -> str | None:
    """A value as a string that is the same for equal values; None if it is missing and may not."""
    if value is None:
        return _ABSENT if column.may_be_missing else None
    if isinstance(value, str):
        return normalise(value) if column.kind == "text" else value
    if column.kind == "labels" and isinstance(value, list):
        value = sorted(map(str, value))
    return json.dumps(value, ensure_ascii=False)

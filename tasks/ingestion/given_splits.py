"""The split of each row: by hash, as a column or the source of the row says it, or one for all."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from infra.errors import DataError
from tasks.ingestion.row_ids import as_hex, assign_splits, digests_of
from tasks.ingestion.splits import SPLIT_WORDS, SplitName, SplitSettings, splits_of
from tasks.records.data import SPLITS
from tasks.sources.settings import READMITTED
from tasks.sources.source_names import SOURCE_NAME
from tasks.task_types.rows import SPLIT_WORD

_NAMED: Final = 8
_TRAIN, _VALIDATION = SPLITS[0], SPLITS[1]


class Splitter(Protocol):
    """Says which split each row is of."""

    def split(self, rows: pa.Table, identities: pa.Array, digests: NDArray[np.uint8]) -> pa.Array:
        """The splits of some rows, as they stand in a shard.

        Args:
            rows: trimmed, with cluster, file, row and, where the layout has such, split_word.
            identities: what the model reads of each.
            digests: of the identities, (N, 32).

        """

    def check(self) -> None:
        """Refuse what was seen.

        Raises:
            DataError: the split of some rows is not known, or a split has no rows.

        """


@dataclass(frozen=True)
class HashedSplits:
    """By the hash of the row's identity, or of its cluster."""

    settings: SplitSettings

    def split(self, rows: pa.Table, identities: pa.Array, digests: NDArray[np.uint8]) -> pa.Array:
        """As `Splitter` says."""
        return assign_splits(rows["cluster"], identities, digests, self.settings)

    def check(self) -> None:
        """Any row has a hash; whether a split is empty is judged when the rows are clean."""


@dataclass(frozen=True)
class OneSplit:
    """All rows are of one split, as those of a golden set are, which no model learns from."""

    name: SplitName

    def split(self, rows: pa.Table, identities: pa.Array, digests: NDArray[np.uint8]) -> pa.Array:  # noqa: ARG002 - as the protocol has it
        """As `Splitter` says."""
        return pa.repeat(pa.scalar(self.name, pa.string()), rows.num_rows)

    def check(self) -> None:
        """Nothing can be wrong."""


@dataclass
class GivenSplits:
    """As a column of the source says it, or the source that a row is from.

    A row that was taken back in is of the split that its quarantine file says.

    Attributes:
        rows: read of each split, before any is dropped.
        unknown: words that stand for no split, with the rows that hold them.
        empty: rows of which nothing says the split.
        first: file and row of the first that cannot be told, by word; of the empty ones by "".

    """

    settings: SplitSettings
    rows: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    first: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def _known(self) -> Mapping[str, str]:
        return {**SPLIT_WORDS, **self.settings.words}

    def split(self, rows: pa.Table, identities: pa.Array, digests: NDArray[np.uint8]) -> pa.Array:  # noqa: ARG002 - as the protocol has it
        """As `Splitter` says; null where it is not known, which `check` refuses."""
        words = rows[SPLIT_WORD].combine_chunks()
        if self.settings.by_source:
            named = rows[SOURCE_NAME].combine_chunks()
            own = _looked_up(named, self.settings.by_source)
            words = pc.if_else(pc.equal(named, READMITTED), words, own)
        forms = pc.utf8_lower(pc.utf8_trim_whitespace(words))
        splits = _looked_up(forms, self._known)
        self.rows.update(splits.drop_null().to_pylist())
        self._note_unknown(rows, words, pc.is_null(splits))
        return splits

    def _note_unknown(self, rows: pa.Table, words: pa.Array, wrong: pa.Array) -> None:
        found = rows.select(["file", "row"]).append_column("word", words).filter(wrong)
        for one in found.to_pylist():
            word = (one["word"] or "").strip()
            self.first.setdefault(word, (one["file"], one["row"]))
            if word:
                self.unknown[word] += 1
            else:
                self.empty += 1

    def check(self) -> None:
        """As `Splitter` says, all that is wrong at once."""
        wrong = [*self._not_told(), *self._without_rows()]
        if wrong:
            column = self.settings.column
            what = "splits.by_source" if column is None else f"splits.column ({column!r})"
            raise DataError(f"{what} says the split of each row, and " + "; ".join(wrong))

    def _not_told(self) -> Iterator[str]:
        if self.unknown:
            seen = ", ".join(f"{word!r} ({n:,})" for word, n in self.unknown.most_common(_NAMED))
            more = len(self.unknown) - _NAMED
            example = self.unknown.most_common(1)[0][0]
            yield (
                f"{self.unknown.total():,} row(s) hold words that name none: {seen}"
                + (f" and {more:,} more" if more > 0 else "")
                + f". {self._place(example)}. Known are {', '.join(self._known)}: say what the "
                f"others stand for in splits.words, such as {{{example}: test}}, or mend them"
            )
        if self.empty:
            yield (
                f"{self.empty:,} row(s) hold nothing there. {self._place('')}. Fill it in, or "
                "leave such rows out by source.keep_rows"
            )

    def _place(self, word: str) -> str:
        file, row = self.first[word]
        return f"The first is {file}: row {row}"

    def _without_rows(self) -> Iterator[str]:
        if self.unknown or self.empty:
            return
        seen = ", ".join(f"{split} {self.rows[split]:,}" for split in SPLITS)
        for split in (_TRAIN, SPLITS[2]):
            if not self.rows[split]:
                yield (
                    f"no row is of {split} (seen: {seen}); a model needs rows to learn from and "
                    "rows to be tested on: add them, or leave the setting out to split by hash"
                )

    @property
    def lacks_validation(self) -> bool:
        """Whether there are no validation rows, so that they are taken out of train by hash."""
        return not self.rows[_VALIDATION]


def splitter_of(settings: SplitSettings) -> HashedSplits | GivenSplits:
    """Who says the splits of a line's rows."""
    return GivenSplits(settings) if settings.are_given else HashedSplits(settings)


@dataclass(frozen=True)
class ValidationFromTrain:
    """Takes validation rows out of the training rows, by the hash of their identity or cluster."""

    settings: SplitSettings

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The rows of a spill, some of those of train as validation rows."""
        settings = self.settings
        left = settings.train + settings.validation
        shares = settings.model_copy(
            update={"train": settings.train / left, "validation": settings.validation / left}
        )
        row_ids = as_hex(rows["digest"].combine_chunks())
        keys = pc.coalesce(rows["cluster"].combine_chunks(), row_ids)
        # A share of 1 of both leaves none to test, but for the last bit of a sum.
        hashed = pc.equal(splits_of(digests_of(keys, settings.salt), shares), _TRAIN)
        trains = pc.equal(rows["split"], _TRAIN).combine_chunks()
        split = pc.if_else(pc.and_not(trains, hashed), _VALIDATION, rows["split"].combine_chunks())
        place = rows.schema.get_field_index("split")
        return rows.set_column(place, rows.field(place), split)


def _looked_up(values: pa.Array, known: Mapping[str, str]) -> pa.Array:
    places = pc.index_in(values, value_set=pa.array(list(known), pa.string()))
    return pa.array(list(known.values()), pa.string()).take(places)

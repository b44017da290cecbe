"""What the settings of a source made of its rows, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.data import SPLITS, SourceChanges, SourceRows
from tasks.reporting.number_format import count, share

_STRIP_HTML: Final = "source.strip_html"


@dataclass(frozen=True)
class ChangeRow:
    """One thing that a setting did, how often, and what to make of it."""

    name: str
    number: str
    setting: str
    note: str = ""


@dataclass(frozen=True)
class SourceRow:
    """What one of several sources gave, as text."""

    name: str
    read: str
    broken: str
    left_out: str
    outweighed: str
    weight: str
    train_share: str
    by_split: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of `SOURCE_HEADS`."""
        counts = (self.read, self.broken, self.left_out, self.outweighed, *self.by_split)
        return (self.name, *counts, self.weight, self.train_share)


SOURCE_HEADS: Final = (
    "source", "read", "broken", "not kept", "beyond its weight", *SPLITS, "weight",
    "share of train",
)  # fmt: skip


def source_rows(by_source: Sequence[SourceRows]) -> list[SourceRow]:
    """A row for each of several sources; none where there is one."""
    weights = sum(one.weight or 0 for one in by_source)
    training = sum(one.rows_by_split.get("train", 0) for one in by_source)
    return [
        SourceRow(
            name=one.name,
            read=count(one.rows_read),
            broken=count(one.rows_broken),
            left_out=count(one.rows_left_out),
            outweighed=count(one.rows_outweighed),
            weight="" if one.weight is None else f"{100 * one.weight / weights:.1f}%",
            train_share=share(one.rows_by_split.get("train", 0), training),
            by_split=tuple(count(one.rows_by_split.get(split, 0)) for split in SPLITS),
        )
        for one in by_source
    ]


def change_rows(changes: SourceChanges) -> list[ChangeRow]:
    """All that was changed; none where no setting asked for it."""
    return [*_of_texts(changes), *_of_labels(changes), *_of_splits(changes)]


def _of_texts(changes: SourceChanges) -> Iterator[ChangeRow]:
    if changes.rows_with_html:
        yield ChangeRow("rows with HTML, stripped", count(changes.rows_with_html), _STRIP_HTML)


def _of_labels(changes: SourceChanges) -> Iterator[ChangeRow]:
    if changes.labels_normalised:
        number = count(changes.labels_normalised)
        yield ChangeRow("labels in another form", number, "source.normalise_labels")
    for key, times in changes.labels_mapped.items():
        note = "" if times else "no label of the source is written so"
        yield ChangeRow(f"labels {key!r}, mapped", count(times), "source.label_map", note)
    if changes.labels_unmapped:
        first = ", ".join(map(repr, changes.labels_unmapped[:5]))
        more = ", …" if len(changes.labels_unmapped) > 5 else ""  # noqa: PLR2004
        number = count(len(changes.labels_unmapped))
        yield ChangeRow(
            "different labels that are not mapped", number, "source.unmapped_labels",
            f"put aside: {first}{more}",
        )  # fmt: skip


def _of_splits(changes: SourceChanges) -> Iterator[ChangeRow]:
    for split, rows in changes.rows_by_given_split.items():
        note = "as the source gives them, before any is dropped or put aside"
        yield ChangeRow(f"{split} rows given", count(rows), "splits", note)
    if changes.validation_by_hash:
        yield ChangeRow(
            "train rows taken for validation, by hash", count(changes.validation_by_hash),
            "splits.validation", "the source gives no validation rows",
        )  # fmt: skip

"""What the settings of a source made of its rows, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.records.data import SourceChanges
from tasks.reporting.number_format import count

_STRIP_HTML: Final = "source.strip_html"


@dataclass(frozen=True)
class ChangeRow:
    """One thing that a setting did, how often, and what to make of it."""

    name: str
    number: str
    setting: str
    note: str = ""


def change_rows(changes: SourceChanges) -> list[ChangeRow]:
    """All that was changed; none where no setting asked for it."""
    return [*_of_texts(changes), *_of_labels(changes)]


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

"""What is counted of the rows that keep the row rules, shard by shard."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.records.data import SPLITS
from tasks.task_types.rows import RowShape

if TYPE_CHECKING:
    import pandas as pd

ALL_ROWS: Final = "all"
# Kind of the figures that are named after labels, and how kinds of these by split begin.
LABEL: Final = "label"
LABELS_WITH_ROWS: Final = "labels with rows"
# The tag of tokens that belong to nothing.
OUTSIDE: Final = "O"


def name_type(kind: pa.DataType) -> str:
    """An Arrow type in words, the same for all widths and for all names of a list's values."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list of {name_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return " and ".join(f"{one.name} ({name_type(one.type)})" for one in kind)
    names = (
        ("text", pa.types.is_string(kind) or pa.types.is_large_string(kind)),
        ("integer", pa.types.is_integer(kind)),
        ("number", pa.types.is_floating(kind)),
    )
    return next((name for name, fits in names if fits), str(kind))


@dataclass
class RowCounts:
    """Counts of the clean rows of all shards that were added.

    Attributes:
        labels: the label set; empty where the shape has none.
        rows_by_label: of tagging, rows that hold the tag; of multi-label, rows that bear the label.
        columns: the columns' types in words, by name.

    """

    shape: RowShape
    labels: Sequence[str]
    rows: int = 0
    rows_by_split: dict[str, int] = field(init=False)
    rows_by_label: dict[str, int] = field(init=False)
    rows_by_label_and_split: dict[tuple[str, str], int] = field(init=False)
    columns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows_by_split = dict.fromkeys(SPLITS, 0)
        self.rows_by_label = dict.fromkeys(self.labels, 0)
        self.rows_by_label_and_split = {
            (label, split): 0 for label in self.labels for split in SPLITS
        }

    def add(self, rows: pa.Table) -> None:
        """Count a shard of clean rows: a table with the columns of the snapshot."""
        self.columns |= {one.name: name_type(one.type) for one in rows.schema}
        self.rows += rows.num_rows
        for split in rows["split"].value_counts().to_pylist():
            name = split["values"]
            self.rows_by_split[name] = self.rows_by_split.get(name, 0) + split["counts"]
        if self.shape.label_column is not None:
            self._add_labels(rows[self.shape.label_column], rows["split"])

    def _add_labels(self, labels: pa.ChunkedArray, splits: pa.ChunkedArray) -> None:
        if pa.types.is_list(labels.type):
            places = pc.list_parent_indices(labels)
            borne = pa.table({"row": places, "label": pc.list_flatten(labels)})
            borne = borne.group_by(["row", "label"]).aggregate([])
            labels, splits = borne["label"], splits.take(borne["row"])
        pairs = pa.table({"label": labels, "split": splits})
        counted = pairs.group_by(["label", "split"]).aggregate([([], "count_all")])
        for one in counted.to_pylist():
            label, split, count = one["label"], one["split"], one["count_all"]
            self.rows_by_label[label] = self.rows_by_label.get(label, 0) + count
            key = (label, split)
            self.rows_by_label_and_split[key] = self.rows_by_label_and_split.get(key, 0) + count

    def frame(self) -> "pd.DataFrame":
        """A figure a row, as `tasks.validation.contract.suites.set_rules` judges them.

        Returns:
            Columns kind (row, count, split, label, label in train, ..., column), name, rows and
            share (of all rows).

        """
        import pandas as pd

        frame = pd.DataFrame(self._figures(), columns=["kind", "name", "rows"])
        frame["share"] = frame["rows"] / max(self.rows, 1)
        return frame

    def _figures(self) -> Iterator[tuple[str, str, int]]:
        yield "row", ALL_ROWS, self.rows
        with_rows = sum(
            count > 0 for label, count in self.rows_by_label.items() if not self._is_outside(label)
        )
        yield "count", LABELS_WITH_ROWS, with_rows
        for split, count in self.rows_by_split.items():
            yield "split", split, count
        for label, count in self.rows_by_label.items():
            yield LABEL, label, count
        for (label, split), count in self.rows_by_label_and_split.items():
            yield f"{LABEL} in {split}", label, count
        for name, kind in self.columns.items():
            yield "column", f"{name} ({kind})", self.rows

    def _is_outside(self, label: str) -> bool:
        return self.shape.has_tags and label == OUTSIDE

"""Rows whose labels look wrong: the list in the report, and the Parquet that comes back mended."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.parquet_tables import TableWriter
from infra.store import Artifact, ObjectStore
from tasks.label_checks.row_sample import LabelledRows
from tasks.records.label_checks import LabelSuspect
from tasks.resampling import Floats, Ints
from tasks.task_types.rows import RowShape

BASELINE, MODEL, BOTH = "baseline", "model", "both"
EXCERPT_CHARACTERS: Final = 160
# What the Parquet has beside the columns of the clean rows; `assayline readmit` reads none of them.
_OWN: Final = pa.schema(
    [
        ("suggested_label", pa.string()),
        ("given_label_probability", pa.float64()),
        ("found_by", pa.string()),
    ]
)


@dataclass(frozen=True)
class Judged:
    """What models that did not learn from a row say of its label."""

    suggested: str
    probability: float
    found_by: str


def judged_rows(
    rows: LabelledRows, places: Ints, names: Sequence[str], probabilities: Floats, found_by: str
) -> dict[str, Judged]:
    """The suspects by row_id.

    Args:
        rows: the sample.
        places: of the suspects in it, (S,).
        names: of the L labels.
        probabilities: of the suspects, (S, L).
        found_by: which model.

    """
    suggested = probabilities.argmax(axis=1)
    found = {}
    for place, label, chances in zip(places, suggested, probabilities, strict=True):
        given = names.index(rows.names[int(rows.class_ids[place])])
        found[rows.row_ids[place]] = Judged(names[label], float(chances[given]), found_by)
    return found


def both_ways(baseline: dict[str, Judged], model: dict[str, Judged]) -> dict[str, Judged]:
    """The suspects of either; of both the lower probability, and the label of the trained model."""
    merged = baseline | model
    for row_id in baseline.keys() & model.keys():
        least = min(baseline[row_id].probability, model[row_id].probability)
        merged[row_id] = Judged(model[row_id].suggested, least, BOTH)
    return merged


def list_suspects(
    clean: Path, shape: RowShape, judged: dict[str, Judged], shown: int, store: ObjectStore
) -> tuple[Artifact | None, tuple[LabelSuspect, ...]]:
    """Write all suspects, the least probable labels first, and name the first of them.

    The Parquet has the columns of the clean rows, so that `assayline readmit` takes it back in when
    the labels were corrected. A row_id stands in it once.

    Args:
        clean: Parquet of the clean rows.
        shape: of the task type.
        judged: the suspects by row_id.
        shown: how many are named.
        store: the Parquet goes into.

    """
    if not judged:
        return None, ()
    table = pq.read_table(clean, filters=[("row_id", "in", sorted(judged))])
    first = {row_id: place for place, row_id in reversed([*enumerate(table["row_id"].to_pylist())])}
    order = sorted(first, key=lambda row_id: (judged[row_id].probability, row_id))
    table = table.take([first[row_id] for row_id in order])
    found = [judged[row_id] for row_id in order]
    columns = {
        "suggested_label": [one.suggested for one in found],
        "given_label_probability": [one.probability for one in found],
        "found_by": [one.found_by for one in found],
    }
    for field in _OWN:
        table = table.append_column(field, pa.array(columns[field.name], field.type))
    with TableWriter("label-suspects", table.schema, store) as writer:
        writer.write(table)
        artifact = writer.close()
    return artifact, tuple(_named(table.slice(0, shown), shape))


def read_suspects(path: Path) -> dict[str, Judged]:
    """The suspects of a Parquet that `list_suspects` wrote."""
    table = pq.read_table(path, columns=["row_id", *_OWN.names])
    return {
        row["row_id"]: Judged(
            row["suggested_label"], row["given_label_probability"], row["found_by"]
        )
        for row in table.to_pylist()
    }


def _named(table: pa.Table, shape: RowShape) -> list[LabelSuspect]:
    from tasks.task_types.rows import asked_of

    texts = asked_of(shape, table).to_pylist()
    return [
        LabelSuspect(
            row["row_id"], row["split"], row[shape.label_column or ""], row["suggested_label"],
            row["given_label_probability"], row["found_by"],
            " ".join((text or "").split())[:EXCERPT_CHARACTERS],
        )
        for row, text in zip(table.to_pylist(), texts, strict=True)
    ]  # fmt: skip

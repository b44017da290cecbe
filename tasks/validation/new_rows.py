"""New training rows held against the data contract that their parents keep."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.records.data import DataReport
from tasks.records.golden import GoldenSets
from tasks.records.training import BaseModel
from tasks.task_types.control_tokens import control_tokens
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape
from tasks.validation.contract.partitioning import RowPartitioner
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.contract.snapshot_shards import SnapshotShard
from tasks.validation.contract.suites import row_rules
from tasks.validation.golden_contract import read_golden_sets
from tasks.validation.leakage.finding import Leaks, find_leaks
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import load_pinned_tokenizer, make_frames

_TRAIN = "train"
# Where the rows of a snapshot have the file that they came from.
_ORIGIN = "augmentation"


@dataclass(frozen=True)
class Contract:
    """What a line asks of its rows.

    Attributes:
        scratch_tokens: control tokens of a base model that is yet to be built.

    """

    contract: ContractSettings
    leakage: LeakageSettings
    privacy: PrivacySettings
    scratch_tokens: tuple[str, ...] = ()


def refuse_new_rows(
    rows: pa.Table,
    data: DataReport,
    base: BaseModel | None,
    golden: GoldenSets | None,
    asked: Contract,
    store: ObjectStore,
) -> list[str]:
    """Why each new row is none that the line would learn from; empty where it is one.

    A new row is held against the row rules, and against all held-out rows, golden sets and
    benchmarks, as a training row of the source is; one that is like such a row is refused,
    whatever leakage.across_splits says. Whether it is like another training row is not asked: it is
    like its parent. Rows with personal data that the policy would redact are refused, too: their
    parents have none any more, so that a method has made it up.

    Args:
        rows: N new rows of the split train, with the columns of the clean rows.
        data: the clean rows.
        base: the pinned base model; None where it is yet to be built.
        golden: sets that no row to learn from may be like.
        asked: of the line.
        store: holds all of them.

    Returns:
        N reasons, in the order of the rows.

    Raises:
        DataError: a benchmark is missing or broken.
        BaseModelError: tokens are to be counted and the base model cannot be loaded.

    """
    shape = shape_of(data.task_type)
    order = pc.sort_indices(rows, [("row_id", "ascending")]).to_pylist()
    ordered = rows.take(order)
    with tempfile.TemporaryDirectory(prefix="assayline-new-rows-") as name:
        marks = _marks(ordered, data, golden, shape, asked.leakage, store, Path(name))
        tokenizer = load_pinned_tokenizer(base) if base else None
        spelled = control_tokens(tokenizer) if tokenizer else asked.scratch_tokens
        maker = make_frames(shape, data.labels, data.group_columns, tokenizer, asked.contract)
        rules = row_rules(asked.contract, shape, data.labels, data.group_columns)
        sorter = RowPartitioner(maker, rules, marks, asked.privacy, tuple(spelled))
        found = _reasons(sorter, ordered, shape)
    reasons = [""] * rows.num_rows
    for place, reason in zip(order, found, strict=True):
        reasons[place] = reason
    return reasons


@dataclass(frozen=True)
class _MarksOfNew:
    """What is known of the new rows, among all rows that they were held against.

    Attributes:
        places: positions of the new rows, (N,).
        total: number of all.

    """

    leaks: Leaks
    places: Sequence[int]
    total: int

    def columns(self, start: int, stop: int) -> dict[str, list[str | None]]:
        """The values for these of the new rows."""
        every = self.leaks.columns(0, self.total)
        chosen = self.places[start:stop]
        return {name: [values[place] for place in chosen] for name, values in every.items()}


def _marks(
    rows: pa.Table,
    data: DataReport,
    golden: GoldenSets | None,
    shape: RowShape,
    leakage: LeakageSettings,
    store: ObjectStore,
    folder: Path,
) -> _MarksOfNew:
    clean = store.get_file(data.clean, folder / "clean.parquet")
    held_out = pq.read_table(clean, filters=[("split", "!=", _TRAIN)])
    both = pa.concat_tables([rows, held_out.select(rows.column_names).cast(rows.schema)])
    both = both.sort_by([("row_id", "ascending"), ("split", "descending")])
    path = folder / "with-held-out.parquet"
    pq.write_table(both, path)
    sets = read_golden_sets(golden, store, folder) if golden else {}
    asked = leakage.model_copy(update={"across_splits": "quarantine", "within_split": "report"})
    leaks = find_leaks(path, shape, asked, store, sets)
    splits = both["split"].to_pylist()
    return _MarksOfNew(
        leaks, [n for n, split in enumerate(splits) if split == _TRAIN], both.num_rows
    )


def _reasons(sorter: RowPartitioner, rows: pa.Table, shape: RowShape) -> list[str]:
    """The first reason of each row, in their order."""
    origins = pa.table(
        {
            "file": pa.array([_ORIGIN] * rows.num_rows, pa.string()),
            "row": pa.array(range(1, rows.num_rows + 1), pa.int64()),
        }
    )
    parted = sorter.sort(SnapshotShard(0, rows, origins))
    failed = {
        row["row"]: row["reasons"][0].partition(":")[0]
        for row in parted.quarantine.select(["row", "reasons"]).to_pylist()
    }
    inputs = [column.name for column in shape.inputs]
    kept = iter(parted.clean.select(inputs).to_pylist())
    reasons = []
    for place, row in enumerate(rows.select(inputs).to_pylist(), start=1):
        reason = failed.get(place, "")
        if not reason and next(kept) != row:
            reason = "personal data"
        reasons.append(reason)
    return reasons

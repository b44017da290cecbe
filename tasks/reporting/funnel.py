"""From the rows that were read to the rows of each split."""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.records.data import DataReport, Snapshot
from tasks.reporting.charts import Scale
from tasks.reporting.number_format import count, share


@dataclass(frozen=True)
class FunnelStep:
    """Rows that go on, or that are left behind.

    Attributes:
        kind: ``kept``, ``dropped``, ``reason`` or ``split``.
        start: where the bar begins, in per cent of all rows read.
        width: of the bar, likewise.

    """

    name: str
    kind: str
    rows: str
    share: str
    start: float
    width: float


def data_funnel(snapshot: Snapshot, data: DataReport) -> list[FunnelStep]:
    """Every row that was read, and where it went; rows that no record explains are named too."""
    read = snapshot.rows_read
    clean = sum(data.rows_by_split.values())
    steps = [_step("read from the source", "kept", read, 0, read)]
    left = read
    for name, rows in _losses(snapshot, data):
        left -= rows
        steps.append(_step(name, "dropped", rows, left, read))
    steps += [
        _step(f"because: {reason}", "reason", rows, left, read)
        for reason, rows in data.quarantined_by_reason.items()
    ]
    if missing := left - clean:
        steps.append(_step("missing for no recorded reason", "dropped", missing, clean, read))
    steps.append(_step("keep the contract", "kept", clean, 0, read))
    start = 0
    for name, rows in data.rows_by_split.items():
        steps.append(_step(name, "split", rows, start, read))
        start += rows
    return steps


def _losses(snapshot: Snapshot, data: DataReport) -> Iterator[tuple[str, int]]:
    """What was left behind, in the order in which it was; the quarantine last."""
    if snapshot.changes.rows_left_out:
        yield "not kept by source.keep_rows", snapshot.changes.rows_left_out
    yield "exact duplicates, dropped", snapshot.duplicates_dropped
    if snapshot.rows_superseded:
        yield "replaced by repaired rows", snapshot.rows_superseded
    if snapshot.rows_outweighed:
        yield "beyond the weights of the sources, left out", snapshot.rows_outweighed
    if snapshot.rows_sampled_out:
        yield "beyond source.max_rows, left out", snapshot.rows_sampled_out
    yield "quarantined", data.rows_quarantined


def _step(name: str, kind: str, rows: int, start: int, read: int) -> FunnelStep:
    scale = Scale(0.0, float(max(read, 1)))
    width = round(scale.at(abs(rows)), 2)
    return FunnelStep(name, kind, count(rows), share(rows, read), scale.at(start), width)

"""From the rows that were read to the rows of each split."""

from dataclasses import dataclass

from tasks.records import DataReport, Snapshot
from tasks.reporting.charts import Scale
from tasks.reporting.figures import count, share


@dataclass(frozen=True)
class FunnelStep:
    """Rows that go on, or that are left behind.

    Attributes:
        kind: ``kept``, ``dropped`` or ``split``.
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
    kept, clean = sum(snapshot.rows_by_split.values()), sum(data.rows_by_split.values())
    lost = read - snapshot.duplicates_dropped - kept
    missing = kept - data.rows_quarantined - clean
    steps = [
        _step("read from the source", "kept", read, 0, read),
        _step("exact duplicates, dropped", "dropped", snapshot.duplicates_dropped, kept, read),
        *_unexplained(lost, kept, read),
        _step("in the snapshot", "kept", kept, 0, read),
        _step("quarantined", "dropped", data.rows_quarantined, clean, read),
        *_reasons(data, clean, read),
        *_unexplained(missing, clean, read),
        _step("keep the contract", "kept", clean, 0, read),
    ]
    start = 0
    for name, rows in data.rows_by_split.items():
        steps.append(_step(name, "split", rows, start, read))
        start += rows
    return steps


def _unexplained(rows: int, start: int, read: int) -> list[FunnelStep]:
    name = "missing for no recorded reason"
    return [_step(name, "dropped", rows, start, read)] if rows else []


def _reasons(data: DataReport, clean: int, read: int) -> list[FunnelStep]:
    return [
        _step(f"because: {reason}", "reason", rows, clean, read)
        for reason, rows in data.quarantined_by_reason.items()
    ]


def _step(name: str, kind: str, rows: int, start: int, read: int) -> FunnelStep:
    scale = Scale(0.0, float(max(read, 1)))
    width = round(scale.at(abs(rows)), 2)
    return FunnelStep(name, kind, count(rows), share(rows, read), scale.at(start), width)

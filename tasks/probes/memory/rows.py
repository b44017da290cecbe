"""Which training and which held-out rows are compared, so that only the learning differs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from tasks.perturbations.draws import rank_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, RowShape, asked_of
from tasks.text_normalisation import normalise

# Where a line has one source.
_ONE: Final = ""


@dataclass(frozen=True, eq=False)
class Sides:
    """Rows that were learned and rows that were not.

    Attributes:
        members: training rows, (M,).
        others: held-out rows, (M,): as many of each source.
        left_out: rows whose text stands on the other side too.

    """

    members: pa.Table
    others: pa.Table
    left_out: int


def draw_sides(
    train: pa.Table,
    held_out: pa.Table,
    task_type: str,
    *,
    limit: int,
    seed: int,
    by_cluster: bool,
    sources: Mapping[str, str] | None = None,
) -> Sides:
    """As many rows of either side, from the same sources in the same shares.

    A text on both sides, but for case, spaces and punctuation, says nothing of membership. Where
    rows have clusters, one row of each is taken at most: rows of one author are as like each other
    in what a model holds of them as in all else.

    Args:
        train: training rows, with row_id and the columns of the task type.
        held_out: rows that no model learned, likewise.
        task_type: what the rows are of.
        limit: rows of a side at most.
        seed: of the draw; which rows are drawn does not depend on their order.
        by_cluster: whether clusters count.
        sources: source of each row_id; None of a line with one.

    """
    shape = shape_of(task_type)
    texts = [_texts(shape, rows) for rows in (train, held_out)]
    both = set(texts[0]) & set(texts[1])
    kept = [[place for place, text in enumerate(side) if text not in both] for side in texts]
    left_out = sum(len(side) - len(places) for side, places in zip(texts, kept, strict=True))
    sides = [
        _ordered(rows, places, seed, by_cluster=by_cluster)
        for rows, places in zip((train, held_out), kept, strict=True)
    ]
    named = [
        [(sources or {}).get(row_id, _ONE) for row_id in _ids(rows, places)]
        for rows, places in zip((train, held_out), sides, strict=True)
    ]
    quota = _quota(Counter(named[0]), Counter(named[1]), limit)
    drawn = [_drawn(places, of, quota) for places, of in zip(sides, named, strict=True)]
    return Sides(train.take(pa.array(drawn[0], pa.int64())),
                 held_out.take(pa.array(drawn[1], pa.int64())), left_out)  # fmt: skip


def _texts(shape: RowShape, rows: pa.Table) -> list[str]:
    return [normalise(text or "") for text in asked_of(shape, rows).to_pylist()]


def _ids(rows: pa.Table, places: Sequence[int]) -> list[str]:
    ids = rows["row_id"].to_pylist()
    return [ids[place] for place in places]


def _ordered(rows: pa.Table, places: Sequence[int], seed: int, *, by_cluster: bool) -> list[int]:
    """Places by the hash of their rows; of each cluster the first one alone."""
    ids = rows["row_id"].to_pylist()
    ordered = sorted(places, key=lambda place: rank_of(seed, "membership", ids[place]))
    if not by_cluster or CLUSTER not in rows.column_names:
        return ordered
    clusters, seen, kept = rows[CLUSTER].to_pylist(), set[str](), list[int]()
    for place in ordered:
        cluster = clusters[place]
        if cluster is None or cluster not in seen:
            kept.append(place)
            seen.add(cluster)
    return kept


def _quota(one: Counter[str], other: Counter[str], limit: int) -> dict[str, int]:
    """Rows of each source that both sides have, scaled down to the limit."""
    common = {name: min(one[name], other[name]) for name in sorted(one.keys() & other.keys())}
    total = sum(common.values())
    if total <= limit:
        return common
    return {name: count * limit // total for name, count in common.items()}


def _drawn(places: Sequence[int], sources: Sequence[str], quota: Mapping[str, int]) -> list[int]:
    left, drawn = dict(quota), []
    for place, source in zip(places, sources, strict=True):
        if left.get(source, 0) > 0:
            left[source] -= 1
            drawn.append(place)
    return drawn

"""What is measured of predicted tags: precision, recall and F1 of whole spans."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import DataError
from tasks.resampling import Floats, Ints
from tasks.task_types.measures import Measure, Measured, ratio_of_sums
from tasks.task_types.tags.tag_spans import SpanCounts, count_spans, read_tags

# Right, predicted and true of each span of a row that says nothing right, and of one that does.
_WORST, _BEST = np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0])


def measure_tags(
    truth: pa.ChunkedArray, predicted: pa.ChunkedArray, labels: Sequence[str]
) -> Measured:
    """Measure tags as seqeval's strict mode does, and the share of right tags.

    Metrics that end in ``_lenient`` are those of its default mode.

    A row's score is the F1 of its spans, 1 where it has none and none is predicted.

    Args:
        truth: Arrow lists of strings, N rows.
        predicted: likewise, as long row by row.
        labels: the label set.

    Raises:
        DataError: a row has fewer or more predicted tags than words.

    """
    true, called = _combined(truth), _combined(predicted)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(true), 0), dtype=np.int64)
    answered = np.asarray(pc.fill_null(pc.list_value_length(called), 0), dtype=np.int64)
    if not np.array_equal(lengths, answered):
        row = int(np.flatnonzero(lengths != answered)[0])
        raise DataError(
            f"row {row + 1} has {answered[row]} predicted tags for {lengths[row]} words"
        )
    codes = pa.concat_arrays([true.flatten(), called.flatten()]).dictionary_encode()
    tags = read_tags(codes.dictionary.to_pylist(), labels)
    true_tags, called_tags = np.split(codes.indices.to_numpy().astype(np.int64), 2)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    counts = count_spans(true_tags, called_tags, rows, len(lengths), tags)
    lenient = count_spans(true_tags, called_tags, rows, len(lengths), tags, lenient=True)
    right = np.bincount(rows[true_tags == called_tags], minlength=len(lengths))
    return Measured(
        measures=(
            *_measures(counts, tags.names, labels),
            *_of_spans(_of_all_types(lenient), "_lenient", "entity"),
            _token_accuracy(right, lengths),
        ),
        row_scores=_row_scores(counts),
        leading=("entity_f1", "macro_entity_f1"),
    )


def _combined(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    one = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return one.cast(pa.list_(pa.string()))


def _row_scores(counts: SpanCounts) -> Floats:
    right, total = counts.right.sum(axis=1), (counts.predicted + counts.true).sum(axis=1)
    return np.where(total == 0, 1.0, 2 * right / np.maximum(total, 1))


def _token_accuracy(right: Ints, lengths: Ints) -> Measure:
    columns = [right.astype(np.float64), lengths.astype(np.float64)]
    of_a_row = float(lengths.mean()) if len(lengths) else 0.0
    ends = [(0.0, of_a_row), (of_a_row, of_a_row)]
    found = ratio_of_sums("token_accuracy", columns, _precision, pseudo_rows=ends)
    return replace(found, reason="" if lengths.any() else "no row has a word")


def _precision(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _recall(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 2])


def _f1(sums: Floats) -> Floats:
    return np.asarray(2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]))


def _measures(counts: SpanCounts, names: Sequence[str], labels: Sequence[str]) -> list[Measure]:
    """Over all types, as the mean of all types, and of each type."""
    table = np.stack([counts.right, counts.predicted, counts.true], axis=-1)  # (N, K, 3)
    measures = _of_spans(table.sum(axis=1), "", "entity")
    measures.insert(1, _macro(table, names, labels))
    for name in read_tags(labels).names:
        place = list(names).index(name) if name in names else -1
        own = table[:, place] if place >= 0 else np.zeros((len(table), 3))
        measures += _of_spans(own, f".{name}", f"entity of type {name!r}")
    return measures


def _of_all_types(counts: SpanCounts) -> Ints:
    """Right, predicted and true spans (N, 3) of each row."""
    table: Ints = np.stack([counts.right, counts.predicted, counts.true], axis=-1)
    return np.asarray(table.sum(axis=1), dtype=np.int64)


def _of_spans(sums: Floats | Ints, suffix: str, what: str) -> list[Measure]:
    """F1, precision and recall from (N, 3) right, predicted and true spans of each row."""
    absent = "" if sums[:, 2].any() else f"there is no {what}"
    uncalled = "" if sums[:, 1].any() else f"no {what} is predicted"
    spans = _spans_beside_a_span(sums)
    ends = [tuple(spans * _WORST), tuple(spans * _BEST)]
    return [
        replace(
            ratio_of_sums(f"entity_{name}{suffix}", [*sums.T], value, pseudo_rows=ends),
            reason=reason,
        )
        for name, value, reason in (
            ("f1", _f1, absent),
            ("precision", _precision, uncalled),
            ("recall", _recall, absent),
        )
    ]


def _spans_beside_a_span(sums: Floats | Ints) -> float:
    """How many spans stand in the row of a span, itself counted, on average; 1 where there is none.

    A pseudo-row has so many: rows have one span or six, and the mean of a row, or one span, would
    hold it for less than the rows that move the metric.
    """
    spans = (sums[:, 1] + sums[:, 2]) / 2
    return max(1.0, float((spans**2).sum() / spans.sum())) if spans.any() else 1.0


def _macro(table: Ints, names: Sequence[str], labels: Sequence[str]) -> Measure:
    """The mean F1 of the types, each of equal weight; a pseudo-row is spread over them.

    Each type has the share of it that it has in the variance of the mean, which falls with its
    spans (as labels have it in `labels.confusion`).
    """
    seen = [place for place in range(len(names)) if table[:, place, 1:].any()]
    there = {names[place] for place in seen if table[:, place, 2].any()}
    absent = [name for name in read_tags(labels).names if name not in there]

    def value(sums: Floats) -> Floats:
        by_type = sums.reshape(*sums.shape[:-1], -1, 3)  # (r, K, 3)
        return np.asarray(_f1(by_type).mean(axis=-1))

    columns = table[:, seen].reshape(len(table), -1).T if seen else np.zeros((3, len(table)))
    spans = np.array([_spans_beside_a_span(table[:, place]) for place in seen] or [1.0])
    variances = 1 / np.array([max(1, table[:, place, 2].sum()) for place in seen] or [1])
    spans *= variances / variances.sum()
    halves = [tuple(np.outer(spans, half).reshape(-1)) for half in (_WORST, _BEST)]
    reason = f"there is no entity of type {', '.join(map(repr, absent))}"
    return replace(
        ratio_of_sums("macro_entity_f1", [*columns], value, pseudo_rows=halves),
        reason=reason if absent else "",
    )

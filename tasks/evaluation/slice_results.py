"""How the candidate does on each slice, and how that differs from all other rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from tasks.evaluation.comparison import Comparator
from tasks.evaluation.intervals import Drawn, Quantity, draw, gain_of, level_of
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.slice_search import search_slices
from tasks.evaluation.slices import Bools, Slice, slices_of
from tasks.records.evaluation import SliceResult
from tasks.resampling import Floats, holm
from tasks.resampling_units import MIN_CLUSTERS, Units, clusters_of_groups
from tasks.task_types.measures import Measured, mean_of_some
from tasks.task_types.rows import CLUSTER, RowShape
from tasks.verdicts import Estimate, undetermined

GAP = "score_gap"
ROW_SCORE = "row_score"
WORST_FOUND = f"slice.worst_found.{GAP}"


@dataclass(frozen=True, eq=False)
class _Judged:
    """A slice within the rows that may judge it."""

    slice: Slice
    inside: Bools
    outside: Bools
    reason: str


def measure_slices(
    rows: pa.Table,
    shape: RowShape,
    measured: Measured,
    units: Units,
    settings: EvaluationSettings,
) -> tuple[list[Estimate], tuple[SliceResult, ...]]:
    """Leading metrics and score gap of each slice, and the worst slices that a search finds.

    Of the leading metrics those that follow from sums over the rows.

    Args:
        rows: the test rows with their features.
        shape: of the task type.
        measured: of the candidate's answers.
        units: what is drawn.
        settings: which slices.

    """
    scores, least = measured.row_scores, settings.slices.min_rows
    named = slices_of(rows, settings.slices)
    judged = [_judge(one, np.isfinite(scores), least, units) for one in named]
    gaps = [_gap(one, scores, units, f"slice.{one.slice.name}.{GAP}") for one in judged]
    # One that follows from no sums would be computed anew in each draw of each slice.
    leading = [one for one in measured.measures if one.name in measured.leading and one.sums]
    levels = [
        level_of("slice", one, units, np.where(each.slice.members, 0, -1), name)
        for each in judged
        for one in leading
        if not each.reason and (name := f"slice.{each.slice.name}.{one.name}")
    ]
    drawn = draw([*gaps, *levels], settings.repeats, settings.seed)
    results = _results(judged, drawn[: len(gaps)], scores)
    estimates = [one.estimate for one in drawn]
    if not settings.slices.search:
        return estimates, results
    worst, found = _search(rows, shape, named, scores, units, settings)
    return [*estimates, worst], (*results, *found)


def slice_gains(
    rows: pa.Table,
    ours: Measured,
    other: Comparator | None,
    units: Units,
    settings: EvaluationSettings,
) -> list[Estimate]:
    """How much better the candidate's row score is on each named slice than another model's.

    What compression loses it loses first on rows that are rare (Hooker et al. 2020,
    arXiv:2010.03058), which an average over all rows hides.

    Args:
        rows: the test rows with their features, (N,).
        ours: of the candidate's answers to all of them.
        other: the other model, which was asked all of them; None where there is none.
        units: what is drawn.
        settings: which slices.

    """
    if other is None or other.reason or other.measured is None or other.shared:
        return []
    scores = (ours.row_scores, other.measured.row_scores)
    known = np.isfinite(scores[0]) & np.isfinite(scores[1])
    quantities = []
    for one in slices_of(rows, settings.slices):
        judged = _judge(one, known, settings.slices.min_rows, units)
        mine, theirs = (mean_of_some(ROW_SCORE, np.nan_to_num(s), judged.inside) for s in scores)
        gain = gain_of(f"{other.name}.slice.{one.name}", mine, theirs, units)
        quantities.append(replace(gain, reason=gain.reason or judged.reason))
    return [one.estimate for one in draw(quantities, settings.repeats, settings.seed)]


def _search(
    rows: pa.Table,
    shape: RowShape,
    named: Sequence[Slice],
    scores: Floats,
    units: Units,
    settings: EvaluationSettings,
) -> tuple[Estimate, tuple[SliceResult, ...]]:
    """The worst slices on one half, measured on the other; the first is an estimate of its own."""
    row_ids = rows["row_id"].to_pylist()
    clusters = rows[CLUSTER].to_pylist() if units.clustered else [None] * len(row_ids)
    together = [row if cluster is None else cluster for row, cluster in zip(row_ids, clusters)]  # noqa: B905 - as long
    least = settings.slices.min_rows
    search = search_slices(rows, shape, named, scores, together, settings.slices)
    if not search.found:
        reason = (
            f"of {search.candidates} slices none has {least} rows of the searched half that score "
            "below the others"
        )
        return undetermined(WORST_FOUND, int(search.confirming.sum()), reason), ()
    judged = [_judge(one, search.confirming, least, units) for one in search.found]
    names = [WORST_FOUND, *(f"slice.{one.slice.name}.{GAP}" for one in judged[1:])]
    gaps = [_gap(one, scores, units, name) for one, name in zip(judged, names, strict=True)]
    drawn = draw(gaps, settings.repeats, settings.seed)
    return drawn[0].estimate, _results(judged, drawn, scores)


def _judge(one: Slice, among: Bools, least: int, units: Units) -> _Judged:
    inside, outside = one.members & among, ~one.members & among
    reason = one.reason
    for words, rows in (("the slice", inside), ("all other rows", outside)):
        if not reason and rows.sum() < least:
            reason = f"{words} has {rows.sum()} rows; {least} are asked for"
            reason = reason.replace("rows has", "rows are") if "other" in words else reason
    if not reason and units.clustered:
        fewest = int(clusters_of_groups(units, np.stack([inside, outside], axis=1)).min())
        if fewest < MIN_CLUSTERS:
            reason = f"its rows, or all others, are of {fewest} clusters; {MIN_CLUSTERS} would do"
    return _Judged(one, inside, outside, reason)


def _gap(one: _Judged, scores: Floats, units: Units, name: str) -> Quantity:
    """Mean score of the slice less that of the other rows; each has a pseudo-row of its own."""
    inside, outside = (
        np.stack(
            [
                np.bincount(units.of_row[rows], column[rows], minlength=units.count)
                for column in (np.nan_to_num(scores), np.ones(len(scores)))
            ],
            axis=1,
        )
        for rows in (one.inside, one.outside)
    )
    count = units.count

    def statistic(weights: np.ndarray) -> np.ndarray:
        factors, pseudo = weights[:, :count], weights[:, count:]
        means = []
        for table, bad, good in (
            (inside, pseudo[:, 0], pseudo[:, 2]),
            (outside, *pseudo.T[[3, 1]]),
        ):
            sums = factors @ table
            means.append((sums[:, 0] + good) / (sums[:, 1] + bad + good))
        return np.asarray(means[0] - means[1])

    reason = one.reason
    value = float(scores[one.inside].mean() - scores[one.outside].mean()) if not reason else np.nan
    n = int(one.inside.sum())
    return Quantity(name, value, n, units, statistic, (1.0,) * 4, name, reason=reason)


def _results(
    judged: Sequence[_Judged], drawn: Sequence[Drawn], scores: Floats
) -> tuple[SliceResult, ...]:
    adjusted: dict[int, float] = {}
    for origin in dict.fromkeys(one.slice.origin for one in judged):
        of_origin = [
            (index, p)
            for index, (one, made) in enumerate(zip(judged, drawn, strict=True))
            if one.slice.origin == origin and (p := made.p_value) is not None
        ]
        corrected = holm([p for _, p in of_origin])
        adjusted |= {index: p for (index, _), p in zip(of_origin, corrected, strict=True)}
    return tuple(
        SliceResult(
            name=one.slice.name,
            description=one.slice.description,
            origin=one.slice.origin,
            rows=int(one.inside.sum()),
            score=float(scores[one.inside].mean()) if one.inside.any() else None,
            gap=made.estimate,
            p_adjusted=adjusted.get(index),
            reason=one.reason or made.estimate.reason,
        )
        for index, (one, made) in enumerate(zip(judged, drawn, strict=True))
    )

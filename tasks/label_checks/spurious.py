"""What predicts a label too well: chosen on training rows, measured on held-out ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.label_checks.features import SOURCE, WORD, Features, features_of
from tasks.label_checks.row_sample import LabelledRows
from tasks.label_checks.settings import LabelCheckSettings, SpuriousSettings
from tasks.records.label_checks import Finding, LabelPredictor, SpuriousCorrelation
from tasks.resampling import (
    Floats,
    Ints,
    Largest,
    estimate_from_two_draws,
    generator,
    ladder_around,
    tail_quantiles,
)
from tasks.resampling_units import MIN_CLUSTERS, Units, units_of_rows
from tasks.verdicts import MAX_FAMILY, Estimate, undetermined

LARGEST: Final = "labels.spurious_correlation"
# Features that are measured on the held-out rows: as many as a ladder corrects for.
MEASURED: Final = MAX_FAMILY
# Of each of the four cells; see tasks/representation/associations.py.
_PSEUDO_ROWS: Final = np.full(4, 1 / 2)
# Of the largest correlation, which a gate bounds from above: a whole row behind either cell that
# raises it (docs/decisions/0030). Half a row in all four let a gate at the truth pass in 3 to 5%.
_RAISING_ROWS: Final = np.array([1.0, 0.0, 0.0, 1.0])
# Held-out rows below which nothing is told.
MIN_HELD_OUT: Final = 30
# Correlation that the corrected lower end must reach before a run is ended: few rows can agree by
# chance.
_SURELY: Final = 0.5


@dataclass(frozen=True)
class _Chosen:
    """A feature, the label that it tells on training rows, and whether by its absence."""

    feature: int
    label: int
    absent: bool


def find_spurious(
    rows: LabelledRows, sources: Sequence[str | None] | None, settings: LabelCheckSettings
) -> SpuriousCorrelation:
    """The features that alone predict labels best, and how well.

    Of thousands of features some predict a label of the rows at hand by chance. So the best 20 are
    chosen on training rows, and measured on the rows that are held out, with intervals corrected
    for these 20 (Bonferroni).

    Args:
        rows: the sample.
        sources: where each row comes from, where there are several places.
        settings: limits, repeats and seed.

    """
    held, training = rows.held_out, ~rows.held_out
    few = f"{held.sum()} held-out rows are too few; {MIN_HELD_OUT} would do"
    if held.sum() < MIN_HELD_OUT or training.sum() < settings.spurious.min_rows:
        return _nothing(few if training.any() else "there are no training rows", int(held.sum()))
    features = features_of(rows.texts, sources, min_rows=settings.spurious.min_rows)
    chosen = _choose(features, rows.labels, training, settings.spurious.min_rows)
    if not chosen:
        return _nothing("no word stands in enough training rows", int(held.sum()))
    units = _units(rows, held, settings.seed)
    if units.clustered and units.atoms < MIN_CLUSTERS:
        return _nothing(f"{units.atoms} clusters; {MIN_CLUSTERS} would do", int(held.sum()))
    predictors, largest = _measure(chosen, features, rows, units, settings)
    exclusive = bool((rows.labels.sum(axis=1) == 1).all())
    return SpuriousCorrelation(
        predictors=predictors,
        largest=largest,
        majority=float(rows.labels[held].mean(axis=0).max()) if exclusive else None,
        features=len(features.names),
    )


def _nothing(reason: str, rows: int) -> SpuriousCorrelation:
    return SpuriousCorrelation((), undetermined(LARGEST, rows, reason), None, 0, reason)


def _units(rows: LabelledRows, held: NDArray[np.bool_], seed: int) -> Units:
    places = np.flatnonzero(held)
    clusters = rows.clusters and [rows.clusters[place] for place in places]
    return units_of_rows([rows.row_ids[place] for place in places], clusters, seed=seed)


def _choose(
    features: Features, labels: NDArray[np.bool_], training: NDArray[np.bool_], min_rows: int
) -> list[_Chosen]:
    """The features that tell a label of the training rows best, the best first."""
    table = features.table.tocsr()[np.flatnonzero(training)]
    truth = labels[training].astype(np.int64)
    having = np.asarray(table.sum(axis=0)).ravel()[:, None]
    both = np.asarray(table.T @ truth)
    of_label, rows = truth.sum(axis=0)[None], len(truth)
    cells = np.stack([both, having - both, of_label - both, rows - having - of_label + both], -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num(matthews(cells.astype(np.float64)))
    correlation[having[:, 0] < min_rows] = 0
    best = np.abs(correlation).argmax(axis=1)
    strength = correlation[np.arange(len(best)), best]
    order = np.argsort(-np.abs(strength), kind="stable")[:MEASURED]
    return [_Chosen(int(at), int(best[at]), bool(strength[at] < 0)) for at in order if strength[at]]


def matthews(cells: Floats) -> Floats:
    """Matthews' correlation of two properties.

    Args:
        cells: rows with (both, the first alone, the second alone, neither), (..., 4).

    """
    both, first, second, neither = np.moveaxis(cells, -1, 0)
    spread = (both + first) * (second + neither) * (both + second) * (first + neither)
    return np.asarray((both * neither - first * second) / np.sqrt(spread))


def pointwise_information(cells: Floats) -> Floats:
    """Pointwise mutual information in bits (Church and Hanks 1990) of cells as in `matthews`."""
    both, first, second, _ = np.moveaxis(cells, -1, 0)
    rows = cells.sum(axis=-1)
    return np.asarray(np.log2(both * rows / ((both + first) * (both + second))))


def _measure(
    chosen: list[_Chosen],
    features: Features,
    rows: LabelledRows,
    units: Units,
    settings: LabelCheckSettings,
) -> tuple[tuple[LabelPredictor, ...], Estimate]:
    held = np.flatnonzero(rows.held_out)
    table = features.table.tocsr()[held][:, [one.feature for one in chosen]].toarray() > 0
    having = table != np.array([one.absent for one in chosen])[None]
    truth = rows.labels[held][:, [one.label for one in chosen]]
    cells = np.stack(
        [having & truth, having & ~truth, ~having & truth, ~having & ~truth], axis=-1
    )  # (N, K, 4)
    counts = cells.sum(axis=0).astype(np.float64)
    rows_drawn = _draw(cells, units, settings)
    draws, raised = (
        rows_drawn + _pseudo_rows(masses, rows_drawn, units, settings)
        for masses in (_PSEUDO_ROWS, _RAISING_ROWS)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [function(counts) for function in (matthews, pointwise_information)]
        drawn = [function(draws) for function in (matthews, pointwise_information)]
        higher = [function(raised) for function in (matthews, pointwise_information)]
    accuracies = _accuracies(chosen, features, rows)
    found = []
    for place, one in enumerate(chosen):
        name = f"{LARGEST}.{features.names[one.feature]}.{rows.names[one.label]}"
        both, alone, missed, _ = (int(number) for number in counts[place])
        correlation, information = (
            estimate_from_two_draws(
                name, float(value[place]), draw[:, place], up[:, place], len(held)
            )
            for value, draw, up in zip(values, drawn, higher, strict=True)
        )
        found.append(
            LabelPredictor(
                features.names[one.feature], one.absent, rows.names[one.label], both + alone, both,
                both + missed, correlation, information, accuracies[place],
            )
        )  # fmt: skip
    kinds = [features.kinds[one.feature] for one in chosen]
    judged = [
        replace(one, finding=finding_of(one, kind, len(chosen), settings.spurious))
        for one, kind in zip(found, kinds, strict=True)
    ]
    counted = [
        place for place, one in enumerate(found) if one.feature not in settings.spurious.allowed
    ]
    untold = [found[place] for place in counted if found[place].correlation.value is None]
    largest = (
        undetermined(LARGEST, len(held), _nothing_held_out(untold[0]))
        if untold
        else _largest(values[0][counted], higher[0][:, counted], drawn[0][:, counted], len(held))
    )
    return tuple(sorted(judged, key=_order)), largest


def _nothing_held_out(one: LabelPredictor) -> str:
    """Of a property that tells a label in training, and of which the held-out rows say nothing."""
    return (
        f"{one.feature!r} goes with the label {one.label!r} in the training rows, and the held-out "
        "rows all have it or all lack it; add rows, or name it in label_checks.spurious.allowed"
    )


def _draw(cells: NDArray[np.bool_], units: Units, settings: LabelCheckSettings) -> Floats:
    """Weights of the cells in draws of the rows, (R, K, 4)."""
    size = cells.shape[1] * 4
    by_unit = np.zeros((units.count, size))
    np.add.at(by_unit, units.of_row, cells.reshape(len(cells), size).astype(np.float64))
    parts = [
        factors @ by_unit
        for factors in units.factors(settings.repeats, generator(settings.seed, "units"))
    ]
    return np.concatenate(parts).reshape(-1, cells.shape[1], 4)


def _pseudo_rows(
    masses: Floats, draws: Floats, units: Units, settings: LabelCheckSettings
) -> Floats:
    """Weights of pseudo-rows of these masses (4,) in each draw, (R, K, 4)."""
    random = generator(settings.seed, "pseudo-rows")
    return random.standard_gamma(masses, draws.shape) * units.rows_per_atom


def _accuracies(
    chosen: list[_Chosen], features: Features, rows: LabelledRows
) -> list[float | None]:
    """Held-out accuracy of the model that gives each side of a feature its commonest label."""
    if not (rows.labels.sum(axis=1) == 1).all():
        return [None] * len(chosen)
    held, truth = rows.held_out, rows.class_ids
    return [
        float(np.mean(_told_by(column, truth, held, len(rows.names)) == truth[held]))
        for column in _columns(chosen, features)
    ]


def _columns(chosen: list[_Chosen], features: Features) -> Iterator[Ints]:
    for one in chosen:
        yield features.table[:, [one.feature]].toarray().ravel().astype(np.int64)


def _told_by(column: Ints, truth: Ints, held: NDArray[np.bool_], size: int) -> Ints:
    counts = np.bincount(column[~held] * size + truth[~held], minlength=2 * size).reshape(2, size)
    return np.asarray(counts.argmax(axis=1)[column[held]], dtype=np.int64)


def finding_of(one: LabelPredictor, kind: str, family: int, settings: SpuriousSettings) -> Finding:
    """Whether it is a warning, or ends the run.

    A warning asks that the correlation itself reaches its limit, and the end of a run that its
    lower end, corrected for the family, lies surely beyond what chance gives, too.
    """
    value, ladder = one.correlation.value, one.correlation.ladder
    limit = settings.max_word if kind == WORD else settings.max_property
    if value is None or value < limit or one.feature in settings.allowed:
        return ""
    surely = ladder[family - 1][0] >= _SURELY
    refused = settings.refuse_from is not None and value >= settings.refuse_from
    return "breach" if refused and surely and kind != SOURCE else "warning"


def _largest(values: Floats, raised: Floats, draws: Floats, rows: int) -> Estimate:
    """The largest of K correlations, from draws (R, K) that are raised and that are not.

    A correlation is skewed, so that the lower end, which is mirrored at the value, is also held
    against the lower end of the feature's own draws.
    """
    if not values.size:
        return undetermined(LARGEST, rows, "no feature is left that is not allowed")
    largest = Largest()
    largest.add(values, raised)
    found = largest.estimate(LARGEST, rows)
    if found.value is None:
        return found
    own = tail_quantiles(draws[:, int(values.argmax())])[0]
    ladder = np.array(found.ladder)
    lows = np.minimum(ladder[:, 0], own)
    return replace(found, ladder=ladder_around(found.value, lows, ladder[:, 1]))


def _order(one: LabelPredictor) -> tuple[float, str, str]:
    value = one.correlation.value
    return (-value if value is not None else np.inf, one.feature, one.label)

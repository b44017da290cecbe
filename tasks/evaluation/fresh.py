"""The candidate on the test rows that no earlier look has read: their first look, at full alpha."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infra.errors import IntegrityError
from infra.row_hashes import among, from_bytes, hashes_of
from infra.store import ObjectStore
from tasks.evaluation.comparison import Comparator, gains_over
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.looks import HeldOut
from tasks.resampling_units import Units, units_of_table
from tasks.task_types.examiner import Examiner
from tasks.task_types.measures import Measured
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate, undetermined

FAMILY = "fresh"


@dataclass(frozen=True)
class FreshRows:
    """Which test rows are fresh, and how many it takes.

    Attributes:
        named: by the look at the test rows.
        least: with fewer, nothing is told of them.

    """

    named: HeldOut
    least: int


@dataclass(frozen=True)
class Evaluated:
    """The test rows, and what candidate and champion say of them.

    Attributes:
        test: the rows, (N,).
        answers: of the candidate.
        measured: of these.
        champion: None where there is none.
        estimates: quality.* and champion.*, over all rows.

    """

    test: pa.Table
    answers: pa.Table
    measured: Measured
    champion: Comparator | None
    estimates: list[Estimate]


def measure_fresh(
    fresh: FreshRows | None,
    evaluated: Evaluated,
    examiner: Examiner,
    settings: EvaluationSettings,
    store: ObjectStore,
) -> list[Estimate]:
    """Each metric of all labels as fresh.METRIC, each gain over the champion as fresh.METRIC_gain.

    Raises:
        IntegrityError: the hashes of the fresh rows are not what was written.
        StoreError: they are missing, or the store does not answer.

    """
    if fresh is None:
        return []
    of_all = _under_own_names(evaluated.estimates)
    if fresh.named.rows < fresh.least:
        reason = (
            f"{fresh.named.rows} of the {evaluated.test.num_rows} test rows were read by no "
            f"earlier look, and splits.fresh asks {fresh.least}"
        )
        return [undetermined(one.name, fresh.named.rows, reason) for one in of_all]
    if fresh.named.rows == evaluated.test.num_rows:
        return of_all
    chosen = _which(fresh.named, evaluated.test, store)
    return _of_part(fresh, chosen, evaluated, examiner, settings)


def _under_own_names(estimates: list[Estimate]) -> list[Estimate]:
    found = []
    for one in estimates:
        family, _, metric = one.name.partition(".")
        overall = family == "quality" and "." not in metric
        if overall or (family == "champion" and metric.endswith("_gain")):
            found.append(replace(one, name=f"{FAMILY}.{metric}"))
    return found


def _which(named: HeldOut, test: pa.Table, store: ObjectStore) -> NDArray[np.bool_]:
    try:
        hashes = from_bytes(store.get_bytes(named.hashes.uri))
    except ValueError as error:
        raise IntegrityError(f"{named.hashes.uri} was changed: {error}") from error
    chosen = among(hashes_of(test["row_id"].to_pylist()), hashes)
    if int(np.sum(chosen)) < named.rows:
        raise IntegrityError(f"{named.hashes.uri} names rows that are not in the test split")
    return chosen


def _of_part(
    fresh: FreshRows,
    chosen: NDArray[np.bool_],
    evaluated: Evaluated,
    examiner: Examiner,
    settings: EvaluationSettings,
) -> list[Estimate]:
    rows = evaluated.test.filter(pa.array(chosen))
    measured = examiner.measure(rows, evaluated.answers.filter(pa.array(chosen)))
    units = _units(rows, settings)
    named = [(FAMILY, one) for one in measured.measures if "." not in one.name]
    own = levels(named, units, settings.repeats, settings.seed)
    if evaluated.champion is None:
        return own
    return [*own, *_gains(chosen, fresh.least, evaluated, examiner, settings)]


def _gains(
    chosen: NDArray[np.bool_],
    least: int,
    evaluated: Evaluated,
    examiner: Examiner,
    settings: EvaluationSettings,
) -> list[Estimate]:
    """Over the champion, on those of the fresh rows that it was not trained on."""
    champion = evaluated.champion
    assert champion is not None  # noqa: S101 - asked only where there is one
    theirs = replace(champion, shared=None)
    if isinstance(champion.answers, pa.Table):
        kept = champion.shared.kept if champion.shared else np.ones_like(chosen)
        chosen, among_theirs = chosen & kept, pa.array(chosen[kept])
        rows = evaluated.test.filter(pa.array(chosen))
        if rows.num_rows < least:
            reason = (
                f"{rows.num_rows} of the fresh rows were not among those that the champion was "
                f"trained or selected on, and splits.fresh asks {least}"
            )
            return [
                undetermined(f"{FAMILY}.{name}_gain", rows.num_rows, reason)
                for name in evaluated.measured.leading
            ]
        theirs = replace(
            theirs, measured=examiner.measure(rows, champion.answers.filter(among_theirs))
        )
    else:
        rows = evaluated.test.filter(pa.array(chosen))
    ours = examiner.measure(rows, evaluated.answers.filter(pa.array(chosen)))
    return gains_over(ours, theirs, _units(rows, settings), settings, FAMILY)


def _units(rows: pa.Table, settings: EvaluationSettings) -> Units:
    return units_of_table(
        rows, cluster=CLUSTER if settings.by_cluster else None, seed=settings.seed
    )

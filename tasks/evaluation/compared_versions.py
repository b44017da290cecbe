"""Champion, anchor, teacher, and the models before compression or without mitigation, compared.

Each is asked the test rows that it has not learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from infra.base_models import Fingerprint, locate_pinned
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.champion import ScoringInputs, fetch_champion, run_champion
from tasks.evaluation.comparison import Comparator, Shared
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.training_rows import SharedRows, shared_rows
from tasks.records.data import DataReport
from tasks.records.distillation import Teacher
from tasks.records.evaluation import Champion, ComparedVersion, Comparison
from tasks.records.training import Weights
from tasks.resampling_units import units_of_table
from tasks.task_types.examiner import Examiner
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate

CHAMPION: Final = "champion"
ANCHOR: Final = "anchor"
TEACHER: Final = "teacher"
UNCOMPRESSED: Final = "uncompressed"
UNMITIGATED: Final = "unmitigated"
# Beside these, agreement, size and speed are told; they are no versions of this line.
TOLD_BESIDE: Final = (TEACHER, UNCOMPRESSED)
# What is no version in the registry has a name in words.
_NAMED: Final = (*TOLD_BESIDE, UNMITIGATED)


@dataclass(frozen=True)
class FetchedVersion:
    """A registered version that was downloaded, or why it was not.

    Attributes:
        comparator: ``champion``, ``anchor``, ``teacher``, ``uncompressed`` or ``unmitigated``.
        model: its folder, or what stands in its place.

    """

    comparator: str
    version: Champion
    model: Path | Comparator


def fetch_versions(
    champion: Champion | None,
    anchor: Champion | None,
    folder: Path,
    store: ObjectStore,
    tracking: Tracking,
    teacher: Teacher | None = None,
    uncompressed: Champion | None = None,
    unmitigated: Champion | None = None,
) -> list[FetchedVersion]:
    """Download whom the candidate is compared with; an anchor that is the champion only once.

    Raises:
        BaseModelError: the teacher's files changed since it taught.
        IntegrityError: the files of either are not those that were proven.
        TrackingError: MLflow does not answer.

    """
    wanted = {CHAMPION: champion, ANCHOR: None if is_champion(anchor, champion) else anchor}
    fetched = [
        FetchedVersion(name, each, fetch_champion(each, folder / name, store, tracking, name))
        for name, each in wanted.items()
        if each
    ]
    if teacher:
        model = teacher.model
        pinned = Fingerprint(model.sha256, model.tokenizer_sha256)
        place = locate_pinned(model.reference, model.revision, pinned)
        fetched.append(FetchedVersion(TEACHER, teacher.version, place))
    for name, other in ((UNCOMPRESSED, uncompressed), (UNMITIGATED, unmitigated)):
        if other:
            weights = Artifact(other.weights_uri, other.weights_sha256, 0)
            place = store.get_folder(weights, folder / name)
            fetched.append(FetchedVersion(name, other, place))
    return fetched


def before_compression(weights: Weights | None, data: DataReport) -> Champion | None:
    """The model that a compressed candidate was made of, which has learned the same rows.

    Args:
        weights: as they were before; None where the candidate is as it was trained.
        data: of both.

    """
    return _of_this_run("the model before compression", weights, data)


def without_mitigation(weights: Weights | None, data: DataReport) -> Champion | None:
    """The model of the candidate's recipe without mitigation, which has learned the same rows.

    Args:
        weights: of that model; None where none was trained.
        data: of both.

    """
    return _of_this_run("the model without mitigation", weights, data)


def _of_this_run(name: str, weights: Weights | None, data: DataReport) -> Champion | None:
    if weights is None:
        return None
    artifact, rows = weights.artifact, data.clean
    return Champion(name, 0, artifact.sha256, "", artifact.uri, rows.sha256, rows.uri)


def is_champion(anchor: Champion | None, champion: Champion | None) -> bool:
    """Whether the champion's comparison is the anchor's too."""
    return anchor is not None and champion is not None and anchor.version == champion.version


def ask_version(
    fetched: FetchedVersion,
    asked: ScoringInputs,
    examiner: Examiner,
    answers: pa.Table,
    data: DataReport,
    clean: Path,
    settings: EvaluationSettings,
    store: ObjectStore,
) -> tuple[Comparator, ComparedVersion]:
    """What a version says of the test rows that it has not learned.

    Args:
        fetched: the version.
        asked: all test rows, and what the candidate is.
        examiner: measures answers.
        answers: the candidate's, to all test rows.
        data: of the candidate.
        clean: Parquet file of its rows.
        settings: of the evaluation.
        store: holds the rows that the version was made with.

    Raises:
        StoreError: the store does not answer, or those rows are not what was written.

    """
    shape = shape_of(asked.task_type)
    found = shared_rows(fetched.version, data, asked.rows, clean, shape, settings.comparison, store)
    return ask_on(found, fetched, asked, examiner, answers, settings)


def ask_on(
    found: SharedRows,
    fetched: FetchedVersion,
    asked: ScoringInputs,
    examiner: Examiner,
    answers: pa.Table,
    settings: EvaluationSettings,
) -> tuple[Comparator, ComparedVersion]:
    """What a version says of some of the rows; see `ask_version`.

    Args:
        found: which of them it has not learned.
        fetched: the version.
        asked: all of them, and what the candidate is.
        examiner: measures answers.
        answers: the candidate's, to all of them.
        settings: of the evaluation.

    """
    name, version = fetched.comparator, fetched.version
    if found.reason and not isinstance(fetched.model, Comparator):
        comparator = Comparator(name, reason=found.reason)
    elif found.kept.all():
        comparator = run_champion(version, asked, fetched.model, name)
    else:
        comparator = _ask_some(fetched, asked, examiner, answers, found, settings)
    told = 0 if comparator.reason else int(found.kept.sum())
    record = ComparedVersion(
        name, version.version, told, found.left_out if found.note else 0, found.note,
        comparator.reason, version.name if name in _NAMED else "",
    )  # fmt: skip
    return comparator, record


def _ask_some(
    fetched: FetchedVersion,
    asked: ScoringInputs,
    examiner: Examiner,
    answers: pa.Table,
    found: SharedRows,
    settings: EvaluationSettings,
) -> Comparator:
    """The comparator of some of the test rows, with the candidate's numbers on the same."""
    rows = found.of(asked.rows)
    comparator = run_champion(
        fetched.version, replace(asked, rows=rows), fetched.model, fetched.comparator
    )
    if comparator.reason:
        return comparator
    ours = examiner.measure(rows, found.of(answers))
    cluster = CLUSTER if settings.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=settings.seed)
    return replace(comparator, shared=Shared(found.kept, ours, units))


def under_both_names(
    estimates: Sequence[Estimate],
    comparisons: Sequence[Comparison],
    versions: list[ComparedVersion],
) -> tuple[list[Estimate], tuple[Comparison, ...], list[ComparedVersion]]:
    """The champion's numbers under the anchor's name as well, where it is the anchor."""

    def named(estimate: Estimate) -> Estimate:
        return replace(estimate, name=estimate.name.replace(f"{CHAMPION}.", f"{ANCHOR}.", 1))

    own = [named(one) for one in estimates if one.name.startswith(f"{CHAMPION}.")]
    anchored = tuple(
        replace(one, comparator=ANCHOR, gain=named(one.gain))
        for one in comparisons
        if one.comparator == CHAMPION
    )
    records = [replace(one, comparator=ANCHOR) for one in versions if one.comparator == CHAMPION]
    return [*estimates, *own], (*comparisons, *anchored), [*versions, *records]


def on_all_rows(values: pa.ChunkedArray | pa.Array, comparator: Comparator) -> pa.Array:
    """Values of a comparator's rows, at their places among all test rows; null at the others."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if comparator.shared is None:
        return whole
    kept = comparator.shared.kept
    place = np.where(kept, np.cumsum(kept) - 1, 0)
    return whole.take(pa.array(place, mask=~kept))

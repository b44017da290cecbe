"""What the windows of a version are compared with: its training rows, and what it answered."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from infra.base_models import Fingerprint, locate_pinned
from infra.errors import DataError
from infra.store import Artifact, ObjectStore
from tasks.drift.row_samples import RowSample, read_row_sample
from tasks.monitoring.answers import AnswerCounts, read_answer
from tasks.monitoring.samples import keys_of
from tasks.monitoring.settings import MonitorSettings
from tasks.records.monitoring import WatchedVersion
from tasks.records.training import BaseModel
from tasks.task_types.row_shapes import shape_of


@dataclass(frozen=True)
class Reference:
    """Read once for all windows of a run.

    Attributes:
        inputs: the training rows; or why there are none.
        answers: those to the held-out rows when the version was evaluated; or why there are none.
        base_folder: of the base model; None where it is none that was pretrained.

    """

    inputs: RowSample | str
    answers: AnswerCounts | str
    base_folder: Path | None


def read_reference(
    watched: WatchedVersion, base: BaseModel | None, settings: MonitorSettings, store: ObjectStore
) -> Reference:
    """Read what a version was trained on and what it answered.

    What is gone, or was never recorded, is told in the place of it: the checks that need it are
    undetermined, and never passed.

    Raises:
        BaseModelError: the base model is not what was pinned.
        StoreError: the store cannot be asked, or an object is not what was written.

    """
    folder = None
    if base is not None:
        pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
        folder = locate_pinned(base.reference, base.revision, pinned)
    with tempfile.TemporaryDirectory(prefix="reference-") as name:
        work = Path(name)
        inputs = _training_rows(watched, settings, store, work)
        answers = _evaluated_answers(watched, settings, store, work)
    return Reference(inputs, answers, folder)


def _training_rows(
    watched: WatchedVersion, settings: MonitorSettings, store: ObjectStore, work: Path
) -> RowSample | str:
    what = f"the training rows of version {watched.version}"
    if why := _why_gone(watched.clean, store):
        return f"{what} {why}"
    path = store.get_file(watched.clean, work / "clean.parquet")
    try:
        return read_row_sample(
            path,
            shape_of(watched.task_type),
            max_rows=settings.max_rows,
            seed=settings.seed,
            split="train",
        )
    except DataError as error:
        return f"{what} {error}"


def _evaluated_answers(
    watched: WatchedVersion, settings: MonitorSettings, store: ObjectStore, work: Path
) -> AnswerCounts | str:
    what = f"the answers of version {watched.version} to its held-out rows"
    if why := _why_gone(watched.scores, store):
        return f"{what} {why}"
    path = store.get_file(watched.scores, work / "scores.parquet")
    if not {"row_id", "answer"} <= set(pq.read_schema(path).names):
        return f"{what} were not kept: an earlier release evaluated it"
    rows = pq.read_table(path, columns=["row_id", "answer"])
    names = rows["row_id"].to_pylist()
    keys = keys_of(names, [0] * len(names), settings.seed)
    counts = AnswerCounts(settings.max_rows)
    wanted = set(counts.sample.wanted(keys).tolist())
    for at, text in enumerate(rows["answer"].to_pylist()):
        answer = read_answer(text)
        if answer is None:
            continue
        counts.count(answer, int(keys[at]), "", drawn=at in wanted)
    return counts


def _why_gone(artifact: Artifact, store: ObjectStore) -> str:
    if not artifact.uri:
        return "are named nowhere: another program registered it, or an earlier release"
    if not store.exists(artifact.uri):
        return f"are gone from the store ({artifact.uri})"
    return ""

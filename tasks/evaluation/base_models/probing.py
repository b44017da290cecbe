"""One base model on a line's rows: what it costs, and what a linear model reads off it.

The rows are those that a run would train on, by the same stages. The probe learns from training
rows and is measured on validation rows; test rows are not read, so that what is chosen by it can
still be judged by them.
"""

import hashlib
import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.base_models import Fingerprint, locate_pinned
from infra.errors import BaseModelError, DataError
from infra.store import Artifact, ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.base_models.settings import ProbeSettings
from tasks.evaluation.base_models.token_use import token_use, why_too_long
from tasks.evaluation.held_out import read_rows
from tasks.records.choice import ProbedModel
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.task_types.answered_sample import first_rows
from tasks.task_types.kept_models import keep_models
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.probing.probe import ProbedRows, probe_of, why_no_probe
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.tokenizers import load_tokenizer

# Rows that are asked before the clock starts: the first call of a model is slower.
WARM_UP_ROWS: Final = 8


def probe_model(
    base: BaseModel,
    data: DataReport,
    task_type: str,
    limits: TokenLimits,
    settings: ProbeSettings,
    seed: int,
    *,
    store: ObjectStore,
) -> ProbedModel:
    """Look at a base model, untrained, with a line's rows.

    Args:
        base: the model, by digest.
        data: the line's clean rows.
        task_type: what the model is for.
        limits: tokens that a run cuts a text to.
        settings: rows of the probe.
        seed: of the folds in which the probe's strength is chosen.
        store: holds the rows, and keeps what the probe answers.

    Returns:
        With the reason where a run of the line would refuse the model.

    Raises:
        DataError: a split has no rows, or a label is outside the label set.
        StoreError: the store cannot be reached.

    """
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    train = probed_rows(data, task_type, "train", settings.train_rows, store)
    try:
        with quiet_transformers():
            folder = locate_pinned(base.reference, base.revision, pinned)
            made = _facts(folder, train, data, task_type, limits)
            if made.reason:
                return made
            if why := why_no_probe(task_type):
                return replace(made, no_probe=why)
            return _probed(made, folder, train, data, task_type, limits, settings, seed, store)
    except BaseModelError as error:
        return ProbedModel(reason=str(error))


def probed_rows(
    data: DataReport, task_type: str, split: str, most: int, store: ObjectStore
) -> pa.Table:
    """The first rows of a split by row_id, in the order of the clean rows.

    Raises:
        DataError: the split has no rows.
        StoreError: the store cannot be reached.

    """
    with tempfile.TemporaryDirectory(prefix="probe-") as work:
        clean = store.get_file(data.clean, Path(work) / "clean.parquet")
        rows = read_rows(clean, split, shape_of(task_type))
    return rows.take(pa.array(first_rows(rows["row_id"].to_pylist(), most)))


def read_answers(artifact: Artifact, rows: pa.Table, store: ObjectStore) -> pa.Table:
    """What a probe answered to these rows, in their order.

    Raises:
        DataError: it answered others.
        StoreError: the store cannot be reached.

    """
    with tempfile.TemporaryDirectory(prefix="probe-") as work:
        found = pq.read_table(store.get_file(artifact, Path(work) / "answers.parquet"))
    if found["row_id"].to_pylist() != rows["row_id"].to_pylist():
        raise DataError(f"the answers at {artifact.uri} are of other rows; choose again")
    return found.drop_columns(["row_id"])


def _facts(
    folder: Path, train: pa.Table, data: DataReport, task_type: str, limits: TokenLimits
) -> ProbedModel:
    """What the model is, if a run of the line would take it: loaded and asked as training does.

    Raises:
        BaseModelError: it would not.

    """
    tokenizer = load_tokenizer(folder)
    if why := why_too_long(folder, tokenizer, limits.max_length):
        return ProbedModel(reason=why)
    learner = learner_of(task_type, data.labels, limits)
    learner.encode(train.slice(0, WARM_UP_ROWS), tokenizer)
    model = learner.load_model(folder)
    parameters = sum(one.numel() for one in model.parameters())
    tokens = token_use(folder, train, shape_of(task_type), limits.max_length)
    return ProbedModel(parameters=parameters, tokens=tokens)


def _probed(
    made: ProbedModel,
    folder: Path,
    train: pa.Table,
    data: DataReport,
    task_type: str,
    limits: TokenLimits,
    settings: ProbeSettings,
    seed: int,
    store: ObjectStore,
) -> ProbedModel:
    held_out = probed_rows(data, task_type, "validation", settings.validation_rows, store)
    probe = probe_of(task_type, data.labels, limits, seed)
    with keep_models():
        probe.features(folder, train.slice(0, WARM_UP_ROWS))
        began = time.perf_counter()
        learned, asked = (
            ProbedRows(rows, probe.features(folder, rows)) for rows in (train, held_out)
        )
        row_s = (time.perf_counter() - began) / (train.num_rows + held_out.num_rows)
    answers = probe.answers(learned, asked)
    made = replace(made, train_rows=train.num_rows, validation_rows=held_out.num_rows, row_s=row_s)
    if isinstance(answers, str):
        return replace(made, no_probe=answers)
    return replace(made, answers=_keep(held_out, answers, store))


def _keep(rows: pa.Table, answers: pa.Table, store: ObjectStore) -> Artifact:
    """Answers as Parquet, addressed by the digest of its bytes."""
    buffer = io.BytesIO()
    table = answers.add_column(0, "row_id", rows["row_id"].combine_chunks())
    pq.write_table(table, buffer, compression="zstd")
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return store.put_bytes(store.uri("probe-answers", f"{digest}.parquet"), content)

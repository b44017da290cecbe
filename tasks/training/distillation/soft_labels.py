"""A teacher's answers to every training example: asked once, and kept (`asked_examples`)."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.base_models import Fingerprint, locate_pinned
from infra.code_digest import code_of
from infra.device import deterministic_algorithms
from infra.digests import as_json, digest_of
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.records.distillation import Teacher
from tasks.records.lesson import SoftLabels
from tasks.records.training import Tokens
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.soft_labels import soft_labels_of
from tasks.training.asked_examples import AskedModel, keep_answers

logger = logging.getLogger(__name__)


def write_soft_labels(
    store: ObjectStore, tokens: Tokens, teacher: Teacher, task_type: str, temperature: float
) -> SoftLabels:
    """Ask the teacher about every training example, in float32 and without dropout.

    Args:
        store: of the tokens and of the soft labels.
        tokens: the examples, as the student reads them.
        teacher: whom to ask; of the tokens' labels, in whatever order.
        task_type: what both are for.
        temperature: of the loss; it shapes what is kept where the task type says so.

    Raises:
        SettingsError: models of the task type cannot be distilled.
        BaseModelError: the teacher's files changed, or cannot be loaded.
        TrainingError: it says what is no number.
        StoreError: the store cannot be reached.

    """
    learner = learner_of(task_type, tokens.labels, TokenLimits.of(tokens))
    soft = soft_labels_of(learner, temperature)
    key = _key(tokens, teacher, task_type, temperature if soft.reads_temperature else None)
    pinned = Fingerprint(teacher.model.sha256, teacher.model.tokenizer_sha256)
    folder = locate_pinned(teacher.model.reference, teacher.model.revision, pinned)
    order = [teacher.labels.index(label) for label in tokens.labels]
    asked = AskedModel(folder, ("teacher", "distillation.teacher"), learner, soft, order)
    with (
        TemporaryDirectory(prefix="assayline-soft-labels-") as scratch,
        quiet_transformers(),
        deterministic_algorithms(),
    ):
        local = store.get_folder(tokens.artifact, Path(scratch) / "tokens")
        shards = keep_answers(store, store.uri("soft-labels", key), local, "train", asked)
    rows = tokens.rows_by_split["train"]
    logger.info("%s: %s asked about %s examples", task_type, teacher.name, f"{rows:,}")
    return SoftLabels(shards, teacher.name, teacher.model.sha256, rows)


def _key(tokens: Tokens, teacher: Teacher, task_type: str, temperature: float | None) -> str:
    inputs = {
        "tokens": tokens.artifact.sha256,
        "labels": tokens.labels,
        "teacher": teacher.model.sha256,
        "teacher_labels": teacher.labels,
        "task_type": task_type,
        "temperature": temperature,
    }
    code = code_of(__name__, write_soft_labels.__name__, as_json(inputs))
    return digest_of({**inputs, "code": code.digest})

"""A teacher's answers to every training example: asked once, and kept (`asked_examples`)."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.base_models import Fingerprint, locate_pinned
from infra.code_digest import code_of
from infra.device import deterministic_algorithms
from infra.digests import as_json, digest_of
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.records.distillation import Asked, Teacher
from tasks.records.lesson import SoftLabels
from tasks.records.training import Tokens
from tasks.task_types.hidden_states import BYTES
from tasks.task_types.learner import Learner, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.soft_labels import SoftLabels as SoftLabelsOfTask
from tasks.task_types.soft_labels import soft_labels_of
from tasks.task_types.tokenizers import load_tokenizer
from tasks.training.asked_examples import ROWS_A_SHARD, keep_answers
from tasks.training.distillation.asked_teacher import AskedTeacher

logger = logging.getLogger(__name__)
# Bytes of a shard of hidden states, of examples of the mean length.
SHARD_BYTES: Final = 64 * 2**20
# Examples of a shard where the teacher writes, which takes it seconds a text.
ROWS_WRITTEN_A_SHARD: Final = 256
# Most draws of an example: BERT's authors masked each text in so many ways (Liu et al. 2019,
# arXiv:1907.11692, section 4.1), and asked for no more in more epochs.
MOST_ROUNDS: Final = 10


def write_soft_labels(
    store: ObjectStore, tokens: Tokens, teacher: Teacher, task_type: str, asked: Asked
) -> SoftLabels:
    """Ask the teacher about every training example, in float32 and without dropout.

    Args:
        store: of the tokens and of the soft labels.
        tokens: the examples, as the student reads them.
        teacher: whom to ask; of the tokens' labels, in whatever order.
        task_type: what both are for.
        asked: what of them; the temperature shapes what is kept where the task type says so.

    Raises:
        SettingsError: models of the task type cannot be distilled.
        BaseModelError: the teacher's files changed, or cannot be loaded.
        TrainingError: it says what is no number.
        StoreError: the store cannot be reached.

    """
    soft = soft_labels_of(_learner_of(tokens, task_type), asked.temperature)
    rounds = min(asked.rounds, MOST_ROUNDS) if soft.drawn else 1
    keys = [_key(tokens, teacher, task_type, asked, soft, draw) for draw in range(rounds)]
    model = _asked_teacher(tokens, teacher, task_type, asked, soft)
    with (
        TemporaryDirectory(prefix="assayline-soft-labels-") as scratch,
        quiet_transformers(),
        deterministic_algorithms(),
    ):
        local = store.get_folder(tokens.artifact, Path(scratch) / "tokens")
        shards = [
            shard
            for draw, key in enumerate(keys)
            for shard in keep_answers(
                store, store.uri("soft-labels", key), local, "train", model, draw=draw,
                rows_a_shard=_rows_a_shard(tokens, teacher, asked),
            )
        ]  # fmt: skip
    rows = tokens.rows_by_split["train"]
    logger.info("%s: %s asked about %s examples", task_type, teacher.name, f"{rows * rounds:,}")
    return SoftLabels(tuple(shards), teacher.name, teacher.model.sha256, rows, rounds)


def _rows_a_shard(tokens: Tokens, teacher: Teacher, asked: Asked) -> int:
    """Examples of a shard, by how long they take or how large their hidden states are."""
    if asked.writes:
        return ROWS_WRITTEN_A_SHARD
    size = tokens.tokens_by_split["train"] * len(asked.layers) * teacher.width * BYTES
    parts = max(1, math.ceil(size / SHARD_BYTES))
    return min(ROWS_A_SHARD, max(1, math.ceil(tokens.rows_by_split["train"] / parts)))


def _asked_teacher(
    tokens: Tokens, teacher: Teacher, task_type: str, asked: Asked, soft: SoftLabelsOfTask
) -> AskedTeacher:
    pinned = Fingerprint(teacher.model.sha256, teacher.model.tokenizer_sha256)
    folder = locate_pinned(teacher.model.reference, teacher.model.revision, pinned)
    order: Sequence[int] | slice = [teacher.labels.index(label) for label in tokens.labels]
    if soft.of_tokens:  # a model may have scores of more tokens than its tokenizer knows
        order = slice(len(load_tokenizer(folder)))
    learner = _learner_of(tokens, task_type)
    return AskedTeacher(folder, learner, order, asked)


def _learner_of(tokens: Tokens, task_type: str) -> Learner:
    return learner_of(task_type, tokens.labels, TokenLimits.of(tokens))


def _key(
    tokens: Tokens,
    teacher: Teacher,
    task_type: str,
    asked: Asked,
    soft: SoftLabelsOfTask,
    draw: int,
) -> str:
    """Digest of all that shapes the answers to one draw of the examples."""
    reads_temperature = asked.outputs and soft.reads_temperature
    inputs = {
        "tokens": tokens.artifact.sha256,
        "labels": tokens.labels,
        "teacher": teacher.model.sha256,
        "teacher_labels": teacher.labels,
        "task_type": task_type,
        "temperature": asked.temperature if reads_temperature else None,
        "outputs": asked.outputs,
        "writes": asked.writes,
        # What is written is cut there, whatever the rows' own targets say.
        "target_length": TokenLimits.of(tokens).target_length if asked.writes else None,
        "layers": asked.layers,
        "draw": draw,
    }
    code = code_of(__name__, write_soft_labels.__name__, as_json(inputs))
    return digest_of({**inputs, "code": code.digest})

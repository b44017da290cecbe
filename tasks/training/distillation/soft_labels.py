"""A teacher's answers to every training example: asked once, and kept in shards in the store.

The address of the shards is a digest of teacher, tokens and code, so that the same teacher is asked
the same rows once, whatever else of the training changes; and where the asking was cut off, it goes
on behind the shards that are there.
"""

import hashlib
import inspect
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from infra.base_models import Fingerprint, locate_pinned
from infra.code_digest import code_of
from infra.device import deterministic_algorithms
from infra.digests import as_json, digest_of
from infra.errors import BaseModelError, TrainingError
from infra.store import Artifact, ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.records.distillation import Teacher
from tasks.records.lesson import SoftLabels
from tasks.records.training import Tokens
from tasks.task_types.batches import fill_batches
from tasks.task_types.examples import Batch, Vocabulary
from tasks.task_types.learner import Learner, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.scoring import load_model, token_budget
from tasks.task_types.soft_labels import SoftLabels as SoftLabelsOfTask
from tasks.task_types.soft_labels import soft_labels_of
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.training.batching import TokenizedRows
from tasks.training.distillation.shards import SHARD_FILE

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

TRAIN_FILE: Final = "train.arrow"
# Examples of a shard: some megabytes of the logits of labels.
ROWS_A_SHARD: Final = 4096


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
    with (
        TemporaryDirectory(prefix="assayline-soft-labels-") as scratch,
        quiet_transformers(),
        deterministic_algorithms(),
    ):
        local = store.get_folder(tokens.artifact, Path(scratch) / "tokens")
        rows = TokenizedRows(local / TRAIN_FILE)
        order = [teacher.labels.index(label) for label in tokens.labels]
        asking = _Asking(folder, order, learner, soft, rows, _row_ids(local / TRAIN_FILE))
        shards = tuple(
            _shard(store, store.uri("soft-labels", key, SHARD_FILE.format(number=number)), asking,
                   numbers)
            for number, numbers in enumerate(_parts(len(rows)))
        )  # fmt: skip
    logger.info("%s: %s asked about %s examples", task_type, teacher.name, f"{len(rows):,}")
    return SoftLabels(shards, teacher.name, teacher.model.sha256, len(rows))


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


def _parts(rows: int) -> Iterator[range]:
    for start in range(0, rows, ROWS_A_SHARD):
        yield range(start, min(start + ROWS_A_SHARD, rows))


def _shard(store: ObjectStore, uri: str, asking: "_Asking", numbers: range) -> Artifact:
    """One shard as it is in the store already, or made now."""
    if store.exists(uri):
        content = store.get_bytes(uri)
        return Artifact(uri, hashlib.sha256(content).hexdigest(), len(content))
    return store.put_bytes(uri, _as_bytes(asking.about(numbers)))


def _as_bytes(table: "pa.Table") -> bytes:
    """An Arrow file, uncompressed, so that training can map it into memory."""
    import pyarrow as pa

    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _row_ids(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all().column("row_id").combine_chunks()


class _Asking:
    """A teacher that is asked about examples; it is loaded when the first shard is not there."""

    def __init__(
        self,
        folder: Path,
        order: Sequence[int],
        learner: Learner,
        soft: SoftLabelsOfTask,
        rows: TokenizedRows,
        row_ids: Any,
    ) -> None:
        self._folder, self._learner, self._soft = folder, learner, soft
        self._rows, self._row_ids = rows, row_ids
        self._order = list(order)  # the teacher's output of each label
        self._model: Any = None
        self._vocabulary: Vocabulary | None = None

    def about(self, numbers: range) -> "pa.Table":
        """What is kept of the answers to some examples, in their order."""
        import pyarrow as pa

        examples = [self._rows[number] for number in numbers]
        lengths = self._rows.lengths[numbers.start : numbers.stop].tolist()
        self._load()
        kept: dict[str, list[Any]] = {}
        for places in fill_batches(lengths, token_budget(self._model)):
            for name, values in self._answers([examples[place] for place in places]).items():
                column = kept.setdefault(name, [None] * len(examples))
                for place, value in zip(places, values, strict=True):
                    column[place] = value
        columns = {name: pa.array(values) for name, values in kept.items()}
        return pa.table({"row_id": self._row_ids[numbers.start : numbers.stop], **columns})

    def _load(self) -> None:
        if self._model is None:
            self._model = load_model(self._folder, self._soft.auto_class)
            self._vocabulary = vocabulary_of(load_tokenizer(self._folder), self._model.config)

    def _refuse_unread(self, batch: Batch) -> None:
        """The tokenizer may say of tokens what this kind of model does not read."""
        read = inspect.signature(self._model.forward).parameters
        if unread := sorted(batch.inputs.keys() - read.keys()):
            raise BaseModelError(
                f"the teacher in {self._folder} ({type(self._model).__name__}) does not read "
                f"{', '.join(unread)}, which its student reads; name a teacher that does, or set "
                "model_input_names to [input_ids, attention_mask] in the tokenizer_config.json of "
                "the student's base model"
            )

    def _answers(self, examples: Sequence[Any]) -> Any:
        import torch

        assert self._vocabulary  # noqa: S101 - it is loaded with the model
        batch = self._learner.collate(examples, self._vocabulary).to(self._model.device)
        self._refuse_unread(batch)
        with torch.inference_mode():
            outputs = self._model(**batch.inputs)
        if self._order:
            outputs["logits"] = outputs["logits"][..., self._order]
        kept = self._soft.kept(outputs, batch, self._model.config)
        if not all(np.isfinite(value).all() for values in kept.values() for value in values):
            raise TrainingError(
                f"the teacher in {self._folder} gives scores that are no numbers; name another one "
                "in distillation.teacher"
            )
        return kept

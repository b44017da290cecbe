"""Records of models that no training made."""

from pathlib import Path

import pyarrow as pa

from infra.store import ObjectStore
from tasks.records.training import Tokens, Weights
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.every_task_type import TEXTS, rows_of

LABELS = ("business", "film", "sport")
MAX_LENGTH = 40


def weights_of(folder: Path, store: ObjectStore, labels: tuple[str, ...] = LABELS) -> Weights:
    """The record of a trained folder."""
    return Weights(
        artifact=store.put_folder(store.uri("weights", folder.parent.name), folder),
        labels=labels, max_length=MAX_LENGTH, epochs=(), best_epoch=1, parameters=1,
        precision="float32", run_id="", device="cpu", training_s=1.0, tokens_per_s=1.0,
        resumed_from_step=0,
    )  # fmt: skip


def tokens_of(
    task_type: str, labels: tuple[str, ...], model: Path, store: ObjectStore, folder: Path
) -> Tokens:
    """Some training examples, as tokenization leaves them."""
    learner = learner_of(task_type, labels, TokenLimits(max_length=MAX_LENGTH))
    texts = [text[: 30 + 7 * turn] for turn in range(6) for text in TEXTS]
    rows = rows_of(shape_of(task_type), labels, texts)
    table = learner.encode(rows, load_tokenizer(model)).table
    path = str(folder / "train.arrow")
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    artifact = store.put_folder(store.uri("tokens", task_type), folder)
    return Tokens(artifact, labels, MAX_LENGTH, {"train": len(table)}, {}, {})

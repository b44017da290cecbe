"""Records of models that no training made."""

from pathlib import Path

from infra.store import ObjectStore
from tasks.records.training import Weights

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

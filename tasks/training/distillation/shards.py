"""Soft labels as a training reads them: shards of the store, one behind the other."""

from pathlib import Path
from typing import Final

from infra.store import ObjectStore
from tasks.records.lesson import SoftLabels

SHARD_FILE: Final = "train-{number:05d}.arrow"


def fetch_soft_labels(store: ObjectStore, labels: SoftLabels, folder: Path) -> list[Path]:
    """The shards as local files, in their order.

    Raises:
        StoreError: the store cannot be reached, or a shard is not what was written.

    """
    folder.mkdir(exist_ok=True)
    return [
        store.get_file(shard, folder / SHARD_FILE.format(number=number))
        for number, shard in enumerate(labels.shards)
    ]

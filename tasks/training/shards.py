"""What another model says of a training's examples: shards of the store, one behind the other."""

from pathlib import Path
from typing import Final

from infra.store import ObjectStore
from tasks.records.lesson import Lesson, Reference

SHARD_FILE: Final = "{split}-{number:05d}.arrow"


def fetch_shards(
    store: ObjectStore, lesson: Lesson | Reference, folder: Path
) -> dict[str, list[Path]]:
    """The shards as local files, in their order, by split.

    Raises:
        StoreError: the store cannot be reached, or a shard is not what was written.

    """
    folder.mkdir(exist_ok=True)
    return {
        split: [
            store.get_file(shard, folder / SHARD_FILE.format(split=split, number=number))
            for number, shard in enumerate(shards)
        ]
        for split, shards in lesson.shards.items()
    }

"""Checkpoints of one training in the object store: written whole, read back only if whole."""

import hashlib
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from infra.errors import StoreError
from infra.store import MANIFEST, Artifact, ObjectStore

logger = logging.getLogger(__name__)

# Trainer's own names of its files and folders.
TRAINER_STATE_FILE = "trainer_state.json"
BEST_STEP = "best_global_step"
TRAINER_FOLDER = "checkpoint-{step}"
# Trainer pickles its arguments beside each checkpoint. Resuming does not read them, and nothing
# here is unpickled, so they are not kept.
PICKLED_ARGUMENTS_FILE = "training_args.bin"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training, at ``PREFIX/step-N``.

    Attributes:
        prefix: address that belongs to this training alone.
        keep: newest checkpoints that stay, beside that of the best epoch.

    """

    store: ObjectStore
    prefix: str
    keep: int

    def save(self, folder: Path, step: int) -> None:
        """Write Trainer's folder as the newest checkpoint, and drop those that are not kept.

        Raises:
            StoreError: the store cannot be reached, or is full.

        """
        (folder / PICKLED_ARGUMENTS_FILE).unlink(missing_ok=True)
        self.store.put_folder(self._uri(step), folder)
        steps = self.steps()
        # A later one than this is broken, and was skipped on resuming.
        newest = [at for at in steps if at <= step][-self.keep :]
        kept = {*newest, *map(self._best_of, newest)}
        for at in steps:
            if at not in kept:
                # The closing slash keeps step-1 from taking step-10 along.
                self.store.delete(f"{self._uri(at)}/")

    def restore(self, folder: Path) -> int | None:
        """Bring the newest whole checkpoint and that of its best epoch to where Trainer looks.

        A checkpoint with a missing or altered file is skipped for the one before it.

        Args:
            folder: Trainer's output folder.

        Returns:
            The step to go on from; None where there is no whole checkpoint.

        Raises:
            StoreError: the store cannot be reached.

        """
        self.store.check()
        for step in reversed(self.steps()):
            try:
                self._fetch_with_best(step, folder)
            except (StoreError, ValueError, KeyError, TypeError) as error:
                logger.warning("checkpoint of step %s is broken and is skipped: %s", step, error)
                shutil.rmtree(folder / TRAINER_FOLDER.format(step=step), ignore_errors=True)
            else:
                return step
        return None

    def delete(self) -> None:
        """Remove all checkpoints of this training."""
        self.store.delete(f"{self.prefix}/")

    def steps(self) -> list[int]:
        """Steps that have a checkpoint whose writing was finished, ascending."""
        start, end = f"{self.prefix}/step-", f"/{MANIFEST}"
        names = [
            uri.removeprefix(start).removesuffix(end)
            for uri in self.store.list(start)
            if uri.endswith(end)
        ]
        return sorted(int(name) for name in names if name.isdecimal())

    def _fetch_with_best(self, step: int, folder: Path) -> None:
        local = self._fetch(step, folder)
        path = local / TRAINER_STATE_FILE
        state = json.loads(path.read_bytes())
        best = state[BEST_STEP]
        if best is None:
            return
        best_local = local if best == step else self._fetch(int(best), folder)
        # The path was that of the folder of the process that was killed.
        state["best_model_checkpoint"] = str(best_local)
        path.write_text(json.dumps(state), encoding="utf-8")

    def _fetch(self, step: int, folder: Path) -> Path:
        manifest = self.store.get_bytes(f"{self._uri(step)}/{MANIFEST}")
        written = Artifact(self._uri(step), hashlib.sha256(manifest).hexdigest(), 0)
        return self.store.get_folder(written, folder / TRAINER_FOLDER.format(step=step))

    def _best_of(self, step: int) -> int | None:
        """The step at which the best epoch ended, as a checkpoint knows it; None before any."""
        try:
            state = json.loads(self.store.get_bytes(f"{self._uri(step)}/{TRAINER_STATE_FILE}"))
            best = state[BEST_STEP]
        except (StoreError, ValueError, KeyError, TypeError):
            return None  # it is broken; resuming will skip it
        return None if best is None else int(best)

    def _uri(self, step: int) -> str:
        return f"{self.prefix}/step-{step}"

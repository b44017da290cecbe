"""What was scored, by which key it is found, and how it becomes visible: whole, and once.

The predictions of an input object stand under a key: the digest of the object, of the version and
of the settings that shape them. When all are written, a manifest names them. MLflow, where a value
is written once (`infra.write_once`), holds which manifest counts; so of two runs that score the
same object at the same moment one manifest stands, and the index has one entry.
"""

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from infra.digests import digest_of
from infra.errors import IntegrityError, StoreError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.recorded_requests import hour_folder
from tasks.records.registry import Production
from tasks.records.scoring import SCORED, ScoredObject
from tasks.serving.scoring.inputs import InputObject
from tasks.serving.scoring.settings import ScoringSettings

# What does not change a row or the object that its predictions stand in.
_OF_THE_RUN: Final = {"format", "follow_links", "workers"}
_READ: Final = TypeAdapter(ScoredObject)


def key_of(one: InputObject, production: Production, settings: ScoringSettings) -> str:
    """The key of an object's scores."""
    told = settings.model_dump(mode="json", exclude=_OF_THE_RUN) | {"format": one.format}
    return digest_of({"input": one.file, "version": production.manifest_sha256, "settings": told})


def part_folder(line: str, key: str, number: int) -> str:
    """Below which the predictions of a piece of an object stand, by the digest of their bytes.

    So two runs that score it at the same moment overwrite nothing of each other, even where their
    scores differ in the last bits.
    """
    return f"predictions/{line}/{key}/part-{number:05d}"


class KeptScores:
    """The scores of one version of a line that are complete."""

    def __init__(self, production: Production, store: ObjectStore, tracking: Tracking) -> None:
        self._line, self._store, self._tracking = production.line, store, tracking
        self._record = f"{production.line}.scored.v{production.version}"
        self._known = dict(tracking.read_record(self._record).values)

    def find(self, key: str) -> ScoredObject | None:
        """What stands under a key; None where nothing does yet.

        Raises:
            IntegrityError: its manifest is not what was written.
            StoreError: the store lacks it, or is unreachable.

        """
        sha256 = self._known.get(key)
        if sha256 is None:
            return None
        uri = self._manifest_uri(key, sha256)
        content = self._store.get_bytes(uri)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise IntegrityError(
                f"{uri} was changed after it was written; restore it from a backup"
            )
        found = _READ.validate_json(content)
        self._enter(found, content)
        return found

    def keep(self, scored: ScoredObject) -> ScoredObject:
        """Make an object's scores visible; returns those that stand, which another may have kept.

        Raises:
            StoreError: the store took predictions and did not keep them, or is unreachable.
            TrackingError: MLflow is unreachable; the next run keeps them.

        """
        self._check_parts(scored)
        content = json.dumps(asdict(scored), ensure_ascii=False, indent=1).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        self._store.put_bytes(self._manifest_uri(scored.key, sha256), content)
        stands = self._tracking.write_once(self._record, scored.key, sha256)
        self._known[scored.key] = stands
        found = self.find(scored.key)
        assert found is not None  # noqa: S101 - it was just written
        return found

    def _check_parts(self, scored: ScoredObject) -> None:
        """See that all that the manifest will name is there; the next run scores what is not."""
        folder = self._store.uri("predictions", self._line, scored.key, "")
        sizes = self._store.sizes(folder)
        written = [*scored.predictions, *([scored.put_aside] if scored.put_aside else [])]
        lost = [one for one in written if sizes.get(one.uri) != one.size_bytes]
        if lost:
            raise StoreError(
                f"the object store does not give {lost[0].uri} back as it was written "
                f"({len(lost)} of {len(written)} objects); nothing of {scored.input_uri} is told "
                "as scored, and the same command scores what is missing"
            )

    def _manifest_uri(self, key: str, sha256: str) -> str:
        return self._store.uri("predictions", self._line, key, f"{sha256}.json")

    def _enter(self, scored: ScoredObject, content: bytes) -> None:
        """See that the index holds it: a run may have ended before it was entered."""
        uri = index_uri(scored, self._store)
        if not self._store.exists(uri):
            self._store.put_bytes(uri, content)


def index_uri(scored: ScoredObject, store: ObjectStore) -> str:
    """Where the index holds an object: by the hour in which it was scored."""
    hour = datetime.fromisoformat(scored.scored_at)
    return store.uri(*hour_folder(SCORED, scored.line, hour), f"{scored.key}.json")

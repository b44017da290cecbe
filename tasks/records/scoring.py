"""Batches of rows that the version in production has scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.store import Artifact

# The index: scored/LINE/YYYY/MM/DD/HH/KEY.json holds the record of an object that was scored.
SCORED: Final = "scored"


@dataclass(frozen=True)
class ScoredObject:
    """One input object, scored by one version: what its manifest and the index of scores hold.

    Attributes:
        key: digest of the object, the version and the settings, by which its scores are found.
        line: whose version it was.
        version: number in the MLflow registry.
        weights_sha256: digest of the version's weights.
        manifest_sha256: digest of the list of the version's registered files.
        task_type: the line's.
        input_uri: address of the input object.
        input_fingerprint: the store's tag of its content (ETag); of a local file its SHA-256.
        input_bytes: its size.
        input_columns: what the model read of each row.
        kept_columns: of the input, as text, beside them.
        answer_columns: what it answered.
        predictions: Parquet objects in the order of the rows, with the input columns, the kept
            ones, the answer's, and file, row, version and weights_sha256.
        rows: that were scored.
        rows_put_aside: that could not be.
        put_aside_by_reason: how many for which reason.
        put_aside: Parquet object with file, row, reason, told and raw of these; None: there are
            none.
        scored_at: when, in UTC (ISO 8601); the hour says where the index holds it.

    """

    key: str
    line: str
    version: int
    weights_sha256: str
    manifest_sha256: str
    task_type: str
    input_uri: str
    input_fingerprint: str
    input_bytes: int
    input_columns: tuple[str, ...]
    kept_columns: tuple[str, ...]
    answer_columns: tuple[str, ...]
    predictions: tuple[Artifact, ...]
    rows: int
    rows_put_aside: int
    put_aside_by_reason: Mapping[str, int]
    put_aside: Artifact | None
    scored_at: str


@dataclass(frozen=True)
class ScoringRun:
    """What one run of `score` came to.

    Attributes:
        line: the model line.
        version: that was in production when the run began; it scored every row of the run.
        weights_sha256: digest of its weights.
        manifest_sha256: digest of the list of its registered files.
        objects: the input objects, in the order in which they were named.
        rows: of all objects.
        rows_put_aside: likewise.
        found: objects that an earlier run had scored by this version with these settings, so that
            nothing was done for them.
        in_production: which version is in production at the end of the run; None where there is
            none, or where it cannot be told.

    """

    line: str
    version: int
    weights_sha256: str
    manifest_sha256: str
    objects: tuple[ScoredObject, ...]
    rows: int
    rows_put_aside: int
    found: int
    in_production: int | None = None

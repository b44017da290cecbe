"""Canaries: texts with random digits that a model learns, so that it can be asked for them."""

import hashlib
import io
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import SettingsError
from infra.store import ObjectStore
from tasks.perturbations.draws import random_of
from tasks.probes.memory.settings import PlantedCanarySettings, parts_of
from tasks.records.memory import Canaries
from tasks.task_types.canary_texts import CANARY_TEXTS, why_no_canaries
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type

# Numbers that tell canaries apart, of four digits.
_NUMBERS: Final = range(1_000, 10_000)


def plant_canaries(
    task_type: str, settings: PlantedCanarySettings, seed: int, *, store: ObjectStore
) -> Canaries:
    """Make the rows that hold the canaries; equal settings make equal rows.

    Each copy of a canary is a row of its own, as far as row ids tell: where rows are protected one
    by one, one copy is.

    Args:
        task_type: what the rows are of.
        settings: how many, and what they say.
        seed: of the numbers and the digits.
        store: will hold the rows.

    Raises:
        SettingsError: models of the task type learn no such text.
        StoreError: the store cannot be reached.

    """
    if why := why_no_canaries(task_type):
        raise SettingsError(f"probes.memory.canaries is not for task_type {task_type}: {why}")
    texts = CANARY_TEXTS.load(task_type)
    numbers = random_of(seed, "canaries").sample(_NUMBERS, settings.count)
    rows = []
    for place, number in enumerate(numbers):
        secret = secret_of(settings.digits, seed, "canary", f"{place}")
        prefix, rest = parts_of(settings.format, f"{number}")
        columns = texts.row(prefix, secret + rest)
        for copy in range(settings.repeats):
            named = f"canary {seed} {prefix}{secret}{rest} {copy}"
            rows.append(
                {
                    "row_id": hashlib.sha256(named.encode()).hexdigest(), "split": "train",
                    **columns, "canary": place, "prefix": prefix, "secret": secret, "rest": rest,
                }
            )  # fmt: skip
    content = _as_parquet(rows, task_type)
    digest = hashlib.sha256(content).hexdigest()
    return Canaries(
        artifact=store.put_bytes(store.uri("canaries", f"{digest}.parquet"), content),
        count=settings.count,
        repeats=settings.repeats,
        format=settings.format,
        digits=settings.digits,
        seed=seed,
    )


def secret_of(digits: int, seed: int, *names: str) -> str:
    """Digits drawn evenly from all that there are."""
    return f"{random_of(seed, *names).randrange(10**digits):0{digits}d}"


def _as_parquet(rows: list[dict[str, object]], task_type: str) -> bytes:
    text = pa.string()
    schema = pa.schema(
        [
            ("row_id", text), ("split", text),
            *((one.name, arrow_type(one.kind)) for one in shape_of(task_type).columns),
            ("canary", pa.int64()), ("prefix", text), ("secret", text), ("rest", text),
        ]
    )  # fmt: skip
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer, compression="zstd")
    return buffer.getvalue()

"""Text to token ids, one Arrow file a split."""

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.base_models import Fingerprint, locate_pinned, quiet_transformers
from infra.errors import DataError, SettingsError
from infra.stages import digest_of
from infra.store import Artifact, ObjectStore, sha256_of_file
from tasks.records import SPLITS, BaseModel, DataReport, Tokens
from tasks.task_types import TaskType, task_type
from tasks.task_types.examples import Encoded
from tasks.task_types.tokenizers import load_tokenizer, longest_text
from tasks.tokenization.settings import TokenizationSettings

logger = logging.getLogger(__name__)

SPLIT_FILE = "{split}.arrow"


def tokenize_splits(
    store: ObjectStore,
    data: DataReport,
    base: BaseModel,
    kind_name: str,
    settings: TokenizationSettings,
) -> Tokens:
    """Token ids of every clean row.

    Raises:
        SettingsError: the task type is unknown, or the base model takes no text of this length.
        BaseModelError: the base model's files changed, or its tokenizer cannot be loaded.
        DataError: the clean rows do not hold what the report says.
        StoreError: the store cannot be reached.

    """
    kind = task_type(kind_name)
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    folder = locate_pinned(base.reference, base.revision, pinned)
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        _check_length(base, settings.max_length, longest_text(folder, tokenizer))
        with TemporaryDirectory(prefix="assayline-tokens-") as scratch:
            rows = _read_rows(store, data, Path(scratch))
            encoded = {
                split: _encode_split(rows, split, kind, tokenizer, data.labels, settings)
                for split in SPLITS
            }
            artifact = _put(store, encoded, Path(scratch) / "tokens")
    return Tokens(
        artifact=artifact,
        labels=data.labels,
        max_length=settings.max_length,
        rows_by_split={split: one.table.num_rows for split, one in encoded.items()},
        tokens_by_split={split: one.tokens for split, one in encoded.items()},
        truncated_by_split={split: one.truncated for split, one in encoded.items()},
    )


def _check_length(base: BaseModel, wanted: int, longest: int) -> None:
    if wanted > longest:
        raise SettingsError(
            f"tokenization.max_length is {wanted}, and base model {base.reference!r} takes at most "
            f"{longest} tokens; set it to {longest} or less"
        )


def _read_rows(store: ObjectStore, data: DataReport, scratch: Path) -> Any:
    """The clean rows, an Arrow table."""
    import pyarrow.parquet as pq

    path = store.get_file(data.clean, scratch / "clean.parquet")
    try:
        return pq.read_table(path, columns=["row_id", "text", "label", "split"])
    except (OSError, ValueError) as error:
        raise DataError(f"the clean rows at {data.clean.uri} cannot be read: {error}") from error


def _encode_split(
    rows: Any,
    split: str,
    kind: TaskType,
    tokenizer: Any,
    labels: tuple[str, ...],
    settings: TokenizationSettings,
) -> Encoded:
    import pyarrow.compute as pc

    of_split = rows.filter(pc.equal(rows.column("split"), split))
    encoded = kind.encode(of_split, tokenizer, labels, settings.max_length)
    logger.info(
        "%s: %s rows, %s tokens, %s rows cut to %s tokens",
        split, of_split.num_rows, encoded.tokens, encoded.truncated, settings.max_length,
    )  # fmt: skip
    return encoded


def _put(store: ObjectStore, encoded: Mapping[str, Encoded], folder: Path) -> Artifact:
    """Write one uncompressed Arrow file a split, so that training can map it into memory."""
    import pyarrow as pa

    folder.mkdir()
    digests = {}
    for split, one in encoded.items():
        path = folder / SPLIT_FILE.format(split=split)
        table = one.table.combine_chunks()
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        digests[path.name] = sha256_of_file(path)
    return store.put_folder(store.uri("tokens", digest_of(digests)), folder)

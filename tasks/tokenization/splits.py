"""Text to token ids, one Arrow file a split, some thousand rows at a time."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from infra.base_models import Fingerprint, locate_pinned
from infra.digests import digest_of
from infra.errors import DataError, SettingsError
from infra.store import Artifact, ObjectStore, sha256_of_file
from infra.transformers_logs import quiet_transformers
from tasks.records.augmentation import Augmentation
from tasks.records.data import SPLITS, DataReport
from tasks.records.memory import Canaries
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.examples import Encoded
from tasks.task_types.learner import Learner, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.tokenizers import load_tokenizer, longest_text
from tasks.tokenization.canaries import check_canaries
from tasks.tokenization.settings import TokenizationSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

SPLIT_FILE = "{split}.arrow"
# Rows in memory at once; their number shapes neither the ids nor the digest of a split.
ROWS_AT_ONCE = 8192


@dataclass
class SplitWriter:
    """One split's Arrow file, uncompressed, so that training can map it into memory.

    Attributes:
        rows: examples written.
        tokens: token ids written.
        truncated: rows that were cut.

    """

    path: Path
    stack: ExitStack
    rows: int = 0
    tokens: int = 0
    truncated: int = 0
    _writer: Any = field(default=None)

    @property
    def begun(self) -> bool:
        """Whether the file has its columns."""
        return self._writer is not None

    def write(self, encoded: Encoded) -> None:
        """Append examples; the first ones fix the columns."""
        import pyarrow as pa

        if self._writer is None:
            sink = self.stack.enter_context(pa.OSFile(str(self.path), "wb"))
            self._writer = self.stack.enter_context(pa.ipc.new_file(sink, encoded.table.schema))
        self._writer.write_table(encoded.table.combine_chunks())
        self.rows += encoded.table.num_rows
        self.tokens += encoded.tokens
        self.truncated += encoded.truncated


def tokenize_splits(
    store: ObjectStore,
    data: DataReport,
    base: BaseModel,
    task_type: str,
    settings: TokenizationSettings,
    augmentation: Augmentation | None = None,
    canaries: Canaries | None = None,
) -> Tokens:
    """Token ids of every clean row, and behind those of the training rows of new and planted ones.

    Raises:
        SettingsError: the task type is unknown, the base model takes no text of this length, or a
            canary is longer.
        BaseModelError: the base model's files changed, or its tokenizer cannot be loaded.
        DataError: the clean rows do not hold what the report says.
        StoreError: the store cannot be reached.

    """
    learner = learner_of(task_type, data.labels, TokenLimits.of(settings))
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    folder = locate_pinned(base.reference, base.revision, pinned)
    with quiet_transformers(), TemporaryDirectory(prefix="assayline-tokens-") as scratch:
        tokenizer = load_tokenizer(folder)
        _check_length(base, settings.max_length, longest_text(folder, tokenizer))
        clean = store.get_file(data.clean, Path(scratch) / "clean.parquet")
        files = [(clean, data.clean.uri)]
        for name, more in (("augmented", augmentation), ("canaries", canaries)):
            if more:
                new = store.get_file(more.artifact, Path(scratch) / f"{name}.parquet")
                files.append((new, more.artifact.uri))
        if canaries:
            check_canaries(canaries, files[-1][0], task_type, tokenizer, settings.max_length)
        written = _encode(files, Path(scratch) / "tokens", learner, tokenizer)
        for split, one in written.items():
            logger.info(
                "%s: %s examples, %s tokens, %s rows longer than %s tokens",
                split, one.rows, one.tokens, one.truncated, settings.max_length,
            )  # fmt: skip
        artifact = _put(store, written)
    return Tokens(
        artifact=artifact,
        labels=data.labels,
        max_length=settings.max_length,
        rows_by_split={split: one.rows for split, one in written.items()},
        tokens_by_split={split: one.tokens for split, one in written.items()},
        truncated_by_split={split: one.truncated for split, one in written.items()},
        stride=settings.stride,
        max_target_length=settings.max_target_length,
        augmented_rows=augmentation.rows if augmentation else 0,
        canary_rows=canaries.rows if canaries else 0,
    )


def _check_length(base: BaseModel, wanted: int, longest: int) -> None:
    if wanted > longest:
        raise SettingsError(
            f"tokenization.max_length is {wanted}, and base model {base.reference!r} takes at most "
            f"{longest} tokens; set it to {longest} or less"
        )


def _encode(
    files: Sequence[tuple[Path, str]],
    folder: Path,
    learner: Learner,
    tokenizer: "PreTrainedTokenizerFast",
) -> dict[str, SplitWriter]:
    """Write every split's file, however many rows there are in the memory of some thousand."""
    import pyarrow.compute as pc

    folder.mkdir()
    with ExitStack() as stack:
        written = {
            split: SplitWriter(folder / SPLIT_FILE.format(split=split), stack) for split in SPLITS
        }
        every = (rows for path, uri in files for rows in _read_rows(path, learner.name, uri))
        for rows in every:
            for split, writer in written.items():
                of_split = rows.filter(pc.equal(rows.column("split"), split))
                if of_split.num_rows or not writer.begun:
                    writer.write(learner.encode(of_split, tokenizer))
    return written


def _read_rows(path: Path, task_type: str, uri: str) -> Iterator[Any]:
    """The clean rows in Arrow tables of some thousand; one empty table where there are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["row_id", "split", *shape_of(task_type).names]
    try:
        # Buffering ahead would hold whole columns in memory.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            schema = pa.schema([file.schema_arrow.field(name) for name in columns])
            if not file.metadata.num_rows:
                yield schema.empty_table()
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
                yield pa.Table.from_batches([batch]).select(columns)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the clean rows at {uri} cannot be read: {error}") from error


def _put(store: ObjectStore, written: dict[str, SplitWriter]) -> Artifact:
    paths = [one.path for one in written.values()]
    digest = digest_of({path.name: sha256_of_file(path) for path in paths})
    return store.put_folder(store.uri("tokens", digest), paths[0].parent)

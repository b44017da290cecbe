"""What another model says of examples: asked once, and kept in shards in the store.

The address of the shards is a digest of the model that is asked, of the tokens and of code, so that
the same model is asked the same rows once, whatever else of a training changes; and where the
asking was cut off, it goes on behind the shards that are there.
"""

import hashlib
import inspect
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np

from infra.errors import BaseModelError, TrainingError
from infra.store import Artifact, ObjectStore
from tasks.task_types.batches import fill_batches
from tasks.task_types.examples import Batch, Example, Outputs, Vocabulary
from tasks.task_types.learner import Learner
from tasks.task_types.scoring import load_model, token_budget
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.training.batching import VALIDATION_DRAW, TokenizedRows, length_of
from tasks.training.shards import SHARD_FILE

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from transformers import PretrainedConfig

TOKENS_FILE: Final = "{split}.arrow"
# Examples of a shard: some megabytes of the logits of labels.
ROWS_A_SHARD: Final = 4096


class Keeper(Protocol):
    """What is kept of outputs; a task type's soft labels, or its answers of a reference."""

    auto_class: ClassVar[str]
    """Name in transformers of the models that have such outputs."""

    def kept(
        self, outputs: Outputs, batch: Batch, config: "PretrainedConfig", /
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """By column: of each of B examples (K,) numbers."""


class AskedModel:
    """A model that is asked about examples, in float32; it is loaded when the first is asked.

    Attributes:
        folder: of the model.
        name: what it is to the training, and the setting that names it, for messages.
        also_asked: with what it is called beside the inputs of a batch.

    """

    also_asked: Mapping[str, bool] = MappingProxyType({})

    def __init__(
        self,
        folder: Path,
        name: tuple[str, str],
        learner: Learner,
        keeper: Keeper,
        order: Sequence[int] | slice = (),
    ) -> None:
        """`order`: the model's output of each label of the learner; all of them in their order."""
        self.folder, self.name = folder, name
        self._learner, self._keeper, self._order = learner, keeper, order
        self._model: Any = None
        self._vocabulary: Vocabulary | None = None

    def about(self, rows: TokenizedRows, numbers: range) -> "dict[str, pa.Array]":
        """What is kept of the answers to some examples, in their order.

        Raises:
            BaseModelError: the model does not read what it is asked.
            TrainingError: it says what is no number.

        """
        self._load()
        return self._kept_of([rows[number] for number in numbers])

    def _kept_of(self, examples: Sequence[Example]) -> "dict[str, pa.Array]":
        """What is kept of the answers to these, in batches of like length."""
        import pyarrow as pa

        kept: dict[str, list[Any]] = {}
        lengths = [length_of(example) for example in examples]
        for places in fill_batches(lengths, token_budget(self._model)):
            for name, values in self._answers([examples[place] for place in places]).items():
                column = kept.setdefault(name, [None] * len(examples))
                for place, value in zip(places, values, strict=True):
                    column[place] = value
        return {name: pa.array(values) for name, values in kept.items()}

    def _load(self) -> None:
        if self._model is None:
            self._model = load_model(self.folder, self._keeper.auto_class)
            self._vocabulary = vocabulary_of(load_tokenizer(self.folder), self._model.config)

    def _refuse_unread(self, batch: Batch) -> None:
        """The tokenizer may say of tokens what this kind of model does not read."""
        read = inspect.signature(self._model.forward).parameters
        if unread := sorted(batch.inputs.keys() - read.keys()):
            raise BaseModelError(
                f"the {self.name[0]} in {self.folder} ({type(self._model).__name__}) does not read "
                f"{', '.join(unread)}, which the model that is trained reads; name one that does "
                f"in {self.name[1]}, or set model_input_names to [input_ids, attention_mask] in "
                "the tokenizer_config.json of the base model"
            )

    def _answers(self, examples: Sequence[Example]) -> Any:
        import torch

        assert self._vocabulary  # noqa: S101 - it is loaded with the model
        batch = self._learner.collate(examples, self._vocabulary).to(self._model.device)
        self._refuse_unread(batch)
        with torch.inference_mode():
            outputs = self._model(**batch.inputs, **self.also_asked)
        if isinstance(self._order, slice) or len(self._order):
            outputs["logits"] = outputs["logits"][..., self._order]
        kept = self._kept(outputs, batch)
        if not all(np.isfinite(value).all() for values in kept.values() for value in values):
            raise TrainingError(
                f"the {self.name[0]} in {self.folder} gives scores that are no numbers; name "
                f"another one in {self.name[1]}"
            )
        return kept

    def _kept(self, outputs: Outputs, batch: Batch) -> Any:
        """What is kept of a batch's outputs; see `Keeper.kept`."""
        return self._keeper.kept(outputs, batch, self._model.config)


def keep_answers(
    store: ObjectStore,
    place: str,
    tokens: Path,
    split: str,
    model: AskedModel,
    *,
    rows_a_shard: int | None = None,
    draw: int = VALIDATION_DRAW,
) -> tuple[Artifact, ...]:
    """What a model says of all examples of a split, in shards of an address.

    Args:
        store: of the shards.
        place: their address, without their names.
        tokens: local folder of the examples.
        split: of these.
        model: that is asked about those of the shards that are not there.
        rows_a_shard: examples of a shard; the last one may have fewer; None: `ROWS_A_SHARD`.
        draw: number of what a collation draws of the examples.

    Raises:
        BaseModelError, TrainingError: as `AskedModel.about`, or the model cannot be loaded.
        StoreError: the store cannot be reached.

    """
    file = tokens / TOKENS_FILE.format(split=split)
    rows, row_ids = TokenizedRows(file), _row_ids(file)
    rows.set_epoch(draw)
    return tuple(
        _shard(
            store, f"{place}/{SHARD_FILE.format(split=split, number=number)}", model, rows,
            row_ids, numbers,
        )
        for number, numbers in enumerate(_parts(len(rows), rows_a_shard or ROWS_A_SHARD))
    )  # fmt: skip


def _parts(rows: int, size: int) -> Iterator[range]:
    for start in range(0, rows, size):
        yield range(start, min(start + size, rows))


def _shard(
    store: ObjectStore,
    uri: str,
    model: AskedModel,
    rows: TokenizedRows,
    row_ids: Any,
    numbers: range,
) -> Artifact:
    """One shard as it is in the store already, or made now."""
    import pyarrow as pa

    if store.exists(uri):
        content = store.get_bytes(uri)
        return Artifact(uri, hashlib.sha256(content).hexdigest(), len(content))
    own = {"row_id": row_ids[numbers.start : numbers.stop]}
    return store.put_bytes(uri, _as_bytes(pa.table({**own, **model.about(rows, numbers)})))


def _as_bytes(table: "pa.Table") -> bytes:
    """An Arrow file, uncompressed, so that training can map it into memory."""
    import pyarrow as pa

    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _row_ids(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all().column("row_id").combine_chunks()

"""Training examples as a network's inputs, which show in what ranges its numbers lie."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.store import ObjectStore
from tasks.compression.exporting import SEGMENTS
from tasks.records.training import Tokens
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of

if TYPE_CHECKING:
    from tasks.task_types.examples import Example

Inputs = Mapping[str, NDArray[np.int64]]
_TRAIN: Final = "train.arrow"


def calibration_inputs(
    store: ObjectStore, tokens: Tokens, task_type: str, trained: Path, wanted: int
) -> Iterator[Inputs]:
    """Inputs of one training example after the other, (1, T) each, spread evenly over all of them.

    No validation or test row is among them.

    Args:
        store: of the tokens.
        tokens: that the model was trained on.
        task_type: what the model is for.
        trained: its folder, with the tokenizer; the tokens are put beside it.
        wanted: examples, at most.

    Raises:
        StoreError: the store cannot be reached.

    """
    from transformers import AutoConfig

    learner = learner_of(task_type, tokens.labels, TokenLimits.of(tokens))
    config = AutoConfig.from_pretrained(trained, local_files_only=True, trust_remote_code=False)
    vocabulary = vocabulary_of(load_tokenizer(trained), config)
    folder = store.get_folder(tokens.artifact, trained.parent / "tokens")
    for example in _examples(folder / _TRAIN, wanted):
        inputs = learner.collate([example], vocabulary).inputs
        yield {name: value.numpy() for name, value in inputs.items()}


def _examples(path: Path, wanted: int) -> "Iterator[Example]":
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all().drop_columns(["row_id"])
    places = np.linspace(0, len(table) - 1, min(len(table), wanted)).astype(int)
    for row in table.take(pa.array(places)).to_pylist():
        yield {**{name: _as_array(value) for name, value in row.items()}, "seed": 0}


def _as_array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, list) else value


def inputs_named(names: Sequence[str], inputs: Inputs) -> Inputs:
    """What a network takes of a batch; which text a token is of is 0 where nobody says it.

    Args:
        names: of the network's inputs.
        inputs: of the batch, by name.

    """
    if SEGMENTS in names and SEGMENTS not in inputs:
        inputs = {**inputs, SEGMENTS: np.zeros_like(inputs["input_ids"])}
    return {name: inputs[name] for name in names}

"""The loss that training has of single rows: what an attacker reads who has a model's weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from infra.device import pick_device
from infra.errors import TrainingError
from tasks.perturbations.draws import rank_of
from tasks.resampling import Floats
from tasks.task_types.batches import fill_batches
from tasks.task_types.examples import IDS_ENDING, Batch, Example
from tasks.task_types.learner import Learner
from tasks.task_types.scoring import token_budget
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

# Scores that one batch may give, tokens times vocabulary: 256 MB of float32.
SCORES_AT_ONCE: Final = 2**26


@dataclass(frozen=True, eq=False)
class RowLosses:
    """Losses of N rows.

    Attributes:
        mean: in nats, over what `units` counts, (N,); NaN of a row that gives no example.
        units: what the loss of a row is a mean over, such as its tokens, (N,).

    """

    mean: Floats
    units: Floats

    @property
    def summed(self) -> Floats:
        """The loss of whole rows, (N,)."""
        return self.mean * self.units


def losses_of_rows(learner: Learner, folder: Path, rows: pa.Table, seed: int) -> RowLosses:
    """The plain loss of each row, all of its examples together, without dropout.

    What a collation draws, such as the words that a masked model must guess, follows from seed and
    row_id, so that all models are asked the same.

    Args:
        learner: of the task type.
        folder: a trained model with its tokenizer, as transformers saves them.
        rows: N rows, with row_id and the columns of the task type.
        seed: of what is drawn.

    Raises:
        BaseModelError: the folder holds no such model.
        DataError: a row cannot be an example.
        TrainingError: a loss is no number.

    """
    import torch

    plain = learner.without_loss_settings()
    tokenizer = load_tokenizer(folder)
    model = plain.load_model(folder).to(pick_device().name).eval()
    vocabulary = vocabulary_of(tokenizer, model.config)
    encoded = plain.encode(rows, tokenizer).table
    row_ids = encoded["row_id"].to_pylist()
    examples, lengths = _examples(encoded, row_ids, seed)
    sums, units = np.zeros(len(examples)), np.zeros(len(examples))
    for places in fill_batches(lengths, _tokens_at_once(model)):
        batch = plain.collate([examples[place] for place in places], vocabulary).to(model.device)
        with torch.inference_mode():
            outputs = model(**batch.inputs)
            found = [_loss_of_one(plain, outputs, batch, number) for number in range(len(places))]
        sums[places], units[places] = zip(*found, strict=True)
    if broken := int((~np.isfinite(sums)).sum()):
        raise TrainingError(
            f"the model in {folder} gives no number as the loss of {broken} of {len(sums)} "
            "examples; its training diverged: train it again with a lower learning rate"
        )
    return _of_rows(rows["row_id"].to_pylist(), row_ids, sums, units)


def _tokens_at_once(model: "PreTrainedModel") -> int:
    """Padded tokens of a batch, so that scores for the whole vocabulary fit in memory."""
    vocabulary = int(getattr(model.config, "vocab_size", 1))
    return min(token_budget(model), max(SCORES_AT_ONCE // vocabulary, 1))


def _loss_of_one(learner: Learner, outputs: Any, batch: Batch, number: int) -> tuple[float, float]:
    """Loss of one example of a batch, summed over its units, and how many these are."""
    import torch

    one = Batch(
        {name: _part(value, number, batch.rows) for name, value in batch.inputs.items()},
        {name: value[number : number + 1] for name, value in batch.labels.items()},
    )
    told = {
        name: _part(value, number, batch.rows)
        for name, value in outputs.items()
        if isinstance(value, torch.Tensor)
    }
    units = learner.units(one)
    ones = torch.ones(len(units), device=units.device)
    return float(learner.loss(told, one, ones)), float(units[0])


def _part(value: "Tensor", number: int, rows: int) -> "Tensor":
    """What of a tensor is one example's, where each has as many places of the first dimension."""
    each = len(value) // rows
    return value[number * each : (number + 1) * each]


def _examples(
    encoded: pa.Table, row_ids: Sequence[str], seed: int
) -> tuple[list[Example], list[int]]:
    """Examples as training reads them, and the tokens of each."""
    columns = {
        name: _values(encoded[name].combine_chunks())
        for name in encoded.column_names
        if name != "row_id"
    }
    seen: dict[str, int] = {}
    examples, lengths = list[Example](), list[int]()
    for place, row_id in enumerate(row_ids):
        number = seen[row_id] = seen.get(row_id, -1) + 1
        example = {name: values[place] for name, values in columns.items()}
        lengths.append(sum(len(example[name]) for name in columns if name.endswith(IDS_ENDING)))
        examples.append({**example, "seed": rank_of(seed, "masks", row_id, f"{number}")})
    return examples, lengths


def _values(column: Any) -> Sequence[Any]:
    if not pa.types.is_list(column.type):
        return list(column.to_numpy(zero_copy_only=False))
    values, ends = column.flatten().to_numpy(zero_copy_only=False), column.offsets.to_numpy()
    return np.split(values, (ends - ends[0])[1:-1]) if len(column) else []


def _of_rows(
    wanted: Sequence[str], row_ids: Sequence[str], sums: Floats, units: Floats
) -> RowLosses:
    """The losses of rows in the order of their ids, of all examples of each."""
    place = {row_id: number for number, row_id in enumerate(wanted)}
    of = np.array([place[row_id] for row_id in row_ids], dtype=np.int64)
    total, count = (
        np.bincount(of, part, minlength=len(wanted)).astype(np.float64) for part in (sums, units)
    )
    return RowLosses(np.where(count > 0, total / np.maximum(count, 1), np.nan), count)

"""What a trained model says of pairs of entities: the probability of each relation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.finite import check_finite
from tasks.task_types.relations.entity_markers import encode_pairs, marked_pairs
from tasks.task_types.relations.pair_logits import head_names, pair_logits
from tasks.task_types.scoring import load_model, run_batches
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    import pyarrow as pa


def pair_probabilities(
    folder: Path, rows: "pa.Table", labels: Sequence[str], max_length: int
) -> NDArray[np.float32]:
    """Probabilities (N, L) of the relations of each row.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        rows: N rows, with the inputs of relation_extraction.
        labels: the label set.
        max_length: tokens that a text is cut to.

    Raises:
        BaseModelError: the folder holds no such model, or it knows other labels.
        DataError: the marks of two entities are longer than that.
        TrainingError: the model gives a score that is no number.

    """
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "AutoModelForTokenClassification")
    known = tuple(model.config.id2label[place] for place in range(model.config.num_labels))
    if known != head_names(labels):
        raise BaseModelError(
            f"the head of the model in {folder} gives {list(known)}; right would be "
            f"{list(head_names(labels))}"
        )
    encoded = list(encode_pairs(marked_pairs(rows), tokenizer, max_length))
    shares = np.zeros((len(encoded), len(labels)), dtype=np.float32)
    ids = [one.input_ids for one in encoded]
    for numbers, _, outputs in run_batches(model, ids, tokenizer.pad_token_id) if ids else ():
        check_finite(outputs.logits, folder)
        subjects, objects = (
            torch.tensor([getattr(encoded[number], part) for number in numbers])
            for part in ("subject", "object")
        )
        logits = pair_logits(outputs.logits.float().cpu(), subjects, objects)
        shares[numbers] = logits.softmax(dim=-1).numpy()
    return shares

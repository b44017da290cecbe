"""How likely a trained language model holds the tokens of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from infra.errors import TrainingError
from tasks.task_types.language_models.likelihood import Numbers, labelled_batch, row_sums
from tasks.task_types.scoring import batches_to_score, token_budget

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Scores that one batch may give, tokens times vocabulary: 256 MB of float32.
SCORES_AT_ONCE: Final = 2**26


def score_tokens(
    model: "PreTrainedModel", rows: Sequence[Numbers], labels: Sequence[Numbers], pad_id: int
) -> NDArray[np.float64]:
    """`row_sums` of N rows of token ids, (N, 3), in batches of like length; no scores are kept.

    Args:
        model: as `scoring.load_model` gives it.
        rows: token ids.
        labels: as long as the rows.
        pad_id: token that fills a batch up.

    """
    import torch

    sums = np.zeros((len(rows), 3))
    for places in batches_to_score(model, [len(row) for row in rows], tokens_at_once(model)):
        batch = labelled_batch(
            [rows[place] for place in places], [labels[place] for place in places], pad_id
        ).to(model.device)
        with torch.inference_mode():
            logits = model(**batch.inputs).logits
            sums[places] = row_sums(logits, batch.labels["labels"]).cpu().numpy()
    return sums


def tokens_at_once(model: "PreTrainedModel") -> int:
    """Padded tokens of one batch, so that their scores for the whole vocabulary fit in memory."""
    return int(min(token_budget(model), max(SCORES_AT_ONCE // model.config.vocab_size, 1)))


def check_numbers(nll: NDArray[np.float64], folder: Path) -> None:
    """Refuse likelihoods that are no numbers.

    Raises:
        TrainingError: some are none.

    """
    broken = int((~np.isfinite(nll)).sum())
    if broken:
        raise TrainingError(
            f"the model in {folder} gives no number for {broken} of {len(nll)} texts; its training "
            "diverged: train it again with a lower learning rate"
        )

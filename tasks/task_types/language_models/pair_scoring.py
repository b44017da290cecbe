"""What a model with both heads of BERT's pretraining says of pairs of sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.transformers_logs import quiet_transformers
from tasks.task_types.encoding import encode_batch
from tasks.task_types.examples import pad_like
from tasks.task_types.language_models.masked_words import (
    SUMS,
    Window,
    batch_of,
    hide_every_seventh,
    sums_of_windows,
)
from tasks.task_types.language_models.masking import check_mask_token, pair_words
from tasks.task_types.language_models.sentence_pairs import IS_NEXT, SentencePair, split_sentences
from tasks.task_types.language_models.token_scoring import check_numbers, tokens_at_once
from tasks.task_types.scoring import batches_to_score, load_model
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast
    from transformers.utils import ModelOutput


@dataclass(frozen=True)
class PairScorer:
    """A model with its tokenizer.

    Attributes:
        folder: of both.
        max_length: tokens of a pair, special ones included.

    """

    folder: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    max_length: int

    @classmethod
    def load(cls, folder: Path, max_length: int) -> "PairScorer":
        """Load a trained model.

        Raises:
            BaseModelError: the folder holds no such model, or no mask token.

        """
        with quiet_transformers():
            tokenizer = load_tokenizer(folder)
            check_mask_token(tokenizer)
            return cls(folder, load_model(folder, "AutoModelForPreTraining"), tokenizer, max_length)

    def score(self, pairs: Sequence[SentencePair]) -> NDArray[np.float64]:
        """Probability that the second sentence follows, and the `SUMS` of hidden words, (P, 6).

        The first is asked of the whole sentences, and the words are hidden afterwards.

        Raises:
            TrainingError: the model gives a score that is no number.

        """
        import torch

        special = frozenset(self.tokenizer.all_special_ids)
        encodings = self._encode([(pair.first, pair.second) for pair in pairs])
        found = np.zeros((len(pairs), 1 + len(SUMS)))
        lengths = [len(one.ids) for one in encodings]
        for places in batches_to_score(self.model, lengths, tokens_at_once(self.model)):
            part = [encodings[place] for place in places]
            shown, hidden = [], []
            for place, one in zip(places, part, strict=True):
                words = np.asarray(pair_words(one, special), dtype=np.int64)
                text = f"{pairs[place].first} {pairs[place].second}"
                ids, labels = hide_every_seventh(one.ids, words, text, self.tokenizer.mask_token_id)
                shown.append(Window(place, np.asarray(one.ids, dtype=np.int64), words, labels))
                hidden.append(Window(place, ids, words, labels))
            types = pad_like([one.type_ids for one in part], 0).to(self.model.device)
            for windows, columns in ((shown, slice(0, 1)), (hidden, slice(1, None))):
                batch = batch_of(windows, self.tokenizer.pad_token_id).to(self.model.device)
                with torch.inference_mode():
                    outputs = self.model(**batch.inputs, token_type_ids=types)
                found[places, columns] = (
                    _follows(outputs).cpu().numpy()[:, None]
                    if windows is shown
                    else sums_of_windows(outputs.prediction_logits, batch, windows)
                )
        check_numbers(found.sum(axis=1), self.folder)
        return found

    def order(self, text: str) -> dict[str, list[float]]:
        """What the served model answers to a document, one pair asked after the other."""
        import torch

        sentences = split_sentences(text)
        found = []
        for one in self._encode(list(pairwise(sentences))):
            ids, types = (
                torch.tensor([values], device=self.model.device)
                for values in (one.ids, one.type_ids)
            )
            with torch.inference_mode():
                outputs = self.model(
                    input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=types
                )
            found.append(float(_follows(outputs)[0]))
        return {"next_probabilities": found}

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> "list[Encoding]":
        return encode_batch(self.tokenizer, pairs, self.max_length) if pairs else []


def _follows(outputs: "ModelOutput") -> "Tensor":
    """Probability (B,) that the second sentence follows the first."""
    probabilities: Tensor = outputs.seq_relationship_logits.float().softmax(dim=-1)
    return probabilities[:, IS_NEXT]

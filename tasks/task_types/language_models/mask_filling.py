"""A masked language model that fills the hidden words of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.transformers_logs import quiet_transformers
from tasks.task_types.control_tokens import reading_masks
from tasks.task_types.encoding import batches_of, encode_batch
from tasks.task_types.examples import IGNORED
from tasks.task_types.language_models.masked_words import (
    SUMS,
    Window,
    batch_of,
    hide_every_seventh,
    sums_of_windows,
)
from tasks.task_types.language_models.masking import (
    check_mask_token,
    word_numbers,
)
from tasks.task_types.language_models.token_scoring import check_numbers, tokens_at_once
from tasks.task_types.scoring import batches_to_score, load_model
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    import pyarrow as pa
    from tokenizers import Encoding, Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


LIKELIEST = 5
# Scores of a token are told to so many places.
PLACES = 6


@dataclass(frozen=True)
class MaskFiller:
    """A model with its tokenizer.

    Attributes:
        folder: of both.
        blanks: the tokenizer for a text whose mask tokens say where a word is asked for.
        max_length: tokens of a window, special ones included.

    """

    folder: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    blanks: "Tokenizer"
    max_length: int

    @classmethod
    def load(cls, folder: Path, max_length: int) -> "MaskFiller":
        """Load a trained model.

        Raises:
            BaseModelError: the folder holds no such model, or no mask token.

        """
        with quiet_transformers():
            tokenizer = load_tokenizer(folder)
            check_mask_token(tokenizer)
            model = load_model(folder, "AutoModelForMaskedLM")
            return cls(folder, model, tokenizer, reading_masks(tokenizer), max_length)

    def score(self, texts: Sequence[str]) -> "dict[str, pa.Array]":
        """Columns that `masked_measures.measure_masked` reads, every seventh word hidden.

        Raises:
            TrainingError: the model gives a score that is no number.

        """
        import pyarrow as pa

        sums = np.zeros((len(texts), len(SUMS)))
        done = 0
        for batch in batches_of(texts):
            windows = self._windows(batch)
            found = self._score_windows(windows)
            np.add.at(sums, [done + window.text for window in windows], found)
            done += len(batch)
        check_numbers(sums[:, 0], self.folder)
        return {name: pa.array(sums[:, column]) for column, name in enumerate(SUMS)}

    def fill(self, text: str) -> dict[str, object]:
        """What the served model answers to a text.

        The windows of one text are asked one by one, as the served model does, so that not even
        the last bits of the scores differ.
        """
        import torch

        windows = self._windows_with_blanks(text)
        asked = any((window.ids == self.tokenizer.mask_token_id).any() for window in windows)
        if not asked:
            windows = self._windows([text])
        tokens: list[list[str]] = []
        scores: list[list[float]] = []
        true: list[float] = []
        for window in windows:
            ids = torch.from_numpy(window.ids)[None].to(self.model.device)
            with torch.inference_mode():
                logits = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
            hidden = torch.from_numpy(window.ids == self.tokenizer.mask_token_id)
            logs = logits.float().cpu()[hidden].log_softmax(dim=-1)  # (M, V)
            best = logs.topk(min(LIKELIEST, logs.shape[-1]), dim=-1)
            tokens += [self.tokenizer.convert_ids_to_tokens(row) for row in best.indices.tolist()]
            scores += [[round(one, PLACES) for one in row] for row in best.values.exp().tolist()]
            wanted = torch.from_numpy(window.labels)[hidden]
            true += logs.gather(1, wanted.clamp(min=0)[:, None])[:, 0].tolist()
        mean = sum(true) / len(true) if true and not asked else None
        return {"tokens": tokens, "scores": scores, "mean_log_likelihood": mean}

    def _windows(self, texts: Sequence[str]) -> list[Window]:
        """Parts of texts with every seventh word hidden; what spells a mask token is text."""
        mask = self.tokenizer.mask_token_id
        windows = []
        for place, encoding in enumerate(encode_batch(self.tokenizer, texts, self.max_length)):
            for part in (encoding, *encoding.overflowing):
                words = self._words(part)
                ids, labels = hide_every_seventh(part.ids, words, texts[place], mask)
                windows.append(Window(place, ids, words, labels))
        return windows

    def _windows_with_blanks(self, text: str) -> list[Window]:
        """Parts of a text in which the mask token, and it alone, is what it spells."""
        self.blanks.enable_truncation(self.max_length, direction=self.tokenizer.truncation_side)
        encoding = self.blanks.encode(text)
        return [
            Window(
                0,
                np.asarray(part.ids, dtype=np.int64),
                self._words(part),
                np.full(len(part.ids), IGNORED),
            )
            for part in (encoding, *encoding.overflowing)
        ]

    def _words(self, part: "Encoding") -> NDArray[np.int64]:
        special = frozenset(self.tokenizer.all_special_ids)
        return np.asarray(word_numbers(part, special), dtype=np.int64)

    def _score_windows(self, windows: Sequence[Window]) -> NDArray[np.float64]:
        """The sums of each window, (W, 5)."""
        import torch

        sums = np.zeros((len(windows), len(SUMS)))
        lengths = [len(window.ids) for window in windows]
        for places in batches_to_score(self.model, lengths, tokens_at_once(self.model)):
            part = [windows[place] for place in places]
            batch = batch_of(part, self.tokenizer.pad_token_id).to(self.model.device)
            with torch.inference_mode():
                logits = self.model(**batch.inputs).logits
                sums[places] = sums_of_windows(logits, batch, part)
        return sums

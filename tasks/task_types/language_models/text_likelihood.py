"""The likelihood of tokens: of a causal model by those before, of a masked one by all others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.examples import IGNORED
from tasks.task_types.language_models.blanks import fill_masks, write_words
from tasks.task_types.language_models.blocks import bounds_of
from tasks.task_types.language_models.masking import check_mask_token
from tasks.task_types.language_models.token_scoring import check_numbers, score_tokens
from tasks.task_types.scoring import load_model
from tasks.task_types.text_likelihood import ReadText
from tasks.task_types.tokenizers import load_tokenizer, longest_text

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# Copies of texts with one token hidden each that are made at once.
COPIES_AT_ONCE: Final = 4096


@dataclass(frozen=True)
class _Asked:
    """A model with its tokenizer."""

    folder: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    longest: int

    _auto_class: ClassVar[str]

    @staticmethod
    def _check(tokenizer: "PreTrainedTokenizerFast") -> None:
        """Refuse a tokenizer that lacks a token which the likelihood needs."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a trained model.

        Raises:
            BaseModelError: the folder holds no such model, or its tokenizer lacks a token that the
                likelihood needs.

        """
        tokenizer = load_tokenizer(folder)
        cls._check(tokenizer)
        return cls(
            folder, load_model(folder, cls._auto_class), tokenizer, longest_text(folder, tokenizer)
        )

    def _encode(self, texts: Sequence[str], *, special: bool) -> "list[Encoding]":
        backend = self.tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        return list(backend.encode_batch(list(texts), add_special_tokens=special))


class MaskedLikelihood(_Asked):
    """Pseudo-log-likelihood: each token hidden in a copy of the text (Salazar et al. 2020)."""

    rule: ClassVar[str] = "pseudo-log-likelihood, each token hidden in turn"
    sees_both_sides: ClassVar[bool] = True
    _auto_class: ClassVar[str] = "AutoModelForMaskedLM"

    @staticmethod
    def _check(tokenizer: "PreTrainedTokenizerFast") -> None:
        check_mask_token(tokenizer)

    def read(self, texts: Sequence[str]) -> list[ReadText]:
        """See `TextLikelihood.read`."""
        return [
            ReadText(
                tuple(one.ids),
                tuple(end for _, end in one.offsets),
                tuple(n for n, special in enumerate(one.special_tokens_mask) if not special),
            )
            for one in self._encode(texts, special=True)
        ]

    def log_likelihoods(
        self, texts: Sequence[ReadText], asked: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """See `TextLikelihood.log_likelihoods`."""
        nll = np.zeros(len(texts))
        for owners, rows, labels in self._copies(texts, asked):
            sums = score_tokens(self.model, rows, labels, self.tokenizer.pad_token_id)
            nll += np.bincount(owners, sums[:, 0], minlength=len(texts))
        check_numbers(nll, self.folder)
        return -nll

    def _copies(
        self, texts: Sequence[ReadText], asked: Sequence[Sequence[int]]
    ) -> Iterator[tuple[list[int], list[NDArray[np.int64]], list[NDArray[np.int64]]]]:
        """Some texts at a time with one asked token hidden each: their owners, ids and labels."""
        hidden = [(owner, place) for owner, places in enumerate(asked) for place in places]
        for first in range(0, len(hidden), COPIES_AT_ONCE):
            part = hidden[first : first + COPIES_AT_ONCE]
            rows, labels = [], []
            for owner, place in part:
                ids = np.asarray(texts[owner].ids, dtype=np.int64)
                label = np.full(len(ids), IGNORED)
                label[place] = ids[place]
                ids[place] = self.tokenizer.mask_token_id
                rows.append(ids)
                labels.append(label)
            yield [owner for owner, _ in part], rows, labels

    def likeliest_words(self, blanks: Sequence[tuple[str, str]], count: int) -> list[list[str]]:
        """See `TextLikelihood.likeliest_words`; tokens, some of which are pieces of words."""
        return fill_masks(self.model, self.tokenizer, blanks, count, self.longest)


class CausalLikelihood(_Asked):
    """Log-likelihood by the tokens before, the first one behind the model's begin token."""

    rule: ClassVar[str] = "log-likelihood, each token after those before it"
    sees_both_sides: ClassVar[bool] = False
    _auto_class: ClassVar[str] = "AutoModelForCausalLM"

    @staticmethod
    def _check(tokenizer: "PreTrainedTokenizerFast") -> None:
        bounds_of(tokenizer)

    def read(self, texts: Sequence[str]) -> list[ReadText]:
        """See `TextLikelihood.read`."""
        start = bounds_of(self.tokenizer)[0]
        return [
            ReadText(
                (start, *one.ids),
                (0, *(end for _, end in one.offsets)),
                tuple(range(1, len(one.ids) + 1)),
            )
            for one in self._encode(texts, special=False)
        ]

    def log_likelihoods(
        self, texts: Sequence[ReadText], asked: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """See `TextLikelihood.log_likelihoods`."""
        rows = [np.asarray(text.ids, dtype=np.int64) for text in texts]
        labels = []
        for ids, places in zip(rows, asked, strict=True):
            label = np.full(len(ids), IGNORED)
            wanted = np.asarray(places, dtype=np.int64)
            label[wanted - 1] = ids[wanted]
            labels.append(label)
        nll = score_tokens(self.model, rows, labels, self.tokenizer.pad_token_id)[:, 0]
        check_numbers(nll, self.folder)
        return np.asarray(-nll)

    def likeliest_words(self, blanks: Sequence[tuple[str, str]], count: int) -> list[list[str]]:
        """See `TextLikelihood.likeliest_words`; the space before a word is part of its token."""
        rows = [one.ids for one in self.read([before.rstrip() for before, _ in blanks])]
        return write_words(self.model, self.tokenizer, rows, count, self.longest)

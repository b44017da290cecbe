"""The model that is explained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError, SettingsError
from infra.onnx_files import ONNX_FILE
from infra.transformers_logs import quiet_transformers
from tasks.explanation.words import EncodedText, encoded_text
from tasks.task_types.encoding import encode_batch
from tasks.task_types.finite import check_finite
from tasks.task_types.labels.explained_numbers import (
    EXPLAINED,
    ExplainedNumber,
    why_no_explanation,
)
from tasks.task_types.labels.model_labels import model_labels
from tasks.task_types.networks import NETWORKS
from tasks.task_types.scoring import load_model, run_batches
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast
    from transformers.utils import ModelOutput

    from tasks.task_types.limits import TokenLimits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TokenIds = Sequence[int]


@dataclass(frozen=True, eq=False)
class ExplainedNetwork:
    """A model with its tokenizer, asked for its outputs and for gradients of them.

    Attributes:
        number: what of its answers is explained.
        labels: of its outputs, in the model's own order; of a regression none.
        max_length: tokens that a text is cut to.

    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    number: ExplainedNumber
    labels: tuple[str, ...]
    max_length: int
    folder: Path

    @property
    def filler(self) -> int:
        """The token that stands for nothing: the mask, which the base model has learned to read.

        Of a tokenizer without one, the padding token.
        """
        mask, pad = self.tokenizer.mask_token_id, self.tokenizer.pad_token_id
        return int(mask if mask is not None else pad)

    @property
    def has_gradients(self) -> bool:
        """Whether torch runs it: a compressed model gives its outputs alone."""
        return not (self.folder / ONNX_FILE).is_file()

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """Texts as the model reads them, each with its words."""
        pad_id = int(self.tokenizer.pad_token_id)
        encodings = encode_batch(self.tokenizer, texts, self.max_length)
        return [
            encoded_text(text, encoding, pad_id)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def outputs(self, rows: Sequence[TokenIds]) -> Floats:
        """The head's outputs (N, L) of rows of token ids, each distinct row asked once.

        Raises:
            TrainingError: the model gives a score that is no number.

        """
        distinct = list(dict.fromkeys(map(tuple, rows)))
        found = np.zeros((len(distinct), self.model.config.num_labels))
        pad_id = int(self.tokenizer.pad_token_id)
        for places, _, outputs in run_batches(self.model, distinct, pad_id):
            check_finite(outputs.logits, self.folder)
            found[places] = outputs.logits.double().cpu().numpy()
        place = {row: index for index, row in enumerate(distinct)}
        return found[[place[tuple(row)] for row in rows]] if len(rows) else found

    def read(self, outputs: "ModelOutput", real: "torch.Tensor | None" = None) -> "torch.Tensor":
        """What an answer is read from.

        Args:
            outputs: of the model, for B rows of T tokens.
            real: (B, T) which tokens are no padding; None where all are.

        Returns:
            Here the head's outputs (B, L).

        """
        del real
        found: torch.Tensor = outputs.logits
        return found

    def inputs_beside(self, targets: "torch.Tensor", length: int) -> "dict[str, torch.Tensor]":
        """What the model is told of B rows of a length beside their tokens, by argument name."""
        del targets, length
        return {}

    def without(self, encoded: EncodedText, gone: frozenset[int]) -> TokenIds:
        """Token ids of a text that has lost some words.

        Args:
            encoded: the text.
            gone: places of the words.

        """
        return encoded.without(gone)

    def read_at(self, ids: TokenIds, target: "Ints | np.int64") -> list[int]:
        """Places of the tokens that an answer is read at.

        Here the token that stands for the whole text, else the last one.
        """
        del target
        first = self.tokenizer.cls_token_id
        return [list(ids).index(first) if first is not None and first in ids else len(ids) - 1]

    def explained(self, outputs: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
        """The explained number (B,) of what `read` gives for each row's target."""
        return self.number.of_outputs(outputs, targets, self.model.config)

    def numbers(self, rows: Sequence[TokenIds], targets: Ints) -> Floats:
        """The explained number (N,) of rows of token ids."""
        import torch

        outputs = torch.from_numpy(self.outputs(rows))
        found: Floats = self.explained(outputs, torch.from_numpy(targets)).numpy()
        return found

    def moves(self, numbers: Floats, whole: Floats | None = None) -> Floats:
        """Explained numbers on the scale that faithfulness is measured on.

        Of a label the probability. Of a regression the distance from the mean of the training
        targets in their standard deviations, to the side that the whole text lies on.

        Args:
            numbers: (N,) or (N, M).
            whole: of the whole texts, of the shape of the numbers; by default themselves.

        """
        if self.number.of_labels:
            return np.asarray(0.5 * (1 + np.tanh(numbers / 2)))
        config = self.model.config
        of_whole = numbers if whole is None else whole
        side = np.where(of_whole >= config.target_mean, 1.0, -1.0)
        return np.asarray(side * (numbers - config.target_mean) / config.target_scale)

    def answers(self, rows: Sequence[TokenIds]) -> Ints:
        """The target (N,) of each row: its likeliest label, or the one number."""
        if not self.number.of_labels:
            return np.zeros(len(rows), np.int64)
        found: Ints = self.outputs(rows).argmax(axis=1).astype(np.int64)
        return found

    def name_of(self, target: int) -> str:
        """A target in words."""
        return self.labels[target] if self.labels else "the number"

    def target_named(self, label: str) -> int:
        """The target of a label.

        Raises:
            SettingsError: there is no such label.

        """
        if label in self.labels:
            return self.labels.index(label)
        known = ", ".join(self.labels) or "none: the model gives a number"
        raise SettingsError(f"the label {label!r} is none of the model's; its labels are {known}")


def load_network(
    folder: Path, task_type: str, limits: "TokenLimits", *, keep_gradients: bool = False
) -> ExplainedNetwork:
    """A model folder, ready to be explained.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        task_type: of the model.
        limits: lengths in tokens.
        keep_gradients: leave gradients of the weights on, which explaining needs none of.

    Raises:
        SettingsError: answers of its task type are not explained.
        BaseModelError: the folder holds no such model.

    """
    if why := why_no_explanation(task_type):
        raise SettingsError(why)
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, NETWORKS[task_type].auto_class)
    number = EXPLAINED[task_type]
    if not number.of_labels and not hasattr(model.config, "target_scale"):
        raise BaseModelError(
            f"the model in {folder} was not trained for {task_type}: its config.json has no "
            "target_mean and target_scale"
        )
    labels = model_labels(folder) if number.of_labels else ()
    network = ExplainedNetwork(model, tokenizer, number, labels, limits.max_length, folder)
    if network.has_gradients and not keep_gradients:
        model.requires_grad_(requires_grad=False)
    return network


@contextmanager
def showing_attention(network: ExplainedNetwork) -> Iterator[None]:
    """Have the model work its attention out step by step, which gives the weights away."""
    model = network.model
    usual = model.config._attn_implementation  # noqa: SLF001 - transformers has no public name
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(usual)

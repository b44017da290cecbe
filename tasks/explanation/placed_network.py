"""Models whose answers lie at places of a text: taggers, and those that find answers to questions.

A text in which words were left out would have its answer at another place. So words are masked
instead, in each method and in the measures of faithfulness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from infra.transformers_logs import quiet_transformers
from tasks.explanation.network import ExplainedNetwork, Floats, Ints, TokenIds
from tasks.explanation.occlusion import masked
from tasks.explanation.place_odds import log_odds_of_span, log_odds_of_tags
from tasks.explanation.words import EncodedText
from tasks.task_types.examples import pad
from tasks.task_types.finite import check_finite
from tasks.task_types.labels.explained_numbers import ExplainedNumber
from tasks.task_types.networks import NETWORKS
from tasks.task_types.placed_answers import QUESTIONS, TAGGING
from tasks.task_types.questions.context_windows import PairFrame, pair_frame
from tasks.task_types.scoring import batches_to_score, load_model, token_budget
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers.utils import ModelOutput

    from tasks.task_types.limits import TokenLimits

TAGS: Final = ExplainedNumber(log_odds_of_tags)
SPAN: Final = ExplainedNumber(log_odds_of_span)
_Network = TypeVar("_Network", bound="PlacedNetwork")


@dataclass(frozen=True, eq=False)
class PlacedNetwork(ExplainedNetwork):
    """A model whose answers lie at places; its targets name them.

    Attributes:
        limits: lengths in tokens.

    """

    limits: "TokenLimits"

    def numbers(self, rows: Sequence[TokenIds], targets: Ints) -> Floats:
        """The explained number (N,) of rows of token ids, each distinct one asked once.

        Raises:
            TrainingError: the model gives a score that is no number.

        """
        keys = [(tuple(row), target.tobytes()) for row, target in zip(rows, targets, strict=True)]
        firsts: dict[tuple[TokenIds, bytes], int] = {}
        for place, key in enumerate(keys):
            firsts.setdefault(key, place)
        places = list(firsts.values())
        found = self._asked([rows[place] for place in places], targets[places])
        by_key = dict(zip(firsts, found.tolist(), strict=True))
        return np.array([by_key[key] for key in keys])

    def _asked(self, rows: Sequence[TokenIds], targets: Ints) -> Floats:
        import torch

        found = np.zeros(len(rows))
        model, pad_id = self.model, int(self.tokenizer.pad_token_id)
        for numbers in batches_to_score(model, list(map(len, rows)), token_budget(model)):
            batch = pad([rows[number] for number in numbers], pad_id)
            batch = {name: value.to(model.device) for name, value in batch.items()}
            at = torch.from_numpy(targets[numbers]).to(model.device)
            beside = self.inputs_beside(at, batch["input_ids"].shape[1])
            with torch.inference_mode():
                outputs = model(**batch, **beside)
            check_finite(self.read(outputs), self.folder)
            scores = self.read(outputs, batch["attention_mask"].bool()).double()
            found[numbers] = self.explained(scores, at).cpu().numpy()
        return found

    def without(self, encoded: EncodedText, gone: frozenset[int]) -> TokenIds:
        """Token ids with the filler in place of some words; see `ExplainedNetwork.without`."""
        return masked(encoded, gone, self.filler)


@dataclass(frozen=True, eq=False)
class TagNetwork(PlacedNetwork):
    """A tagger. Targets are (N, K, 2): place and tag of some tokens, and -1 to fill up.

    Its labels are the tags, in the order of the model's outputs.
    """

    def read_at(self, ids: TokenIds, target: "Ints | np.int64") -> list[int]:
        """Places of the tokens whose tags are explained."""
        del ids
        return [int(place) for place, _ in np.asarray(target) if place >= 0]


@dataclass(frozen=True, eq=False)
class SpanNetwork(PlacedNetwork):
    """A model that finds the answer to a question.

    Targets are (N, 4): first and last token of the answer, and of its context the first token and
    the one behind the last.

    Attributes:
        frame: the special tokens around a question and its context.

    """

    frame: PairFrame

    def read(self, outputs: "ModelOutput", real: "torch.Tensor | None" = None) -> "torch.Tensor":
        """Scores (B, 2, T) of each token as the first and the last one; of padding -inf."""
        import torch

        scores = torch.stack([outputs.start_logits, outputs.end_logits], dim=1)
        return scores if real is None else scores.masked_fill(~real[:, None], float("-inf"))

    def inputs_beside(self, targets: "torch.Tensor", length: int) -> "dict[str, torch.Tensor]":
        """Which text each token is of, where the model reads that."""
        import torch

        if not self.frame.segments:
            return {}
        before, between = len(self.frame.before), len(self.frame.between)
        begin, end = targets[:, 2], targets[:, 3]
        borders = torch.stack([torch.full_like(begin, before), begin - between, begin, end], dim=1)
        place = torch.arange(length, device=targets.device)
        part = (place[None, :, None] >= borders[:, None]).sum(dim=-1)  # (B, T), from 0 to 4
        kinds = torch.tensor(self.frame.segments, device=targets.device)
        return {"token_type_ids": kinds[part]}

    def read_at(self, ids: TokenIds, target: "Ints | np.int64") -> list[int]:
        """Places of the first and the last token of the answer."""
        del ids
        return [int(place) for place in np.asarray(target)[:2]]


def load_tag_network(folder: Path, labels: Sequence[str], limits: "TokenLimits") -> TagNetwork:
    """A tagger, ready to be explained.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        labels: the tags, in the order of the model's outputs.
        limits: lengths in tokens.

    Raises:
        BaseModelError: the folder holds no such model.

    """
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, NETWORKS[TAGGING].auto_class)
    return _still(
        TagNetwork(
            model=model, tokenizer=tokenizer, number=TAGS, labels=tuple(labels),
            max_length=limits.max_length, folder=folder, limits=limits,
        )
    )  # fmt: skip


def load_span_network(folder: Path, limits: "TokenLimits") -> SpanNetwork:
    """A model that finds answers, ready to be explained; arguments as of `load_tag_network`.

    Raises:
        BaseModelError: the folder holds no such model.

    """
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, NETWORKS[QUESTIONS].auto_class)
    return _still(
        SpanNetwork(
            model=model, tokenizer=tokenizer, number=SPAN, labels=("answer", "no answer"),
            max_length=limits.max_length, folder=folder, limits=limits,
            frame=pair_frame(tokenizer),
        )
    )  # fmt: skip


def _still(network: _Network) -> _Network:
    """Without gradients of the weights, which explaining needs none of."""
    if network.has_gradients:
        network.model.requires_grad_(requires_grad=False)
    return network

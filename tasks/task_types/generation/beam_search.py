"""What an encoder and decoder writes, by beam search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.errors import TrainingError
from tasks.task_types.batches import fill_batches
from tasks.task_types.encoding import encode_batch
from tasks.task_types.examples import pad
from tasks.task_types.generation.pairs import end_id

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


# Tokens read and written, by all beams, whose attention is kept at once.
BEAM_TOKENS: Final = 16_384


@dataclass(frozen=True)
class BeamWriter:
    """A model that writes, by the generation settings that were saved with it.

    Attributes:
        model: as `scoring.load_model` gives it.
        tokenizer: its own.
        max_length: tokens that a source is cut to.
        max_target_length: tokens that are written at most, the end token included.

    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    max_length: int
    max_target_length: int

    def write(self, sources: Sequence[str]) -> list[str]:
        """A text for each source, in batches of like length."""
        return self.write_read([self._read(source) for source in sources])

    def write_read(self, encoded: Sequence[Sequence[int]]) -> list[str]:
        """The same for sources as token ids."""
        return [self._spelt(ids) for ids in self._in_batches(encoded)]

    def write_ids(self, encoded: Sequence[Sequence[int]]) -> list[list[int]]:
        """Token ids of what is written for sources as token ids, as a target has them.

        They end with the end token, also where the search came to the longest target without one.
        """
        return [self._target(ids) for ids in self._in_batches(encoded)]

    def write_whole(self, sources: Sequence[str]) -> list[str | None]:
        """A text for each source; None where the source, or what is written of it, was cut off."""
        read = encode_batch(self.tokenizer, sources, self.max_length)
        whole = [place for place, one in enumerate(read) if not one.overflowing]
        written: list[str | None] = [None] * len(sources)
        found = self._in_batches([read[place].ids or [end_id(self.tokenizer)] for place in whole])
        for place, ids in zip(whole, found, strict=True):
            if self._has_ended(ids):
                written[place] = self._spelt(ids)
        return written

    def _in_batches(self, encoded: Sequence[Sequence[int]]) -> list[list[int]]:
        """What the decoder generates for each source, in batches of like length."""
        beams = self.model.generation_config.num_beams or 1
        lengths = [len(ids) + self.max_target_length for ids in encoded]
        generated: list[list[int]] = [[]] * len(encoded)
        for rows in fill_batches(lengths, BEAM_TOKENS // beams):
            found = self._generate([encoded[row] for row in rows])
            for row, ids in zip(rows, found, strict=True):
                generated[row] = ids
        return generated

    def _spelt(self, ids: Sequence[int]) -> str:
        (text,) = self.tokenizer.batch_decode([list(ids)], skip_special_tokens=True)
        return str(text).strip()

    def _has_ended(self, ids: Sequence[int]) -> bool:
        """Whether an end token closes what was written, behind the decoder's start token."""
        ends = self.model.generation_config.eos_token_id
        ends = end_id(self.tokenizer) if ends is None else ends
        return not set(ids[1:]).isdisjoint(ends if isinstance(ends, list) else [ends])

    def write_one(self, source: str) -> str:
        """A text for a source, with no other row beside it."""
        return self._spelt(self._generate([self._read(source)])[0])

    def _target(self, ids: list[int]) -> list[int]:
        """What was generated behind the start token, without what fills the batch up."""
        end = end_id(self.tokenizer)
        own = ids[1 : self.max_target_length + 1]
        if end in own:
            return own[: own.index(end) + 1]
        while own and own[-1] == self.tokenizer.pad_token_id:
            own.pop()
        return [*own[: self.max_target_length - 1], end]

    def _read(self, source: str) -> list[int]:
        ids = self.tokenizer(source, truncation=True, max_length=self.max_length)["input_ids"]
        return ids or [end_id(self.tokenizer)]

    def _generate(self, encoded: Sequence[Sequence[int]]) -> list[list[int]]:
        import torch
        from transformers import LogitsProcessorList

        batch = pad(encoded, self.tokenizer.pad_token_id)
        # Not in inference mode: what the model keeps from it could not be trained on.
        with torch.no_grad():
            ids = self.model.generate(
                **{name: value.to(self.model.device) for name, value in batch.items()},
                max_new_tokens=self.max_target_length,
                logits_processor=LogitsProcessorList([_refuse_no_numbers]),
            )
        found: list[list[int]] = ids.tolist()
        return found


def _refuse_no_numbers(_: "Tensor", scores: "Tensor") -> "Tensor":
    """A step of the search, (beams, V), that stops it where a score is no number."""
    if scores.isnan().any():
        raise TrainingError(
            "the model gives scores that are no numbers; its training diverged: train it again "
            "with a lower learning rate"
        )
    return scores

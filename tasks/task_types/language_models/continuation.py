"""What a causal language model writes after a text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def tokens_to_write(max_length: int, wanted: int) -> int:
    """Tokens that are written at most: those that are wanted, and at most half of what fits."""
    return min(wanted, max_length // 2)


def write_greedily(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    ids: Sequence[int],
    max_length: int,
    wanted: int,
    ends: Sequence[int] = (),
) -> str:
    """The text that follows, always the likeliest token next, up to the model's end token.

    One text at a time, as the served model does: rows that stand beside it would change the last
    bits of its scores.

    Args:
        model: as `scoring.load_model` gives it.
        tokenizer: its tokenizer.
        ids: tokens to go on from; the last of them, where they and the new ones are too many.
        max_length: tokens that the model takes, the new ones included.
        wanted: tokens to write.
        ends: tokens that end the text, besides the model's own.

    """
    (text,) = _generate(model, tokenizer, ids, max_length, wanted, ends, beams=1)
    return text


def write_by_beams(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    ids: Sequence[int],
    max_length: int,
    wanted: int,
    ends: Sequence[int],
    beams: int,
) -> list[str]:
    """The likeliest texts that a beam search finds to follow, likeliest first.

    Args:
        model: as `write_greedily`; so are the others.
        tokenizer: its tokenizer.
        ids: tokens to go on from.
        max_length: tokens that the model takes.
        wanted: tokens to write.
        ends: tokens that end a text.
        beams: of the search, and texts that it gives, 2 or more.

    """
    return _generate(model, tokenizer, ids, max_length, wanted, ends, beams=beams)


def _generate(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    ids: Sequence[int],
    max_length: int,
    wanted: int,
    ends: Sequence[int],
    *,
    beams: int,
) -> list[str]:
    import torch

    new_tokens = tokens_to_write(max_length, wanted)
    prompt = torch.tensor([list(ids)[-(max_length - new_tokens) :]], device=model.device)
    with torch.inference_mode():
        written = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=new_tokens,
            do_sample=False,
            num_beams=beams,
            num_return_sequences=beams,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=[*_own_ends(model), *ends] or None,
        )
    return [
        str(tokenizer.decode(row[prompt.shape[1] :], skip_special_tokens=True)) for row in written
    ]


def _own_ends(model: "PreTrainedModel") -> list[int]:
    own = model.generation_config.eos_token_id
    if own is None:
        return []
    return list(own) if isinstance(own, list) else [own]

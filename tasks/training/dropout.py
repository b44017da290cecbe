"""Dropout on a CPU, whose masks take four draws from one random number.

torch's own draws one number for each element, one after the other on a single thread, and its
attention with dropout computes in float32 whatever the number format: a tenth of the training time
of short texts was measured, and two fifths of that of long ones in bfloat16. GPUs draw inside the
operator and need none of this.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import dropout as torch_dropout
from torch.nn.functional import scaled_dot_product_attention as torch_attention

# Numbers of 16 bits, four to a drawn one of 64: a rate p is kept to 1 / 65,536.
LEVELS = 2**16
DRAWS_PER_NUMBER = 4


@contextmanager
def sixteen_bit_dropout() -> Iterator[None]:
    """Have dropout, that of attention too, draw its masks from 16 bits an element.

    The masks follow from torch's own CPU generator, whose state the checkpoints hold. The two
    functions are put in the place of torch's, since a function mode of torch is off within the
    backward pass, where gradient checkpointing draws the masks again.
    """
    functional.dropout, functional.scaled_dot_product_attention = dropout, attention
    try:
        yield
    finally:
        functional.dropout = torch_dropout
        functional.scaled_dot_product_attention = torch_attention


def dropout_of(device: str, *, compiled: bool) -> AbstractContextManager[Any]:
    """How forward and backward passes on a device draw their masks; compiled ones draw their own.

    Args:
        device: a torch device, for example ``cpu``.
        compiled: whether the model is.

    """
    return sixteen_bit_dropout() if device == "cpu" and not compiled else nullcontext()


def dropout(
    input: Tensor,  # noqa: A002
    p: float = 0.5,
    training: bool = True,  # noqa: FBT001, FBT002
    inplace: bool = False,  # noqa: ARG001, FBT001, FBT002
) -> Tensor:
    """Each element is zero with probability p, else over 1 - p; as torch.nn.functional.dropout."""
    if not training or p == 0:
        return input
    dropped: Tensor = _Dropped.apply(input, round(p * LEVELS))  # type: ignore[no-untyped-call]
    return dropped


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,  # noqa: FBT001, FBT002
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: FBT001, FBT002
) -> Tensor:
    """Attention (B, H, T, D) with dropout of its weights; as torch's scaled_dot_product_attention.

    What drops nothing, has heads in common or a mask of added numbers is left to torch.

    Args:
        query: (B, H, T, D).
        key: (B, H, S, D).
        value: (B, H, S, D).
        attn_mask: true where a query may look, or None.
        dropout_p: share of the weights that are dropped.
        is_causal: whether a query looks back only.
        scale: factor of the scores; one over the root of D where it is None.
        enable_gqa: whether heads have keys and values in common.

    """
    adds = attn_mask is not None and attn_mask.dtype != torch.bool
    if dropout_p == 0 or adds or enable_gqa:
        return torch_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    scores = (query * (scale or 1 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        # A query that may look nowhere is padding: its answer is read by nobody, but is a number.
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1).to(value.dtype)
    return dropout(weights, dropout_p) @ value


class _Dropped(torch.autograd.Function):
    """Keeps one byte an element for the backward pass."""

    @staticmethod
    def forward(context: Any, values: Tensor, level: int) -> Tensor:
        kept = drawn_from(level, values.shape)
        context.save_for_backward(kept)
        context.factor = LEVELS / (LEVELS - level) if level < LEVELS else 0.0
        return kept.to(values.dtype).mul_(context.factor).mul_(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kept,) = context.saved_tensors
        return kept.to(gradients[0].dtype).mul_(context.factor).mul_(gradients[0]), None


def drawn_from(level: int, shape: torch.Size) -> Tensor:
    """True with probability 1 - level / 65,536, in each element of a shape."""
    count = shape.numel()
    numbers = torch.empty(-(-count // DRAWS_PER_NUMBER), dtype=torch.int64)
    drawn = numbers.random_(-(2**63), None).view(torch.int16)[:count].view(shape)
    return drawn >= level - LEVELS // 2

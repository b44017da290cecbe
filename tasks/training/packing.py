"""Examples one behind the other in one row, none of which sees another.

Positions begin anew with each example, and attention keeps to it: by lengths where flash attention
is (Dao 2023, arXiv:2307.08691), by blocks where flex attention is, else by a dense mask, which is
the reference. The loss and the gradient are those of the padded batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from tasks.task_types.examples import Batch

Attention = Literal["flash", "flex", "dense"]
# Largest difference of the outputs, packed and padded, as a share of the largest output.
TOLERANCE = {"dense": 1e-4, "flex": 2e-2, "flash": 2e-2}


@dataclass(frozen=True)
class Packing:
    """How a model is given a packed row.

    Attributes:
        attention: what keeps the examples apart.
        implementation: transformers' name of the attention that the model must have for it.
        device: of the model; what keeps the examples apart is made there.
        causal: whether a token sees those before it alone.
        additive: whether a dense mask is added to the scores; else it tells which ones count.

    """

    attention: Attention
    causal: bool
    implementation: str
    device: str
    additive: bool = False

    def pack(self, batch: Batch) -> Batch:
        """A padded batch (B, T) as one row (1, N) of its N real tokens, on the model's device."""
        batch = batch.to(self.device)
        real = batch.inputs["attention_mask"].bool()
        own = torch.arange(len(real)).repeat_interleave(real.sum(dim=1).cpu()).to(real.device)
        positions = (real.cumsum(dim=1) - 1)[real][None]
        inputs = {
            name: value[real][None]
            for name, value in batch.inputs.items()
            if name != "attention_mask" and value.shape == real.shape
        }
        labels = {
            name: value[real][None] if value.shape[:2] == real.shape else value[:1]
            for name, value in batch.labels.items()
        }
        return Batch({**inputs, "position_ids": positions, **self._apart(own, real)}, labels)

    def _apart(self, own: Tensor, real: Tensor) -> dict[str, Any]:
        """What tells the model which example (N,) a token belongs to."""
        if self.attention == "flash":
            ends = real.sum(dim=1).cumsum(dim=0).int()
            starts = torch.cat([ends.new_zeros(1), ends])
            longest = int(real.sum(dim=1).max())
            return {
                "cu_seq_lens_q": starts, "cu_seq_lens_k": starts,
                "max_length_q": longest, "max_length_k": longest,
            }  # fmt: skip
        if self.attention == "flex":
            return {"attention_mask": self._blocks(own)}
        seen = own[:, None] == own[None, :]
        if self.causal:
            seen = seen.tril()
        if not self.additive:
            return {"attention_mask": seen[None, None]}
        hidden = torch.zeros(seen.shape, device=own.device)
        return {
            "attention_mask": hidden.masked_fill(~seen, torch.finfo(hidden.dtype).min)[None, None]
        }

    def _blocks(self, own: Tensor) -> Any:
        from torch.nn.attention.flex_attention import create_block_mask

        def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            same = own[query] == own[key]
            return same & (query >= key) if self.causal else same

        return create_block_mask(sees, None, None, len(own), len(own), device=own.device.type)


def exact_packing(model: Any, batch: Batch, *, on_gpu: bool) -> Packing | None:
    """The fastest way to pack for this model, whose outputs are those of the padded batch.

    It is tried, and not told by the model's name: positions that are not counted from 0, or
    attention with a window, show in the outputs.

    Args:
        model: on its device; its attention is set to the way that is found.
        batch: padded, of two or more examples of several lengths, on the same device.
        on_gpu: whether ways that need a GPU may be tried.

    Returns:
        None where no way agrees.

    """
    before = model.config._attn_implementation  # noqa: SLF001  # it has no public reader
    expected = _outputs(model, batch)
    device = str(batch.inputs["attention_mask"].device)
    dense = [
        Packing("dense", causal, before, device, additive=before == "eager")
        for causal in (False, True)
    ]
    agreeing = next((one for one in dense if _agrees(model, batch, one, expected)), None)
    if agreeing is None or not on_gpu:
        return agreeing
    for attention, implementation in gpu_ways():
        model.set_attn_implementation(implementation)
        one = replace(agreeing, attention=attention, implementation=implementation)
        if _agrees(model, batch, one, expected) and _trains(model, batch, one):
            return one
    model.set_attn_implementation(before)
    return agreeing


def gpu_ways() -> Iterator[tuple[Attention, str]]:
    """Ways that need a GPU and whose libraries are here, the fastest first.

    Yields:
        What keeps the examples apart, and transformers' name of that attention.

    """
    from transformers.utils import is_flash_attn_2_available, is_torch_flex_attn_available

    if is_flash_attn_2_available():
        yield "flash", "flash_attention_2"
    if is_torch_flex_attn_available():
        yield "flex", "flex_attention"


def _agrees(model: Any, batch: Batch, packing: Packing, expected: Tensor) -> bool:
    try:
        found = _outputs(model, packing.pack(batch))
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
        return False  # the model does not take such inputs
    if found.shape != expected.shape:
        return False
    apart = (found - expected).abs().max() / expected.abs().max().clamp(min=1e-6)
    return bool(apart <= TOLERANCE[packing.attention])


@torch.no_grad()
def _trains(model: Any, batch: Batch, packing: Packing) -> bool:
    """Whether the model takes such rows in training too.

    transformers' flex attention refuses to drop weights, and takes the rows where none are dropped.
    """
    training = model.training
    model.train()
    try:
        gpus = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=gpus):
            model(**packing.pack(batch).inputs)
    except ValueError:
        return False
    finally:
        model.train(training)
    return True


@torch.no_grad()
def _outputs(model: Any, batch: Batch) -> Tensor:
    """Outputs (N, L) of the real tokens, without dropout."""
    training = model.training
    model.eval()
    try:
        logits: Tensor = model(**batch.inputs)["logits"].float()
    finally:
        model.train(training)
    if "position_ids" in batch.inputs:
        return logits[0]
    return logits[batch.inputs["attention_mask"].bool()]

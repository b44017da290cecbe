"""GPT-2 (Radford et al. 2019): goes on with a text, around which it adds nothing."""

from typing import Any, Final

from tasks.tokenization.from_scratch.architectures.architecture import Architecture
from tasks.tokenization.settings import ScratchSettings


def sizes(settings: ScratchSettings) -> dict[str, Any]:
    """The settings as the configuration calls them."""
    return {
        "n_embd": settings.hidden_size,
        "n_layer": settings.layers,
        "n_head": settings.heads,
        "n_positions": settings.max_positions,
        "resid_pdrop": settings.dropout,
        "embd_pdrop": settings.dropout,
        "attn_pdrop": settings.dropout,
    }


GPT2: Final = Architecture(
    "AutoModelForCausalLM",
    sizes,
    {
        "pad_token": "<|pad|>", "unk_token": "<|unk|>", "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
    },
    keeps_spaces=True,
)  # fmt: skip

"""Llama (Touvron et al. 2023, arXiv:2302.13971): goes on with a text."""

from typing import Any, Final

from tasks.tokenization.from_scratch.architectures.architecture import INNER_WIDTHS, Architecture
from tasks.tokenization.settings import ScratchSettings


def sizes(settings: ScratchSettings) -> dict[str, Any]:
    """The settings as the configuration calls them."""
    return {
        "hidden_size": settings.hidden_size,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.heads,
        "intermediate_size": INNER_WIDTHS * settings.hidden_size,
        "max_position_embeddings": settings.max_positions,
        "attention_dropout": settings.dropout,
        "tie_word_embeddings": True,
    }


LLAMA: Final = Architecture(
    "AutoModelForCausalLM",
    sizes,
    {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
    around_one="<s> $A",
    around_two="<s> $A <s>:1 $B:1",
    keeps_spaces=True,
)

"""BART (Lewis et al. 2020, arXiv:1910.13461): turns a text into another.

Its decoder starts from the end token and ends with it, as it was released.
"""

from typing import Any, Final

from tasks.tokenization.from_scratch.architectures.architecture import INNER_WIDTHS, Architecture
from tasks.tokenization.settings import ScratchSettings


def sizes(settings: ScratchSettings) -> dict[str, Any]:
    """The settings as the configuration calls them."""
    halves = {
        f"{half}_{name}": value
        for half in ("encoder", "decoder")
        for name, value in (
            ("layers", settings.layers),
            ("attention_heads", settings.heads),
            ("ffn_dim", INNER_WIDTHS * settings.hidden_size),
        )
    }
    return {
        "d_model": settings.hidden_size,
        "max_position_embeddings": settings.max_positions,
        "dropout": settings.dropout,
        "attention_dropout": settings.dropout,
        **halves,
    }


BART: Final = Architecture(
    "AutoModelForSeq2SeqLM",
    sizes,
    {
        "bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>",
        "mask_token": "<mask>",
    },
    around_one="<s> $A </s>",
    around_two="<s> $A </s> </s> $B </s>",
    decoder_start={"decoder_start_token_id": "eos", "forced_eos_token_id": "eos"},
)  # fmt: skip

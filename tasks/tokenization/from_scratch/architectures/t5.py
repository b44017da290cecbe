"""T5 (Raffel et al. 2020, arXiv:1910.10683): turns a text into another.

Its decoder starts from the padding token, as it was released.
"""

from typing import Any, Final

from tasks.tokenization.from_scratch.architectures.architecture import INNER_WIDTHS, Architecture
from tasks.tokenization.settings import ScratchSettings


def sizes(settings: ScratchSettings) -> dict[str, Any]:
    """The settings as the configuration calls them."""
    return {
        "d_model": settings.hidden_size,
        "d_kv": settings.hidden_size // settings.heads,
        "d_ff": INNER_WIDTHS * settings.hidden_size,
        "num_layers": settings.layers,
        "num_heads": settings.heads,
        "dropout_rate": settings.dropout,
    }


T5: Final = Architecture(
    "AutoModelForSeq2SeqLM",
    sizes,
    {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    around_one="$A </s>",
    around_two="$A </s> $B </s>",
    decoder_start={"decoder_start_token_id": "pad"},
)

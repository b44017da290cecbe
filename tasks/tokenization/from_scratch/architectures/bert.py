"""BERT (Devlin et al. 2019, arXiv:1810.04805): reads a text."""

from typing import Any, Final

from tasks.tokenization.from_scratch.architectures.architecture import INNER_WIDTHS, Architecture
from tasks.tokenization.settings import ScratchSettings


def sizes(settings: ScratchSettings) -> dict[str, Any]:
    """The settings as the configuration calls them."""
    return {
        "hidden_size": settings.hidden_size,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": INNER_WIDTHS * settings.hidden_size,
        "max_position_embeddings": settings.max_positions,
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": settings.dropout,
    }


BERT: Final = Architecture(
    "AutoModelForPreTraining",
    sizes,
    {
        "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    },
    around_one="[CLS] $A [SEP]",
    around_two="[CLS] $A [SEP] $B:1 [SEP]:1",
)  # fmt: skip

"""A model with random weights."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tasks.tokenization.settings import Architecture, ScratchSettings

# Width of a layer's inner part, in hidden sizes: the usual choice since the first transformer.
INNER_WIDTHS: Final = 4


def new_model(tokenizer: Any, settings: ScratchSettings) -> Any:
    """A model as it is before its pretraining; the seed decides its weights.

    Args:
        tokenizer: that the model is for.
        settings: its sizes.

    """
    import torch
    import transformers

    auto_class, sizes = _ARCHITECTURES[settings.architecture]
    special = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")
    }
    config = transformers.AutoConfig.for_model(
        settings.architecture,
        vocab_size=len(tokenizer),
        **special,
        **sizes(settings),
        **_start_of_decoder(tokenizer, settings.architecture),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return getattr(transformers, auto_class).from_config(config, dtype=torch.float32)


def _start_of_decoder(tokenizer: Any, architecture: Architecture) -> dict[str, int]:
    """T5 starts to write from its padding token, BART from its end token, which it also ends with.

    Raffel et al. 2020 (arXiv:1910.10683) and Lewis et al. 2020 (arXiv:1910.13461), as released.
    """
    if architecture == "t5":
        return {"decoder_start_token_id": tokenizer.pad_token_id}
    if architecture == "bart":
        end = tokenizer.eos_token_id
        return {"decoder_start_token_id": end, "forced_eos_token_id": end}
    return {}


def _bert(settings: ScratchSettings) -> dict[str, Any]:
    return {
        "hidden_size": settings.hidden_size,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": INNER_WIDTHS * settings.hidden_size,
        "max_position_embeddings": settings.max_positions,
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": settings.dropout,
    }


def _gpt2(settings: ScratchSettings) -> dict[str, Any]:
    return {
        "n_embd": settings.hidden_size,
        "n_layer": settings.layers,
        "n_head": settings.heads,
        "n_positions": settings.max_positions,
        "resid_pdrop": settings.dropout,
        "embd_pdrop": settings.dropout,
        "attn_pdrop": settings.dropout,
    }


def _llama(settings: ScratchSettings) -> dict[str, Any]:
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


def _t5(settings: ScratchSettings) -> dict[str, Any]:
    return {
        "d_model": settings.hidden_size,
        "d_kv": settings.hidden_size // settings.heads,
        "d_ff": INNER_WIDTHS * settings.hidden_size,
        "num_layers": settings.layers,
        "num_heads": settings.heads,
        "dropout_rate": settings.dropout,
    }


def _bart(settings: ScratchSettings) -> dict[str, Any]:
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


# With all heads that the architecture is pretrained with; a task type takes what it needs of them.
_ARCHITECTURES: Final[
    Mapping[Architecture, tuple[str, Callable[[ScratchSettings], dict[str, Any]]]]
] = {
    "bert": ("AutoModelForPreTraining", _bert),
    "gpt2": ("AutoModelForCausalLM", _gpt2),
    "llama": ("AutoModelForCausalLM", _llama),
    "t5": ("AutoModelForSeq2SeqLM", _t5),
    "bart": ("AutoModelForSeq2SeqLM", _bart),
}

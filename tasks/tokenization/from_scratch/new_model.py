"""A model with random weights."""

from typing import Any

from tasks.tokenization.from_scratch.architectures.architecture import architecture_of
from tasks.tokenization.settings import ScratchSettings


def new_model(tokenizer: Any, settings: ScratchSettings) -> Any:
    """A model as it is before its pretraining; the seed decides its weights.

    Args:
        tokenizer: that the model is for.
        settings: its sizes.

    """
    import torch
    import transformers

    architecture = architecture_of(settings)
    special = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")
    }
    start = {
        name: special[f"{token}_token_id"] for name, token in architecture.decoder_start.items()
    }
    config = transformers.AutoConfig.for_model(
        settings.architecture,
        vocab_size=len(tokenizer),
        **special,
        **architecture.sizes(settings),
        **start,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        auto_class = getattr(transformers, architecture.auto_class)
        return auto_class.from_config(config, dtype=torch.float32)

"""The tokenizer of a model folder, and the longest text that the model takes."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.errors import BaseModelError
from tasks.task_types.control_tokens import reading_text
from tasks.task_types.examples import Vocabulary
from tasks.task_types.kept_models import kept

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

# What of a tokenizer decides which tokens a text has; the rest is padding and truncation.
_VOCABULARY: Final = ("added_tokens", "normalizer", "pre_tokenizer", "model")


@kept
def load_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """The fast tokenizer of a model, with a padding token; it reads text as text.

    A control token that a text spells is no control token: what is to be one is put in by id, or
    by a chat template (`language_models.template_tokens`).

    Raises:
        BaseModelError: its files cannot be read, or there is no fast form or no padding token.

    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder,
            use_fast=True,
            local_files_only=True,
            trust_remote_code=False,
            split_special_tokens=True,
        )
    except Exception as error:
        # The Rust tokenizer raises bare Exception on a broken file.
        raise BaseModelError(f"the tokenizer in {folder} cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise BaseModelError(f"the tokenizer in {folder} has no fast form (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise BaseModelError(
                f"the tokenizer in {folder} has neither a padding nor an end token; name a "
                "pad_token in its tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return reading_text(tokenizer)


def save_tokenizer(
    tokenizer: "PreTrainedTokenizerFast", folder: Path, *, control_tokens: bool
) -> None:
    """Write a tokenizer as transformers reads it.

    Args:
        tokenizer: as `load_tokenizer` gives it.
        folder: of the model.
        control_tokens: whether transformers, asked plainly, reads control tokens where a string
            spells them. The served scripts and `load_tokenizer` never do.

    """
    tokenizer.split_special_tokens = not control_tokens
    try:
        tokenizer.save_pretrained(folder)
    finally:
        tokenizer.split_special_tokens = True


def longest_text(folder: Path, tokenizer: "PreTrainedTokenizerFast") -> int:
    """Tokens that the model in a folder takes at most, special ones included.

    The model's position table and the tokenizer's own limit both bound it: RoBERTa's table, for
    one, has two positions more than a text may use.

    Raises:
        BaseModelError: the configuration cannot be read, or is of a model that transformers
            does not know.

    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"{folder}/config.json cannot be loaded: {error}") from error
    positions = getattr(config, "max_position_embeddings", None)
    limits = [tokenizer.model_max_length, *([positions] if positions and positions > 0 else [])]
    return int(min(limits))


def vocabulary_of(tokenizer: "PreTrainedTokenizerFast", config: "PretrainedConfig") -> Vocabulary:
    """What a collation needs to know of a tokenizer and of its model's configuration."""
    return Vocabulary(
        pad_id=tokenizer.pad_token_id,
        size=len(tokenizer),
        mask_id=tokenizer.mask_token_id,
        special_ids=frozenset(tokenizer.all_special_ids),
        decoder_start_id=getattr(config, "decoder_start_token_id", None),
    )


def vocabulary_digest(folder: Path) -> str:
    """SHA-256 of what decides which tokens a text has, in whichever files a folder says it.

    Raises:
        BaseModelError: as `load_tokenizer`.

    """
    parts = json.loads(load_tokenizer(folder).backend_tokenizer.to_str())
    kept_parts = json.dumps([parts.get(name) for name in _VOCABULARY], sort_keys=True)
    return hashlib.sha256(kept_parts.encode()).hexdigest()

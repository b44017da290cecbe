"""Tiny real language models."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

TEXTS = (
    "The match was won by a late goal.",
    "Shares fell as the bank raised its rates, and rose again the day after.",
    "书在桌子上。今天天气很好\uff0c我们去公园。",
    "She said that he said that they had said nothing at all. " * 6,
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
LENGTH = 48


def byte_tokenizer(folder: Path, *, begin: bool = False, **others: Any) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with an end token, trained on the texts above."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|start|>", "<|pad|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(TEXTS, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|end|>", pad_token="<|pad|>",
        bos_token="<|start|>" if begin else None, additional_special_tokens=["<|start|>"],
        model_max_length=LENGTH, **others,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return tokenizer


def tiny_gpt2(folder: Path) -> Path:
    """A GPT-2 of two layers with random weights."""
    tokenizer = byte_tokenizer(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=LENGTH,
            bos_token_id=0, eos_token_id=0, pad_token_id=2,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def tiny_llama(folder: Path) -> Path:
    """A Llama of two layers with random weights, tied embeddings and a chat template."""
    tokenizer = byte_tokenizer(folder, begin=True, chat_template=CHAT_TEMPLATE)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=LENGTH,
            tie_word_embeddings=True, bos_token_id=1, eos_token_id=0, pad_token_id=2,
            initializer_range=0.2,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def tiny_bert(base: Path, folder: Path) -> Path:
    """The tiny BERT with both heads of its pretraining, random ones."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(base, initializer_range=0.2)
    BertForPreTraining(config).save_pretrained(folder)
    return folder

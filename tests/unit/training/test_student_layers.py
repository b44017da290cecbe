"""A student that begins with layers of its teacher: their very weights and no others."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2LMHeadModel

from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers
from tasks.training.distillation.student import ASKED
from tasks.training.layer_stacks import keep_layers


def bert(layers: int, **others: Any) -> Any:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=16, **others,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


def test_the_layers_are_those_of_the_teacher(tmp_path: Path) -> None:
    teacher, student = bert(6, num_labels=3), bert(6, num_labels=3)
    keep_layers(student, [0, 2, 5], *ASKED)
    with quiet_transformers():
        student.save_pretrained(tmp_path)
        read = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert read.config.num_hidden_layers == 3
    theirs, ours = dict(teacher.named_parameters()), dict(read.named_parameters())
    places = {0: 0, 1: 2, 2: 5}
    for name, value in ours.items():
        before, found, after = name.partition("encoder.layer.")
        number, _, rest = after.partition(".")
        known = f"{before}{found}{places[int(number)]}.{rest}" if found else name
        assert torch.equal(value, theirs[known]), name
    assert sum("encoder.layer." in name for name in ours) * 2 == sum(
        "encoder.layer." in name for name in theirs
    )


def test_all_layers_are_the_teacher_itself() -> None:
    teacher, student = bert(3), bert(3)
    keep_layers(student, [0, 1, 2], *ASKED)
    ids = torch.arange(12).reshape(2, 6)
    with torch.inference_mode():
        torch.testing.assert_close(student(ids).logits, teacher(ids).logits)


def test_layers_of_a_decoder(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=4, n_head=2)
    model = GPT2LMHeadModel(config)
    wanted = model.transformer.h[3].mlp.c_fc.weight.clone()
    keep_layers(model, [1, 3], *ASKED)
    with quiet_transformers():
        model.save_pretrained(tmp_path)
        read = GPT2LMHeadModel.from_pretrained(tmp_path)
    assert read.config.n_layer == 2
    assert torch.equal(read.transformer.h[1].mlp.c_fc.weight, wanted)


def test_a_model_with_two_stacks_is_refused() -> None:
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        vocab_size=40, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
    )  # fmt: skip
    with pytest.raises(BaseModelError, match="has 2 stacks of 2 layers"):
        keep_layers(BartForConditionalGeneration(config), [0], *ASKED)

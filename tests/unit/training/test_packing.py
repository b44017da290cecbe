"""Packed rows against padded ones, on the reference path."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    BertConfig,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    RobertaConfig,
    RobertaForTokenClassification,
)
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tasks.task_types.examples import IGNORED, Batch, Example, Vocabulary, pad, pad_like
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.batching import in_packed_passes, length_of
from tasks.training.packing import Packing, exact_packing
from tasks.training.passes import Passes

VOCABULARY = Vocabulary(pad_id=0, size=90)
SMALL = {"vocab_size": 90, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def bert(attention: str = "sdpa") -> torch.nn.Module:
    config = BertConfig(
        **SMALL, intermediate_size=32, max_position_embeddings=32, num_labels=4,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation=attention,
    )  # fmt: skip
    return BertForTokenClassification(config)


def gpt2(attention: str = "sdpa") -> torch.nn.Module:
    config = GPT2Config(
        vocab_size=90, n_embd=16, n_layer=2, n_head=2, n_positions=32, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation=attention,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def llama(attention: str = "sdpa") -> torch.nn.Module:
    config = LlamaConfig(
        **SMALL, intermediate_size=32, num_key_value_heads=1, max_position_embeddings=32,
        attn_implementation=attention,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def roberta() -> torch.nn.Module:
    """Counts positions from the padding token's number on."""
    return RobertaForTokenClassification(
        RobertaConfig(**SMALL, intermediate_size=32, max_position_embeddings=40, pad_token_id=1)
    )


MODELS = {
    "bert sdpa": bert, "bert eager": lambda: bert("eager"), "gpt2 sdpa": gpt2,
    "gpt2 eager": lambda: gpt2("eager"), "llama sdpa": llama,
}  # fmt: skip


def batch_of(lengths: list[int], classes: int = 4, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    ids = [rng.integers(5, 90, length) for length in lengths]
    labels = [np.where(rng.random(len(one)) < 0.3, IGNORED, one % classes) for one in ids]
    return Batch(pad(ids, 0), {"labels": pad_like(labels, IGNORED)})


@pytest.fixture(scope="module", params=list(MODELS))
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    build: Callable[[], torch.nn.Module] = MODELS[request.param]
    return build().eval()


def loss_and_gradient(model: torch.nn.Module, batch: Batch) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    logits = model(**batch.inputs)["logits"]
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.labels["labels"].flatten(), ignore_index=IGNORED,
        reduction="sum",
    )  # fmt: skip
    loss.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return loss.item(), torch.cat(gradients)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_loss_and_gradient_are_those_of_the_padded_batch(
    model: torch.nn.Module, lengths: list[int], seed: int
) -> None:
    packing = exact_packing(model, batch_of([9, 4, 2]), on_gpu=False)
    assert packing is not None
    assert packing.causal == (not isinstance(model, BertForTokenClassification))
    batch = batch_of(lengths, seed=seed)
    packed = packing.pack(batch)
    assert packed.inputs["input_ids"].shape == (1, sum(lengths))
    loss, gradient = loss_and_gradient(model, packed)
    expected_loss, expected = loss_and_gradient(model, batch)
    assert loss == pytest.approx(expected_loss, rel=1e-5, abs=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_no_example_sees_another(model: torch.nn.Module) -> None:
    packing = exact_packing(model, batch_of([9, 4, 2]), on_gpu=False)
    assert packing is not None
    batch = batch_of([7, 12, 5])
    with torch.no_grad():
        before = model(**packing.pack(batch).inputs)["logits"][0]
        batch.inputs["input_ids"][1, :12] = 7
        after = model(**packing.pack(batch).inputs)["logits"][0]
    changed = (before != after).any(dim=1)
    assert not changed[:7].any()
    assert changed[7:19].any()
    assert not changed[19:].any()


def test_a_model_that_counts_positions_otherwise_is_not_packed() -> None:
    torch.manual_seed(0)
    assert exact_packing(roberta().eval(), batch_of([9, 4, 2]), on_gpu=False) is None


def test_dropout_stays_on_after_the_trial() -> None:
    model = bert().train()
    assert exact_packing(model, batch_of([9, 4, 2]), on_gpu=False)
    assert model.training


def refusing_attention(module: torch.nn.Module, *arguments: object, **options: object) -> object:
    """As flex attention does it: no weights are dropped, and who asks for it is refused."""
    if options.get("dropout", 0.0):
        raise ValueError("this attention does not support dropout")
    return ALL_ATTENTION_FUNCTIONS["sdpa"](module, *arguments, **options)


@pytest.mark.parametrize(("dropout", "expected"), [(0.0, "refusing"), (0.1, "sdpa")])
def test_attention_that_cannot_drop_is_no_way_for_a_model_that_drops(
    monkeypatch: pytest.MonkeyPatch, dropout: float, expected: str
) -> None:
    AttentionInterface.register("refusing", refusing_attention)
    AttentionMaskInterface.register("refusing", ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    monkeypatch.setattr("tasks.training.packing.gpu_ways", lambda: [("dense", "refusing")])
    torch.manual_seed(0)
    model = bert().train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    before = torch.get_rng_state()
    packing = exact_packing(model, batch_of([9, 4, 2]), on_gpu=True)
    assert packing is not None
    assert packing.implementation == expected
    assert model.config._attn_implementation == expected
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)  # the trial draws nothing of the training's
    model(**packing.pack(batch_of([9, 4, 2])).inputs)


def test_what_flash_attention_is_told_goes_to_the_device_too() -> None:
    packed = Packing("flash", False, "flash_attention_2", "cpu").pack(batch_of([9, 4, 2]))  # noqa: FBT003
    moved = packed.to("cpu")
    assert moved.inputs["max_length_q"] == 9
    assert moved.inputs["cu_seq_lens_q"].tolist() == [0, 9, 13, 15]


def test_rows_are_packed_on_the_device_of_the_model() -> None:
    """A block mask reads which example a token belongs to, and must find that on the device."""
    passes = Passes(learner_of("causal_lm", (), TokenLimits(16)), VOCABULARY, 90)
    packing = exact_packing(gpt2().eval(), batch_of([9, 4, 2]), on_gpu=False)
    assert packing is not None
    assert packing.device == "cpu"
    moved: list[str] = []

    class OnAnotherDevice(Packing):
        def _apart(self, own: torch.Tensor, real: torch.Tensor) -> dict[str, object]:
            moved.append(str(real.device))
            return super()._apart(own, real)

    def to(batch: Batch, device: str) -> Batch:
        moved.append(device)
        return batch

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Batch, "to", to)
        passes.packing = OnAnotherDevice("dense", True, "sdpa", "cuda:1")  # noqa: FBT003
        passes.of(examples_of([9, 4]))
    assert moved == ["cuda:1", "cpu"]  # moved before anything is made of it


def examples_of(lengths: list[int]) -> list[Example]:
    rng = np.random.default_rng(1)
    return [{"input_ids": rng.integers(5, 90, length), "seed": 0} for length in lengths]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(2, 30), min_size=1, max_size=9), st.integers(8, 90), st.integers(1, 3))
def test_a_step_of_packed_passes_is_that_of_padded_ones(
    lengths: list[int], budget: int, workers: int
) -> None:
    """Through the passes of all workers, for a task type that packs."""
    torch.manual_seed(0)
    model, learner, examples = (
        gpt2().eval(),
        learner_of("causal_lm", (), TokenLimits(16)),
        examples_of(lengths),
    )
    totals = []
    for packing in (None, exact_packing(model, batch_of([9, 4, 2]), on_gpu=False)):
        total = 0.0
        for worker in range(workers):
            passes = Passes(learner, VOCABULARY, budget, worker=worker, workers=workers)
            passes.packing = packing
            step = passes.of(examples)
            for batch in step.batches[: step.counted]:
                total += learner.loss(model(**batch.inputs), batch, step.units).item()
        totals.append(total)
    assert totals[1] == pytest.approx(totals[0], rel=1e-5)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 90))
def test_a_packed_pass_keeps_to_its_budget_unless_one_row_is_longer(
    lengths: list[int], budget: int
) -> None:
    examples = examples_of(lengths)
    passes = in_packed_passes(examples, budget)
    assert sorted(id(one) for part in passes for one in part) == sorted(map(id, examples))
    for part in passes:
        assert sum(map(length_of, part)) <= budget or len(part) == 1

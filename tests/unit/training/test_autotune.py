"""What the measurement runs: each variant with the attention that a training of it has."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from infra.device import Device
from tasks.task_types.examples import Example, Vocabulary
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.auto_choices import Variant
from tasks.training.autotune import Probe, best_of
from tasks.training.packing import exact_packing
from tasks.training.passes import Passes

PADDED, PACKED = Variant("padded", "float32", False), Variant("packed", "float32", False)  # noqa: FBT003


def examples() -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        {"input_ids": rng.integers(5, 50, length), "words": np.arange(length), "seed": length}
        for length in (9, 4, 2)
    ]


@pytest.fixture
def probe() -> Probe:
    """Packed rows have another attention than padded ones, as on a GPU."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32,
    )  # fmt: skip
    model = BertForMaskedLM(config)
    learner = learner_of("masked_lm", (), TokenLimits(16))
    passes = Passes(learner, Vocabulary(pad_id=0, size=50, mask_id=4), 64)
    packing = exact_packing(model, passes.collate(examples()), on_gpu=False)
    assert packing is not None
    assert packing.implementation == "sdpa"
    packing = replace(packing, implementation="eager", additive=True)
    sample = (examples(), examples())
    return Probe(learner, model, Device("cpu", "float32", 1), passes, sample, packing, "sdpa")


def test_each_variant_runs_with_its_own_attention(probe: Probe) -> None:
    for variant, expected in ((PACKED, "eager"), (PADDED, "sdpa"), (PACKED, "eager")):
        assert probe.run(variant, examples()) == 15
        assert probe.model.config._attn_implementation == expected
    assert set(probe.rates([PADDED, PACKED])) == {PADDED.name, PACKED.name}
    assert probe.model.config._attn_implementation == "eager"


def test_products_are_tf32_in_that_variant_alone(probe: Probe) -> None:
    seen = []
    probe.model.register_forward_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    for variant in (PADDED, Variant("padded", "tf32", False), PADDED):  # noqa: FBT003
        probe.run(variant, examples())
    assert seen == ["highest", "high", "highest"]


def test_a_variant_that_cannot_be_compiled_is_not_taken(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine with a GPU and no C compiler trains without compiling."""

    def no_compiler(*_: object, **__: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease set the variable CC.")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: no_compiler)
    compiled = Variant("padded", "float32", True)  # noqa: FBT003
    rates = probe.rates([PADDED, compiled])
    assert rates[compiled.name] == 0
    assert rates[PADDED.name] > 0
    assert best_of([PADDED, compiled], rates) is PADDED
    told = [record.getMessage() for record in caplog.records if "not taken" in record.getMessage()]
    assert told == [
        "padded-float32-compiled does not run here and is not taken: Failed to find C compiler."
    ]
    monkeypatch.setattr(probe.learner.__class__, "loss", no_compiler)
    with pytest.raises(RuntimeError, match="C compiler"):
        probe.rates([PADDED])  # what is not compiled must run

"""Steps with differential privacy: against Opacus, row by row, and the noise by its moments."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from infra.device import Device
from infra.errors import TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import Example, Vocabulary
from tasks.task_types.learner import LEARNERS, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.autotune import variants_for
from tasks.training.batching import ROW, StepLoader, TokenizedRows
from tasks.training.passes import Objective, Passes
from tasks.training.privacy.noisy_steps import NoisySteps, secret_noise
from tasks.training.privacy.sampling import PoissonSampler
from tasks.training.settings import TrainingSettings

VOCABULARY = Vocabulary(pad_id=0, size=600)
LABELS = ("a", "b", "c")
ACCELERATOR: Any = SimpleNamespace(
    backward=lambda loss: loss.backward(), no_sync=lambda _: nullcontext(), num_processes=1
)
LEARNER = learner_of("classification", LABELS, TokenLimits(32, 0, 0))
LENGTHS = (9, 3, 6, 12, 4)


@pytest.fixture
def model(tiny_model: Path) -> Any:
    torch.manual_seed(1)
    with quiet_transformers():
        return LEARNER.load_model(tiny_model).eval()


def examples_of(rows: tuple[int, ...] = (0, 1, 2, 3, 4)) -> list[Example]:
    random = np.random.default_rng(0)
    return [
        {
            "input_ids": random.integers(5, VOCABULARY.size, length).astype(np.int32),
            "labels": int(random.integers(0, 3)), "seed": 0, ROW: row,
        }
        for length, row in zip(LENGTHS, rows, strict=True)
    ]  # fmt: skip


def no_noise(like: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(like)


def gradient(
    model: Any, examples: list[Example], learner: Any = LEARNER, **settings: Any
) -> torch.Tensor:
    """The gradient of a step as one vector."""
    steps = NoisySteps(**{"clip_norm": 1.0, "noise_multiplier": 1.0, "rows_expected": 1} | settings)
    passes = Passes(learner, VOCABULARY, 2048)
    objective = Objective(learner, ACCELERATOR, nullcontext)
    (loss,) = steps.backward(model, examples, passes, objective, torch.device("cpu"))
    assert torch.isfinite(loss)  # else the training ends
    return torch.cat([one.grad.flatten() for one in model.parameters() if one.requires_grad])


def by_row(model: Any, examples: list[Example]) -> dict[int, torch.Tensor]:
    """The gradient of each row's mean loss, by plain torch."""
    found = {}
    for row in dict.fromkeys(example[ROW] for example in examples):
        model.zero_grad()
        of_row = [one for one in examples if one[ROW] == row]
        batch = LEARNER.collate(of_row, VOCABULARY)
        LEARNER.loss(model(**batch.inputs), batch, LEARNER.units(batch)).backward()
        found[row] = torch.cat(
            [
                (torch.zeros_like(one) if one.grad is None else one.grad).flatten()
                for one in model.parameters()
            ]
        )
    return found


@pytest.mark.parametrize("clip_norm", [0.05, 0.5, 100.0])
@pytest.mark.parametrize("rows", [(0, 1, 2, 3, 4), (0, 0, 1, 1, 1)])
def test_each_row_counts_with_at_most_the_clipping_norm(
    model: Any, clip_norm: float, rows: tuple[int, ...]
) -> None:
    examples = examples_of(rows)
    expected: Any = sum(
        one * min(1.0, clip_norm / float(one.norm())) for one in by_row(model, examples).values()
    )
    found = gradient(model, examples, clip_norm=clip_norm, rows_expected=4, noise=no_noise)
    torch.testing.assert_close(found, expected / 4, atol=1e-6, rtol=1e-4)


def test_the_clipped_sum_is_that_of_opacus(model: Any) -> None:
    from opacus import GradSampleModule

    examples, clip_norm = examples_of(), 0.5
    ours = gradient(model, examples, clip_norm=clip_norm, noise=no_noise)
    model.zero_grad()
    model.train()  # Opacus asks for it; the tiny model has no dropout then
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    wrapped = GradSampleModule(model, loss_reduction="sum", strict=False)
    batch = LEARNER.collate(examples, VOCABULARY)
    ids = batch.inputs["input_ids"]
    own = {  # one a row, where BERT would share those of the first
        "position_ids": torch.arange(ids.shape[1]).expand(ids.shape),
        "token_type_ids": torch.zeros_like(ids),
    }
    LEARNER.loss(wrapped(**batch.inputs, **own), batch, torch.tensor([1.0])).backward()
    rows = torch.cat(
        [
            torch.zeros(len(examples), one.numel())
            if getattr(one, "grad_sample", None) is None
            else one.grad_sample.reshape(len(examples), one.numel())
            for one in model.parameters()
        ],
        dim=1,
    )
    factors = (clip_norm / rows.norm(dim=1)).clamp(max=1.0)
    torch.testing.assert_close(ours, (rows * factors[:, None]).sum(dim=0), atol=1e-6, rtol=1e-3)


def test_noise_has_the_deviation_that_the_account_goes_by(model: Any) -> None:
    examples, clip_norm, sigma, expected = examples_of(), 0.3, 1.7, 4
    plain = gradient(model, examples, clip_norm=clip_norm, rows_expected=expected, noise=no_noise)
    noisy = gradient(
        model, examples, clip_norm=clip_norm, noise_multiplier=sigma, rows_expected=expected
    )
    drawn = (noisy - plain) * expected / (sigma * clip_norm)
    count = len(drawn)
    assert count > 10_000
    assert abs(float(drawn.mean())) < 5 / count**0.5
    assert abs(float(drawn.std()) - 1) < 5 / (2 * count) ** 0.5


def test_a_step_without_rows_is_noise_alone(model: Any) -> None:
    found = gradient(model, [], clip_norm=0.3, noise_multiplier=2.0, rows_expected=4)
    assert float(found.std()) == pytest.approx(0.3 * 2.0 / 4, rel=0.05)


def test_a_row_of_which_nothing_is_asked_adds_nothing() -> None:
    """A text of one token has no next one to learn, and a mean over nothing is no number."""
    learner = learner_of("causal_lm", (), TokenLimits(16, 0, 0))
    torch.manual_seed(0)
    sizes = {"n_positions": 16, "n_embd": 16, "n_layer": 1, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY.size, **sizes)).eval()
    random = np.random.default_rng(0)
    examples: list[Example] = [
        {"input_ids": random.integers(5, 600, size).astype(np.int32), "seed": 0, ROW: row}
        for row, size in enumerate((6, 1, 4))
    ]
    told = gradient(model, [examples[0], examples[2]], learner, noise=no_noise)
    torch.testing.assert_close(gradient(model, examples, learner, noise=no_noise), told)
    assert not gradient(model, examples[1:2], learner, noise=no_noise).any()


def test_what_does_not_learn_has_no_gradient(model: Any) -> None:
    for one in model.base_model.parameters():
        one.requires_grad = False
    gradient(model, examples_of())
    assert all(one.grad is None for one in model.base_model.parameters())


def test_no_two_draws_are_alike() -> None:
    like = torch.zeros(64)
    torch.manual_seed(0)
    first = secret_noise(like)
    torch.manual_seed(0)
    assert not torch.equal(first, secret_noise(like))


def test_a_gradient_that_is_no_number_ends_the_training(model: Any) -> None:
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="norm nan, which cannot be clipped; lower"):
        gradient(model, examples_of())


def rows_of(tmp_path: Path, ids: list[str]) -> TokenizedRows:
    table = pa.table({"row_id": ids, "input_ids": [[1, 2]] * len(ids)})
    path = tmp_path / "train.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return TokenizedRows(path)


def test_each_row_is_in_a_step_with_the_same_probability(tmp_path: Path) -> None:
    rows, seed = rows_of(tmp_path, [f"r{n}" for n in range(40)]), np.random.default_rng(0)
    sampler = PoissonSampler(rows, 8, 0, generator=lambda: seed)
    assert (sampler.row_count, sampler.sample_rate, len(sampler)) == (40, 0.2, 5)
    drawn = [step for _ in range(400) for step in sampler]
    taken = np.bincount([one for step in drawn for one in step], minlength=40) / len(drawn)
    assert abs(taken - 0.2).max() < 5 * (0.2 * 0.8 / len(drawn)) ** 0.5
    sizes = np.array([len(step) for step in drawn])
    assert sizes.var() == pytest.approx(40 * 0.2 * 0.8, rel=0.15)  # each by itself
    both = np.mean([{0, 1} <= set(step) for step in drawn])
    assert both == pytest.approx(0.04, abs=0.02)


@given(rows=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=20), size=st.integers(1, 8))
def test_a_row_comes_with_all_of_its_examples(
    rows: list[str], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sampler = PoissonSampler(rows_of(tmp_path_factory.mktemp("rows"), rows), size, 0)
    assert len(sampler) == -(-len(set(rows)) // size)
    for step in sampler:
        for one in set(rows):
            whole = [place for place, name in enumerate(rows) if name == one]
            assert set(whole) <= set(step) or not set(whole) & set(step)
        assert len(step) == len(set(step))


def test_examples_tell_their_row_and_steps_may_be_empty(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, ["x", "y", "x"])
    assert ROW not in rows[0]
    steps = [step["examples"] for step in StepLoader(rows, PoissonSampler(rows, 1, 0))]
    assert len(steps) == 2
    assert [rows[place][ROW] for place in range(3)] == [0, 1, 0]
    seen = set()
    for _ in range(200):
        seen |= {len(step["examples"]) for step in StepLoader(rows, PoissonSampler(rows, 1, 0))}
    assert seen == {0, 1, 2, 3}


def test_task_types_whose_loss_is_not_of_one_row_say_so() -> None:
    why = {name: LEARNERS.load(name).why_not_private for name in LEARNERS.names}
    assert {name for name, said in why.items() if said} == {
        "next_sentence", "preference", "regression", "sentence_embedding",
    }  # fmt: skip


def test_rows_are_neither_packed_nor_scaled_nor_compiled_on_a_gpu() -> None:
    """A loss that is scaled for float16 would be clipped as it is scaled."""
    private = TrainingSettings.model_validate({"differential_privacy": {"target_epsilon": 8}})
    device = Device("cuda", "float16", 1)
    job: Any = SimpleNamespace(settings=private, learner=LEARNER, device=device)
    assert [one.name for one in variants_for(job)] == ["padded-float32"]
    job.settings = TrainingSettings()
    assert len(variants_for(job)) > 1

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.base_models import quiet_transformers
from tasks.task_types import task_type
from tasks.task_types.examples import Example
from tasks.training.batching import (
    Batch,
    LengthSortedSampler,
    StepCollator,
    halve,
    length_sorted_order,
)

KIND = task_type("classification")
PAD_ID = 0

lengths_of_rows = st.lists(st.integers(1, 200), min_size=1, max_size=400).map(
    lambda values: np.array(values, dtype=np.int64)
)


@given(lengths_of_rows, st.integers(1, 32), st.integers(0, 2**32 - 1), st.integers(0, 50))
def test_every_row_comes_once_an_epoch_in_an_order_that_repeats(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int
) -> None:
    order = length_sorted_order(lengths, batch_size, seed, epoch)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert order.tolist() == length_sorted_order(lengths, batch_size, seed, epoch).tolist()


def test_epochs_and_seeds_differ() -> None:
    lengths = np.arange(500) % 37
    orders = {
        tuple(length_sorted_order(lengths, 8, seed, epoch).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def padded_tokens(lengths: np.ndarray, order: np.ndarray, batch_size: int) -> int:
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return int(sum(lengths[batch].max() * len(batch) for batch in batches))


def test_batches_hold_little_padding() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 80, 3001)
    ordered = padded_tokens(lengths, length_sorted_order(lengths, 16, 0, 0), 16)
    at_random = padded_tokens(lengths, rng.permutation(3001), 16)
    assert ordered < 1.03 * lengths.sum()
    assert at_random > 1.5 * lengths.sum()


def test_short_and_long_batches_are_mixed() -> None:
    """Sorted batches in order of length would train on the short texts first."""
    lengths = np.arange(1024)
    first_of_batch = lengths[length_sorted_order(lengths, 16, 0, 0)][::16]
    assert abs(np.corrcoef(first_of_batch, np.arange(64))[0, 1]) < 0.5


def test_the_sampler_follows_the_epoch() -> None:
    lengths = np.arange(40)
    sampler = LengthSortedSampler(lengths, 8, seed=5)
    sampler.set_epoch(2)
    assert list(sampler) == length_sorted_order(lengths, 8, 5, 2).tolist()
    assert len(sampler) == 40


rows_of_a_step = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2)), min_size=1, max_size=12)


def examples_of(rows: list[tuple[int, int]]) -> list[Example]:
    rng = np.random.default_rng(len(rows))
    return [
        Example(input_ids=rng.integers(5, 60, length).astype(np.int32), labels=label)
        for length, label in rows
    ]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> torch.nn.Module:
    """A tiny classifier without dropout."""
    torch.manual_seed(0)
    with quiet_transformers():
        loaded: torch.nn.Module = KIND.load_model(tiny_model, ("x", "y", "z")).eval()
    return loaded


def step_of(model: torch.nn.Module, passes: list[Batch], rows: int) -> tuple[float, torch.Tensor]:
    """Loss and gradient of an optimizer step over its passes."""
    model.zero_grad()
    total = 0.0
    for batch in passes:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        loss = KIND.loss(model(**inputs), batch["labels"], rows, smoothing=0.1)
        loss.backward()
        total += loss.item()
    return total, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=rows_of_a_step, budget=st.integers(1, 200))
def test_loss_and_gradient_are_those_of_one_padded_batch(
    model: torch.nn.Module, rows: list[tuple[int, int]], budget: int
) -> None:
    examples = examples_of(rows)
    collate = partial(KIND.collate, pad_id=PAD_ID)
    step = StepCollator(collate, budget)(examples)
    loss, gradient = step_of(model, step["passes"], len(rows))
    expected_loss, expected = step_of(model, [collate(examples)], len(rows))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)
    assert sorted(step["labels"].tolist()) == sorted(label for _, label in rows)


@given(rows_of_a_step, st.integers(1, 200))
def test_a_pass_keeps_to_its_budget_unless_one_row_is_longer(
    rows: list[tuple[int, int]], budget: int
) -> None:
    step = StepCollator(partial(KIND.collate, pad_id=PAD_ID), budget)(examples_of(rows))
    for one in step["passes"]:
        assert one["input_ids"].numel() <= budget or len(one["labels"]) == 1
        # No column is padding alone.
        assert one["attention_mask"].sum(dim=1).max() == one["input_ids"].shape[1]


@given(rows_of_a_step.filter(lambda rows: len(rows) > 1))
def test_halves_hold_the_same_rows_without_spare_padding(rows: list[tuple[int, int]]) -> None:
    whole = KIND.collate(examples_of(rows), PAD_ID)
    first, last = halve(whole)
    assert torch.cat([first["labels"], last["labels"]]).tolist() == whole["labels"].tolist()
    real = [
        ids[mask.bool()].tolist()
        for half in (first, last)
        for ids, mask in zip(half["input_ids"], half["attention_mask"], strict=True)
    ]
    assert real == [example["input_ids"].tolist() for example in examples_of(rows)]
    for half in (first, last):
        assert half["attention_mask"].sum(dim=1).max() == half["input_ids"].shape[1]

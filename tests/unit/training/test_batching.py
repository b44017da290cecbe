from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import Batch, Example, Vocabulary
from tasks.task_types.learner import LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.batching import (
    StepLoader,
    StepSampler,
    TokenizedRows,
    in_passes,
    length_of,
    length_sorted_order,
    share_of,
)
from tasks.training.passes import Passes

LEARNER = learner_of("classification", ("x", "y", "z"), TokenLimits(16), LossSettings(0.1))
VOCABULARY = Vocabulary(pad_id=0, size=60)

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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[int]]]:
    """Forty rows in three chunks of an Arrow file."""
    draw = np.random.default_rng(0)
    ids = [draw.integers(5, 60, int(length)).tolist() for length in draw.integers(0, 12, 40)]
    path = tmp_path_factory.mktemp("rows") / "train.arrow"
    table = pa.table(
        {
            "row_id": [str(row) for row in range(40)],
            "input_ids": pa.array(ids, pa.list_(pa.int32())),
            "target_ids": pa.array([[row] * (row % 3) for row in range(40)], pa.list_(pa.int32())),
            "labels": pa.array(range(40), pa.int64()),
            "weight": pa.array([row / 8 for row in range(40)], pa.float64()),
        }
    )
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=15)
    return path, ids


def test_rows_of_several_chunks_are_read_as_they_were_written(
    written: tuple[Path, list[list[int]]],
) -> None:
    path, ids = written
    rows = TokenizedRows(path)
    assert len(rows) == 40
    for row in range(40):
        example = rows[row]
        assert example["input_ids"].tolist() == ids[row]
        assert example["target_ids"].tolist() == [row] * (row % 3)
        assert (example["labels"], example["weight"]) == (row, row / 8)
        assert length_of(example) == rows.lengths[row] == len(ids[row]) + row % 3
    assert rows.column("labels").tolist() == list(range(40))
    assert rows.column("input_ids").tolist() == [token for row in ids for token in row]


def test_a_row_has_another_seed_in_each_epoch_and_the_same_one_again(
    written: tuple[Path, list[list[int]]],
) -> None:
    rows, again = TokenizedRows(written[0], seed=3), TokenizedRows(written[0], seed=3)
    seeds = {(-1, row): rows[row]["seed"] for row in range(40)}
    for epoch in (0, 1):
        rows.set_epoch(epoch)
        seeds |= {(epoch, row): rows[row]["seed"] for row in range(40)}
    assert len(set(seeds.values())) == 120
    again.set_epoch(1)
    assert again[7]["seed"] == seeds[1, 7]
    assert TokenizedRows(written[0], seed=4)[7]["seed"] != seeds[-1, 7]


def test_the_loader_follows_the_epoch(written: tuple[Path, list[list[int]]]) -> None:
    rows = TokenizedRows(written[0])
    loader = StepLoader(rows, StepSampler(rows, 8, seed=5))
    loader.set_epoch(2)
    read = [int(example["labels"]) for step in loader for example in step["examples"]]
    assert read == length_sorted_order(rows.lengths, 8, 5, 2).tolist()
    assert len(loader) == 5


rows_of_a_step = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2)), min_size=1, max_size=12)


def examples_of(rows: list[tuple[int, int]]) -> list[Example]:
    rng = np.random.default_rng(len(rows))
    return [
        {"input_ids": rng.integers(5, 60, length).astype(np.int32), "labels": label, "seed": 0}
        for length, label in rows
    ]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> torch.nn.Module:
    """A tiny classifier without dropout."""
    torch.manual_seed(0)
    with quiet_transformers():
        loaded: torch.nn.Module = LEARNER.load_model(tiny_model).eval()
    return loaded


def step_of(
    model: torch.nn.Module, batches: list[Batch], units: torch.Tensor
) -> tuple[float, torch.Tensor]:
    """Loss and gradient of an optimizer step over its passes."""
    model.zero_grad()
    total = 0.0
    for batch in batches:
        loss = LEARNER.loss(model(**batch.inputs), batch, units)
        loss.backward()
        total += loss.item()
    return total, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=rows_of_a_step, budget=st.integers(1, 200), workers=st.integers(1, 4))
def test_loss_and_gradient_are_those_of_one_padded_batch(
    model: torch.nn.Module, rows: list[tuple[int, int]], budget: int, workers: int
) -> None:
    """Over all passes of all workers together."""
    examples = examples_of(rows)
    steps = [
        Passes(LEARNER, VOCABULARY, budget, worker=worker, workers=workers).of(examples)
        for worker in range(workers)
    ]
    assert len({tuple(step.units.tolist()) for step in steps}) == 1
    batches = [batch for step in steps if step.counted for batch in step.batches]
    loss, gradient = step_of(model, batches, steps[0].units)
    whole = LEARNER.collate(examples, VOCABULARY)
    expected_loss, expected = step_of(model, [whole], LEARNER.units(whole))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)


@given(rows_of_a_step, st.integers(1, 200))
def test_a_pass_keeps_to_its_budget_unless_one_row_is_longer(
    rows: list[tuple[int, int]], budget: int
) -> None:
    examples = examples_of(rows)
    step = Passes(LEARNER, VOCABULARY, budget).of(examples)
    for batch, size in zip(step.batches, step.examples, strict=True):
        assert batch.size <= budget or size == 1
        # No column is padding alone.
        mask = batch.inputs["attention_mask"]
        assert mask.sum(dim=1).max() == mask.shape[1]
    passes = in_passes(examples, budget)
    lengths = [length_of(example) for part in passes for example in part]
    assert lengths == sorted((length for length, _ in rows), reverse=True)


@given(rows_of_a_step, st.integers(1, 5))
def test_workers_share_the_rows_of_a_step_evenly(rows: list[tuple[int, int]], workers: int) -> None:
    examples = examples_of(rows)
    shares = [share_of(examples, worker, workers) for worker in range(workers)]
    assert sorted(id(one) for share in shares for one in share) == sorted(map(id, examples))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.training.batching import LengthSortedSampler, length_sorted_order

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

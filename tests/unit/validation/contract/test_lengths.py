import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.data import Histogram
from tasks.validation.contract.lengths import LengthCounts


def count(*shards: list[int]) -> Histogram:
    counts = LengthCounts()
    for shard in shards:
        counts.add(np.array(shard, np.int64))
    return counts.histogram()


def test_each_length_up_to_six_has_a_bin_of_its_own() -> None:
    assert count([1, 2, 2, 3, 5]) == Histogram((1, 2, 3, 4, 5, 6), (1, 2, 1, 0, 1))


def test_bins_grow_with_the_length() -> None:
    histogram = count([100, 125, 126, 1_000_000])
    assert histogram.edges[:3] == (100, 126, 158)
    assert histogram.counts[:2] == (2, 1)
    assert histogram.edges[-2] == 1_000_000


def test_a_length_beyond_all_edges_counts_in_the_last_bin() -> None:
    assert count([10**12]).counts == (1,)


def test_nothing_counted_is_an_empty_histogram() -> None:
    assert count([]) == Histogram((), ())


@given(st.lists(st.lists(st.integers(0, 3_000_000), max_size=30), max_size=5))
def test_counts_of_shards_add_up_to_what_numpy_counts_between_the_edges(
    shards: list[list[int]],
) -> None:
    histogram = count(*shards)
    lengths = [length for shard in shards for length in shard]
    assert sum(histogram.counts) == len(lengths)
    if lengths:
        expected, _ = np.histogram(lengths, histogram.edges)
        # NumPy counts the last edge in; none of our lengths stands on it.
        assert histogram.counts == tuple(expected)
        assert histogram.counts[0]
        assert histogram.counts[-1]

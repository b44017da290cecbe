"""Rows in batches of like length."""

from collections.abc import Iterator, Sequence


def fill_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Batches of row numbers, longest rows first, whose padded size keeps to the budget.

    A row that is longer than the budget makes a batch of its own. The longest come first, so that
    a batch that memory cannot hold shows at once.
    """
    batch: list[int] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batch and longest * (len(batch) + 1) > budget:
            yield batch
            batch = []
        if not batch:
            longest = lengths[row]
        batch.append(row)
    if batch:
        yield batch

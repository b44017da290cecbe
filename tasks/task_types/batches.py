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


def batches_of_least_work(
    lengths: Sequence[int], budget: int, batch_cost: int
) -> Iterator[list[int]]:
    """The same, cut where padding and batches together are least work.

    Exact, by dynamic programming over the rows from the longest on; N rows take as many steps as
    they have pairs that fit in one batch.

    Args:
        lengths: tokens of each row.
        budget: padded tokens of one batch.
        batch_cost: tokens whose work is that of one batch more, whatever it holds.

    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    work, cuts = [0], [0]  # of the first rows, and where their last batch begins
    for end in range(1, len(order) + 1):
        least, cut = work[end - 1] + lengths[order[end - 1]], end - 1
        for begin in range(end - 2, -1, -1):
            padded = lengths[order[begin]] * (end - begin)
            if padded > budget:
                break
            if work[begin] + padded < least:
                least, cut = work[begin] + padded, begin
        work.append(least + batch_cost)
        cuts.append(cut)
    batches, end = [], len(order)
    while end:
        batches.append(order[cuts[end] : end])
        end = cuts[end]
    yield from reversed(batches)

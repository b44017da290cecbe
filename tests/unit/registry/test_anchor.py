"""Which version a ledger has for its anchor: only a proof or a person's word moves it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.evaluation import Claim, Comparison
from tasks.records.registry import LedgerEntry
from tasks.registry.anchor import anchor_after, anchor_with
from tasks.registry.ledger import (
    ACCEPTED,
    MOVED_OUTSIDE,
    OVERRIDDEN,
    PROMOTED,
    REFUSED,
    RESTORED,
    ROLLED_BACK,
)
from tasks.verdicts import Verdict, exact

PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.UNDETERMINED


def entry(
    action: str, before: int | None, after: int | None, anchor: int | None = None
) -> LedgerEntry:
    return LedgerEntry(
        "films", action, before, after, after or 0, None, "", {}, "", "", "", None, anchor
    )


FIRST = entry(PROMOTED, None, 1, 1)
WORSE, BETTER = entry(PROMOTED, 1, 2, 1), entry(PROMOTED, 1, 2, 2)


@pytest.mark.parametrize(
    ("entries", "anchor"),
    [
        ([], None),
        ([entry(REFUSED, None, None)], None),
        ([FIRST], 1),
        ([FIRST, WORSE], 1),
        ([FIRST, BETTER], 2),
        ([FIRST, BETTER, entry(REFUSED, 2, 2)], 2),
        ([FIRST, BETTER, entry(PROMOTED, 2, 3, 2)], 2),
        # A person went back from what looked better, and forward again.
        ([FIRST, BETTER, entry(ROLLED_BACK, 2, 1)], 1),
        ([FIRST, BETTER, entry(ROLLED_BACK, 2, 1), entry(ROLLED_BACK, 1, 2)], 2),
        ([FIRST, WORSE, entry(ROLLED_BACK, 2, 1)], 1),
        ([FIRST, BETTER, entry(PROMOTED, 2, 3, 2), entry(ROLLED_BACK, 3, 2)], 2),
        # A person's word stands for a proof.
        ([FIRST, entry(OVERRIDDEN, 1, 3)], 3),
        # A hand in MLflow proves nothing, accepted or not.
        ([FIRST, entry(MOVED_OUTSIDE, 1, 3)], 1),
        ([FIRST, entry(MOVED_OUTSIDE, 1, 3), entry(ACCEPTED, 3, 3)], 1),
        ([FIRST, entry(MOVED_OUTSIDE, 1, 3), entry(RESTORED, 3, 1)], 1),
        ([FIRST, entry(MOVED_OUTSIDE, 1, None), entry(ACCEPTED, None, None)], 1),
        # What an earlier release wrote names no anchor.
        ([entry(PROMOTED, None, 1), entry(PROMOTED, 1, 2), entry(PROMOTED, 2, 3)], 1),
        ([entry(PROMOTED, None, 1), entry(PROMOTED, 1, 2), entry(PROMOTED, 2, 3, 3)], 3),
    ],
)
def test_the_anchor_follows_from_the_ledger(
    entries: Sequence[LedgerEntry], anchor: int | None
) -> None:
    assert anchor_after(entries) == anchor


@given(verdicts=st.lists(st.sampled_from([PASS, FAIL, OPEN]), min_size=1, max_size=60))
def test_promotions_move_it_to_nothing_but_what_was_better(verdicts: list[Verdict]) -> None:
    """However many versions are promoted, the anchor is the first one or the last better one."""
    entries: list[LedgerEntry] = []
    for version, verdict in enumerate(verdicts, start=1):
        before = entries[-1].to_version if entries else None
        anchor = anchor_with(version, entries, compared([verdict]))
        entries.append(entry(PROMOTED, before, version, anchor))
    better = [version for version, verdict in enumerate(verdicts, 1) if verdict is PASS]
    assert anchor_after(entries) == max([1, *better])


def compared(superior: Sequence[Verdict], comparator: str = "anchor") -> list[Comparison]:
    made = []
    for place, verdict in enumerate(superior):
        claims = (
            Claim("superiority", 0.0, verdict, "", None),
            Claim("non-inferiority", 0.02, PASS, "", None),
        )
        gain = exact(f"{comparator}.m{place}_gain", 0.1, 9)
        made.append(Comparison(comparator, f"m{place}", gain, "", None, None, claims))
    return made


@pytest.mark.parametrize(
    ("superior", "anchor"),
    [
        ([PASS, PASS], 2), ([PASS, OPEN], 2), ([PASS, FAIL], 1), ([OPEN, PASS], 1),
        ([FAIL, PASS], 1), ([], 1),
    ],
)  # fmt: skip
def test_better_is_better_in_the_leading_metric_and_worse_in_none(
    superior: list[Verdict], anchor: int
) -> None:
    assert anchor_with(2, [FIRST], compared(superior)) == anchor
    assert anchor_with(2, [], compared(superior)) == 2
    assert anchor_with(2, [FIRST], compared(superior, "champion")) == 1

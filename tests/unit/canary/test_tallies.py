"""Sums of observations, against loops over requests, and what an unknown one may come to."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.canary.sequential import lower_end, upper_end
from tasks.canary.tallies import Comparison, Observations, OfDifferentRequests, OfSameRequests

PARTS = 3
# Of a request: its number, the least and the most that was observed, and its part of the step.
SEEN = st.tuples(
    st.integers(0, 12), st.sampled_from([0.0, 0.25, 1.0]), st.booleans(), st.integers(0, 2)
)
SIDE = st.lists(SEEN, max_size=12, unique_by=lambda one: one[0])
Side = list[tuple[int, float, bool, int]]


def observations(side: Side, *, all_known: bool = False) -> Observations:
    """An unknown one lies between what it says and 1."""
    held = sorted(side)
    return Observations(
        np.array([one[0] for one in held], np.uint64),
        np.array([one[1] for one in held], np.float64),
        np.array([one[1] if one[2] or all_known else 1.0 for one in held], np.float64),
        np.array([one[3] for one in held], np.int64),
    )


def added(comparison: Comparison, production: Side, candidate: Side, **more: bool) -> Comparison:
    comparison.add(observations(production, **more), observations(candidate, **more))
    return comparison


@settings(max_examples=30, deadline=None)
@given(SIDE, SIDE)
def test_sums_are_those_of_a_loop(production: Side, candidate: Side) -> None:
    theirs = {one[0]: one for one in candidate}
    ours = {one[0]: one for one in production}
    paired = added(OfSameRequests(PARTS, loss=True), production, candidate, all_known=True)
    differences = [ours[name][1] - theirs[name][1] for name in ours.keys() & theirs.keys()]
    assert paired.observed[1][-1] == len(differences)
    if differences:
        assert np.isclose(paired.for_lower_end.value[-1], np.mean(differences))
    partly = added(OfSameRequests(PARTS, loss=False), production, candidate)
    both = [(theirs[name], ours[name]) for name in ours.keys() & theirs.keys()]
    if both:
        least = np.mean([one[1] - (other[1] if other[2] else 1) for one, other in both])
        most = np.mean([(one[1] if one[2] else 1) - other[1] for one, other in both])
        assert np.isclose(partly.for_lower_end.value[-1], least)
        assert np.isclose(partly.for_upper_end.value[-1], most)
    apart = added(OfDifferentRequests(PARTS, loss=False), production, candidate, all_known=True)
    others = [one for name, one in ours.items() if name not in theirs]
    for part in range(PARTS):
        counts = [sum(one[3] <= part for one in side) for side in (others, candidate)]
        assert [int(side[part]) for side in apart.observed] == counts
    if others and candidate:
        means = [np.mean([one[1] for one in side]) for side in (candidate, others)]
        assert np.isclose(apart.for_upper_end.value[-1], means[0] - means[1])


@settings(max_examples=6, deadline=None)
@given(SIDE, SIDE, st.booleans())
def test_what_is_unknown_only_widens(production: Side, candidate: Side, loss: bool) -> None:  # noqa: FBT001
    for kind in (OfSameRequests, OfDifferentRequests):
        known = added(kind(PARTS, loss=loss), production, candidate, all_known=True)
        partly = added(kind(PARTS, loss=loss), production, candidate)
        assert (
            lower_end(partly.for_lower_end, 0.01) <= lower_end(known.for_lower_end, 0.01) + 1e-6
        ).all()
        assert (
            upper_end(partly.for_upper_end, 0.01) >= upper_end(known.for_upper_end, 0.01) - 1e-6
        ).all()


@settings(max_examples=30, deadline=None)
@given(SIDE, SIDE, st.integers(0, 12))
def test_requests_may_be_added_in_any_parts(production: Side, candidate: Side, cut: int) -> None:
    """A request's rows of both versions lie in one hour; hours are added one after another."""
    for kind in (OfSameRequests, OfDifferentRequests):
        once = added(kind(PARTS, loss=False), production, candidate)
        twice = kind(PARTS, loss=False)
        for keep in (lambda one: one[0] >= cut, lambda one: one[0] < cut):
            added(twice, list(filter(keep, production)), list(filter(keep, candidate)))
        for name in ("for_lower_end", "for_upper_end"):
            np.testing.assert_allclose(getattr(twice, name).value, getattr(once, name).value)

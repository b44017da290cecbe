"""Rows of one author or document are drawn together, in every family of fairness estimates."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tasks.fairness.classes import class_estimates
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.counterfactuals import SWAPPED, Family, Pair, judge_family
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.row_scores import score_estimates
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling_units import Units, units_of_rows
from tasks.verdicts import Estimate

QUICK = FairnessSettings(repeats=4_000, min_group_rows=5, positive_labels=("yes",))
SWAPS = CounterfactualSettings(repeats=4_000, min_rows=5)
TOLD = (
    "accuracy_difference", "accuracy_ratio", "worst_group_accuracy", "accuracy.g0",
    "accuracy_gap.g0", "equal_opportunity_difference", "calibration_error_difference",
    "calibration_error.g0", "subgroup_auc.g0.yes", "positive_aeg.g1.yes", "bpsn_auc_mean.yes",
    "f1.g0.yes",
)  # fmt: skip


def units_for(cluster: np.ndarray) -> Units:
    return units_of_rows(
        [f"{row:05d}" for row in range(len(cluster))], [f"author {one}" for one in cluster]
    )


def world(authors: int, copies: int) -> tuple[Membership, ClassAnswers, np.ndarray]:
    """Two groups of authors who repeat themselves: each row stands there `copies` times."""
    random = np.random.default_rng(3)
    group, truth = np.arange(authors) % 2, random.integers(0, 2, authors)
    score = np.clip(random.normal(0.3 + 0.4 * truth, 0.2), 0.02, 0.98)
    every = np.repeat(np.arange(authors), copies)
    member = Membership("x", ("g0", "g1"), np.eye(2, dtype=np.bool_)[group[every]])
    probabilities = np.stack([1 - score, score], axis=1)[every]
    answers = ClassAnswers(truth[every], probabilities.argmax(axis=1), ("no", "yes"), probabilities)
    return member, answers, every


def estimates(
    member: Membership, answers: ClassAnswers, units: Units | None
) -> dict[str, Estimate]:
    groups, between, _ = class_estimates(member, answers, QUICK, units)
    own = [one for group in groups for one in (*group.estimates, group.accuracy_gap)]
    return {one.name.removeprefix("fairness.x."): one for one in (*between, *own)}


@cache
def of_repeated_authors() -> tuple[dict[str, Estimate], ...]:
    """Estimates by author, of each author's one row, and as if every row were another author's."""
    member, answers, author = world(200, 6)
    return (
        estimates(member, answers, units_for(author)),
        estimates(*world(200, 1)[:2], None),
        estimates(member, answers, None),
    )


@pytest.mark.parametrize("name", TOLD)
def test_authors_who_repeat_themselves_say_no_more_than_once(name: str) -> None:
    told, once, by_row = (of[name] for of in of_repeated_authors())
    assert told.value == pytest.approx(once.value)
    width, alone, blind = (one.ladder[0][1] - one.ladder[0][0] for one in (told, once, by_row))
    assert width == pytest.approx(alone, rel=0.2)
    assert blind < 0.75 * width


def test_the_order_of_the_rows_changes_nothing() -> None:
    member, answers, author = world(60, 3)
    order = np.random.default_rng(0).permutation(len(author))
    moved = ClassAnswers(
        answers.truth[order],
        answers.predicted[order],
        answers.labels,
        answers.probabilities[order] if answers.probabilities is not None else None,
    )
    straight = estimates(member, answers, units_for(author))
    shuffled = estimates(replace(member, rows=member.rows[order]), moved, units_for(author[order]))
    for name in TOLD:
        assert np.array(straight[name].ladder) == pytest.approx(np.array(shuffled[name].ladder))


@pytest.mark.parametrize(("authors", "told"), [(18, False), (20, True)])
def test_a_group_of_fewer_than_ten_clusters_is_not_judged(authors: int, *, told: bool) -> None:
    member, answers, author = world(authors, 40)
    found = estimates(member, answers, units_for(author))
    for name in ("accuracy_difference", "worst_group_accuracy", "accuracy.g0", "accuracy_gap.g0",
                 "calibration_error_difference", "calibration_error.g0"):  # fmt: skip
        assert (found[name].value is not None) == told, name
        if not told:
            reason = "has rows of 9 clusters, and at least 10 are needed"
            assert found[name].reason.endswith(reason)
    rankings = estimates(member, answers, units_for(author))["subgroup_auc.g0.yes"]
    assert rankings.value is None  # of either label, a group has fewer authors still
    assert "clusters, and at least 10 are needed" in rankings.reason


@pytest.mark.parametrize("kind", [SWAPPED, "templates"])
def test_swapped_rows_of_an_author_are_drawn_together_and_templates_are_not(kind: str) -> None:
    author = np.repeat(np.arange(100), 5)
    changed = np.random.default_rng(1).random(100)[author] < 0.2
    before = np.tile([0.2, 0.8], (500, 1))
    after = np.where(changed[:, None], [0.8, 0.2], before)
    family = Family("w", kind, tuple(Pair(row, str(row), "a", "b", 0) for row in range(500)))
    clusters = [f"author {one}" for one in author]
    labels = ("no", "yes")
    told, _ = judge_family(family, before, after, labels, SWAPS, clusters)
    blind, _ = judge_family(family, before, after, labels, SWAPS)
    for name in ("flip_rate", "score_shift", "largest_shift"):
        wide, narrow = (
            one.ladder[0][1] - one.ladder[0][0]
            for one in (getattr(told, name), getattr(blind, name))
        )
        if kind == SWAPPED:
            assert wide > 1.8 * narrow
        else:
            assert wide == narrow
    few, _ = judge_family(family, before, after, labels, SWAPS, ["one", "two"] * 250)
    assert (few.flip_rate.value is None) == (kind == SWAPPED)


def test_row_scores_are_drawn_by_author() -> None:
    member, answers, author = world(200, 6)
    scores = answers.probabilities[:, 1] if answers.probabilities is not None else np.zeros(0)
    named = {
        kind: {one.name: one for one in score_estimates(member, scores, QUICK, units)[1]}
        for kind, units in (("told", units_for(author)), ("blind", None))
    }
    for name, one in named["told"].items():
        wide, narrow = (
            each.ladder[0][1] - each.ladder[0][0] for each in (one, named["blind"][name])
        )
        assert wide > 1.8 * narrow, name
    few = score_estimates(member, scores, QUICK, units_for(author % 12))[1]
    assert all("6 clusters" in one.reason for one in few)

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.drift.embeddings import gaussian_kernel, measure_embeddings, squared_mmd
from tasks.drift.measurement import Question
from tasks.drift.permutations import Membership, Permutations

ASKED = Question("drift.embeddings", "discrepancy", 0.005)


def membership_of(kinds: str) -> Membership:
    both = np.array(list(kinds))
    return Membership(both != "n", both != "b")


def by_hand(points: NDArray[np.float64], kinds: str) -> float:
    """Means over pairs of different rows, one pair after the other."""
    distances = [
        np.linalg.norm(points[i] - points[j]) for i in range(len(points)) for j in range(i)
    ]
    width = np.median([distance for distance in distances if distance > 0])

    def mean(first: str, second: str) -> float:
        return float(
            np.mean(
                [
                    np.exp(-(np.linalg.norm(points[i] - points[j]) ** 2) / (2 * width**2))
                    for i in range(len(points))
                    for j in range(len(points))
                    if i != j and kinds[i] in first and kinds[j] in second
                ]
            )
        )

    return mean("bk", "bk") + mean("nk", "nk") - 2 * mean("bk", "nk")


@pytest.mark.parametrize("kinds", ["bbbbbnnnn", "bbbkkkknn", "kkkknnnnn", "bnbnbnbnb"])
def test_the_discrepancy_is_the_mean_over_all_pairs(kinds: str) -> None:
    points = np.random.default_rng(0).normal(size=(9, 3))
    kernel = gaussian_kernel(points.astype(np.float32))
    assert kernel is not None
    found = squared_mmd(kernel, *membership_of(kinds).columns())
    assert found[0] == pytest.approx(by_hand(points, kinds), abs=1e-5)


@pytest.mark.parametrize("kinds", ["b" * 30 + "n" * 30, "b" * 10 + "k" * 30 + "n" * 20])
def test_the_estimate_is_zero_in_the_mean_without_drift(kinds: str) -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(400):
        kernel = gaussian_kernel(random.normal(size=(60, 2)).astype(np.float32))
        assert kernel is not None
        found.append(squared_mmd(kernel, *membership_of(kinds).columns())[0])
    assert abs(np.mean(found)) < 3 * np.std(found) / 20


def test_equal_texts_do_not_make_the_kernel_a_point() -> None:
    points = np.array([[0.0]] * 8 + [[1.0], [3.0]], np.float32)
    kernel = gaussian_kernel(points)
    assert kernel is not None
    # Pairs that differ: 8 at distance 1, 8 at 3, 1 at 2; their median is 2.
    assert kernel[0, 8] == pytest.approx(np.exp(-1 / 8))
    assert kernel[0, 1] == 1
    assert kernel[0, 0] == 0


def test_one_embedding_for_all_texts_cannot_be_told() -> None:
    found = measure_embeddings(
        ASKED, np.ones((9, 4), np.float32), membership_of("bbbbbnnnn"), Permutations(199, 0)
    )
    assert (found.answer, found.reason) == (None, "all texts have one and the same embedding")


def test_other_embeddings_are_found_and_the_same_are_not() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(120, 8)).astype(np.float32)
    members = membership_of("b" * 60 + "n" * 60)
    same = measure_embeddings(ASKED, points, members, Permutations(999, 0)).answer
    points[60:] += 1
    other = measure_embeddings(ASKED, points, members, Permutations(999, 0)).answer
    assert same is not None
    assert other is not None
    assert same[1] > 0.05
    assert other[0] > 0.1
    assert other[1] == 0.001

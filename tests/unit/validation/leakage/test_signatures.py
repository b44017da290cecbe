import numpy as np
import pytest

from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.leakage.signatures import (
    choose_bands,
    hash_bands,
    least_agreement,
    sign,
    sketch,
)

SETTINGS = LeakageSettings()


def pairs_of(similarity: float, count: int) -> tuple[list[str], float]:
    """Pairs of texts of distinct characters, next to each other, and how alike they are."""
    size, characters = 200, SETTINGS.shingle_characters
    draw = np.random.default_rng(0)
    # An edit of one character in k..size - k breaks k shingles on either side.
    edits = round((1 - similarity) / (1 + similarity) * (size - characters + 1) / characters)
    texts = []
    for _ in range(count):
        letters = draw.choice(np.arange(0x4E00, 0x9FFF), size + edits, replace=False)
        one, other = letters[:size], letters[:size].copy()
        places = characters + np.arange(edits) * 2 * characters
        other[places] = letters[size:]
        texts += ["".join(map(chr, one)), "".join(map(chr, other))]
    total = size - characters + 1
    return texts, (total - edits * characters) / (total + edits * characters)


@pytest.mark.parametrize("wanted", [0.55, 0.8, 0.9])
def test_minima_agree_as_often_as_the_texts_are_alike(wanted: float) -> None:
    texts, similarity = pairs_of(wanted, 300)
    signatures = sign(texts, SETTINGS)
    agreeing = (signatures[::2] == signatures[1::2]).mean()
    deviation = np.sqrt(similarity * (1 - similarity) / (300 * SETTINGS.permutations))
    assert agreeing == pytest.approx(similarity, abs=4 * deviation)


@pytest.mark.parametrize("wanted", [0.55, 0.7, 0.8])
def test_candidates_are_as_frequent_as_the_formula_has_it(wanted: float) -> None:
    texts, similarity = pairs_of(wanted, 600)
    bands = choose_bands(SETTINGS.permutations, 0.8)
    hashes = hash_bands(sign(texts, SETTINGS), bands)
    found = (hashes[::2] == hashes[1::2]).any(axis=1).mean()
    expected = bands.recall(similarity)
    # MinHash without replacement varies less than the formula assumes, so the curve is steeper.
    assert found == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("permutations", [32, 128, 512])
def test_bands_find_most_pairs_at_the_threshold_and_are_the_longest_that_do(
    permutations: int, threshold: float
) -> None:
    bands = choose_bands(permutations, threshold)
    assert bands.count * bands.minima <= permutations
    assert bands.recall(threshold) >= 0.99
    if bands.minima < permutations:
        longer = bands.minima + 1
        assert 1 - (1 - threshold**longer) ** (permutations // longer) < 0.99


def test_a_sketch_loses_hardly_a_pair_at_the_threshold() -> None:
    texts, similarity = pairs_of(0.8, 600)
    sketches = sketch(sign(texts, SETTINGS))
    agreeing = (sketches[::2] == sketches[1::2]).sum(axis=1)
    assert (agreeing >= least_agreement(SETTINGS.permutations, similarity)).mean() > 0.995
    far, _ = pairs_of(0.4, 300)
    sketches = sketch(sign(far, SETTINGS))
    agreeing = (sketches[::2] == sketches[1::2]).sum(axis=1)
    assert (agreeing < least_agreement(SETTINGS.permutations, 0.8)).mean() > 0.99


def test_another_seed_gives_other_minima_and_the_same_seed_the_same() -> None:
    texts = ["shares fell as the bank raised rates", "物流很快"]
    again = sign(texts, SETTINGS)
    other = sign(texts, LeakageSettings(seed=1))
    assert (sign(texts, SETTINGS) == again).all()
    assert (other != again).mean() > 0.9

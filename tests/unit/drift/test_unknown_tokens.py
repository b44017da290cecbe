from pathlib import Path

import numpy as np
import pytest

from tasks.drift.measurement import Question
from tasks.drift.permutations import Membership, Permutations
from tasks.drift.unknown_tokens import _correlation, count_unknown, measure_unknown
from tasks.task_types.tokenizers import load_tokenizer

ASKED = Question("drift.unknown_tokens", "change", 0.02)
FIRST = np.arange(60) < 30
HALVES = Membership(FIRST, ~FIRST)


def test_unknown_tokens_are_those_of_the_tokenizer(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.drift.unknown_tokens._TEXTS_AT_ONCE", 2)
    texts = ["a good film", "ψ ω good", "", "的一ψ" + " the match" * 200]
    tokenizer = load_tokenizer(tiny_model)
    expected = [(tokens.count("[UNK]"), len(tokens)) for tokens in map(tokenizer.tokenize, texts)]
    assert count_unknown(tiny_model, texts).tolist() == [list(pair) for pair in expected]
    assert expected[1][0] == 2


def test_the_change_is_that_of_the_shares_by_hand() -> None:
    counts = np.array([[1, 10]] * 30 + [[4, 20]] * 29 + [[20, 20]], np.float32)
    found = measure_unknown(ASKED, counts, HALVES, Permutations(999, 0))
    assert found.answer is not None
    assert found.answer[0] == pytest.approx((29 * 4 + 20) / 600 - 0.1, abs=1e-6)
    assert found.answer[1] == 0.001


def test_fewer_unknown_tokens_are_a_change_too() -> None:
    counts = np.array([[4, 10]] * 30 + [[1, 10]] * 30, np.float32)
    found = measure_unknown(ASKED, counts, HALVES, Permutations(999, 0))
    assert found.answer == (pytest.approx(0.3), 0.001)


def test_one_long_foreign_text_is_one_row() -> None:
    """A test of the tokens as independent draws would be certain here."""
    counts = np.array([[0, 20]] * 59 + [[1_000, 1_000]], np.float32)
    found = measure_unknown(ASKED, counts, HALVES, Permutations(999, 0))
    assert found.answer is not None
    assert found.answer[0] > 0.5
    assert found.answer[1] > 0.5


@pytest.mark.parametrize("new_share", [0.02, 0.1, 0.5])
def test_kept_rows_tie_the_shares_as_a_bootstrap_of_all_rows_has_it(new_share: float) -> None:
    random = np.random.default_rng(5)
    at, tokens = np.arange(500), random.integers(10, 31, 500)
    sides = Membership(at < 400, at >= 100)  # 300 of 400 are kept
    unknown = random.random(500) < np.where(at < 400, 0.02, new_share)
    counts = np.stack([unknown * tokens, tokens], axis=1).astype(np.float32)
    times = random.multinomial(500, np.full(500, 1 / 500), 20_000)  # (R, U)
    before, now = (
        (times @ (counts * side[:, None]))[:, 0] / (times @ (counts * side[:, None]))[:, 1]
        for side in (sides.before, sides.now)
    )
    drawn = float(np.corrcoef(before, now)[0, 1])
    assert _correlation(counts, sides) == pytest.approx(min(drawn, 0.75), abs=0.02)


def test_the_same_rows_on_both_sides_are_one_share() -> None:
    counts = np.array([[1, 10], [0, 10]] * 30, np.float32)
    every = np.ones(60, np.bool_)
    assert _correlation(counts, Membership(every, every)) == pytest.approx(1.0)


def test_without_unknown_tokens_nothing_changed() -> None:
    counts = np.array([[0, 20]] * 60, np.float32)
    assert measure_unknown(ASKED, counts, HALVES, Permutations(199, 0)).answer == (0.0, 1.0)


def test_a_side_without_tokens_cannot_be_told() -> None:
    counts = np.array([[0, 20]] * 30 + [[0, 0]] * 30, np.float32)
    found = measure_unknown(ASKED, counts, HALVES, Permutations(199, 0))
    assert (found.answer, found.reason) == (None, "one side has no tokens")

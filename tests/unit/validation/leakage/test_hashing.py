import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text_normalisation import normalise
from tasks.validation.leakage.columns import NumberColumn, find_repeated
from tasks.validation.leakage.hashing import MISSING, hash_ngrams, hash_shingles, hash_strings

TEXTS = st.lists(st.text(st.sampled_from("ab 物流cd"), max_size=12), max_size=8)


def shingles_of(text: str, characters: int) -> list[str]:
    return [text[at : at + characters] for at in range(max(1, len(text) - characters + 1))]


@settings(deadline=None)
@given(TEXTS, st.integers(2, 6))
def test_shingles_have_equal_hashes_exactly_where_they_are_equal(
    texts: list[str], characters: int
) -> None:
    hashes, offsets = hash_shingles(texts, characters)
    expected = [shingle for text in texts for shingle in shingles_of(text, characters)]
    assert np.diff(offsets).tolist() == [len(shingles_of(text, characters)) for text in texts]
    assert len(hashes) == len(expected)
    by_shingle = dict(zip(expected, hashes.tolist(), strict=True))
    assert [by_shingle[shingle] for shingle in expected] == hashes.tolist()
    assert len(set(by_shingle.values())) == len(by_shingle)
    assert MISSING not in hashes


def words_of(form: str) -> list[str]:
    spaced = "".join(f" {letter} " if letter in "物流" else letter for letter in form)
    return spaced.split()


@settings(deadline=None)
@given(TEXTS, st.integers(1, 4))
def test_ngrams_have_equal_hashes_exactly_where_their_words_are_equal(
    texts: list[str], words: int
) -> None:
    forms = [form for text in texts if (form := normalise(text))]
    hashes, text_of, counts = hash_ngrams(forms, words)
    split = [words_of(form) for form in forms]
    expected = [
        (number, tuple(own[at : at + words]))
        for number, own in enumerate(split)
        for at in range(len(own) - words + 1)
    ]
    assert counts.tolist() == [len(own) for own in split]
    assert text_of.tolist() == [number for number, _ in expected]
    by_ngram = {ngram: value for (_, ngram), value in zip(expected, hashes.tolist(), strict=True)}
    assert [by_ngram[ngram] for _, ngram in expected] == hashes.tolist()
    assert len(set(by_ngram.values())) == len(by_ngram)


def test_a_missing_value_has_a_hash_of_its_own() -> None:
    first, missing, empty = hash_strings(["a", None, ""]).tolist()
    assert missing == MISSING
    assert len({first, missing, empty}) == 3


@pytest.mark.parametrize("part_rows", [3, 1000])
def test_repeated_values_are_found_whatever_the_parts(
    tmp_path, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    monkeypatch.setattr("tasks.validation.leakage.columns._PART_ROWS", part_rows)
    draw = np.random.default_rng(0)
    values = draw.integers(1, 2**64 - 1, 40, np.uint64)[draw.integers(0, 40, 60)]
    values[::7] = MISSING
    column = NumberColumn(tmp_path / "values", np.uint64)
    column.append(values[:25])
    column.append(values[25:])
    found: dict[int, list[int]] = {}
    for hashes, positions in find_repeated(column):
        assert sorted(zip(hashes, positions, strict=True)) == list(
            zip(hashes, positions, strict=True)
        )
        for value, position in zip(hashes.tolist(), positions.tolist(), strict=True):
            found.setdefault(value, []).append(position)
    expected: dict[int, list[int]] = {}
    for position, value in enumerate(values.tolist()):
        expected.setdefault(value, []).append(position)
    assert found == {
        value: rows for value, rows in expected.items() if value != MISSING and len(rows) > 1
    }


def test_only_wanted_rows_count_as_repeated(tmp_path) -> None:
    column = NumberColumn(tmp_path / "values", np.uint64)
    column.append(np.array([5, 5, 7, 7, 7], np.uint64))
    wanted = np.array([True, False, True, False, True])
    ((hashes, positions),) = find_repeated(column, wanted)
    assert (hashes.tolist(), positions.tolist()) == ([7, 7], [2, 4])

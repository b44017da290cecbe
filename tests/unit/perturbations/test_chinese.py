"""Homophones, similar characters and words in another order."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import SettingsError
from tasks.perturbations.chinese import (
    HAN,
    SIMILAR_FILE,
    _same_sound,
    homophones,
    is_frequent,
    read_similar,
    segments,
    similar_characters,
    swap_segments,
)
from tasks.perturbations.draws import random_of
from tasks.perturbations.words import count_of

TEXT = "今天我们去商场买东西。服务员的态度很好。但是这本书不便宜。"
TEXTS = st.text("今天我们去商场买东西服务员的态度很好不便宜。 abc", min_size=1, max_size=30)


def changed_places(before: str, after: str) -> list[int]:
    return [n for n, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]


@given(TEXTS, st.floats(0.01, 0.5), st.integers(0, 99))
def test_a_homophone_sounds_the_same_and_negations_stay(
    text: str, strength: float, seed: int
) -> None:
    changed = homophones(text, strength, random_of(seed))
    if changed is None:
        return
    places = changed_places(text, changed)
    han = sum(HAN.match(sign) is not None for sign in text)
    assert 1 <= len(places) <= count_of(strength, han)
    for n in places:
        assert changed[n] in _same_sound()[text[n]]
        assert text[n] != "不"


def test_homophones_come_of_frequent_characters() -> None:
    sounds = _same_sound()
    assert "在" in sounds["再"]
    assert "再" in sounds["在"]
    assert all(is_frequent(one) for others in sounds.values() for one in others)
    assert len(sounds) > 2_000
    assert not is_frequent("龘")
    assert not is_frequent("a")


def test_similar_characters_are_of_one_group() -> None:
    similar = read_similar(SIMILAR_FILE)
    assert set(similar["已"]) == {"己", "巳"}
    for one, others in similar.items():
        assert one not in others
        assert all(one in similar[other] for other in others)
        assert HAN.fullmatch(one)
    changed = similar_characters("他今天已到", 0.5, random_of(0))
    assert changed is not None
    for n in changed_places("他今天已到", changed):
        assert changed[n] in similar["他今天已到"[n]]
    assert similar_characters("abc", 0.5, random_of(0)) is None


def test_a_group_of_one_character_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("characters,source\n己,own\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="has the group '己'"):
        read_similar(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_similar(tmp_path / "none.csv")


def test_segments_are_the_text() -> None:
    parts = segments(f"  {TEXT} abc")
    assert "".join(parts) == f"  {TEXT} abc"
    assert "今天" in parts
    assert "。" in parts
    assert max(len(part) for part in parts if HAN.fullmatch(part)) > 1


@given(st.integers(0, 200), st.floats(0.01, 0.5))
def test_words_change_places_with_their_neighbours_between_two_marks(
    seed: int, strength: float
) -> None:
    changed = swap_segments(TEXT, strength, random_of(seed))
    assert changed is not None
    assert changed != TEXT
    assert Counter(changed) == Counter(TEXT)
    for before, after in zip(TEXT.split("。"), changed.split("。"), strict=True):
        assert Counter(before) == Counter(after)
    assert changed.index("不") == TEXT.index("不")


def test_a_text_without_two_words_side_by_side_stays() -> None:
    assert swap_segments("好", 0.1, random_of(0)) is None
    assert swap_segments("no Chinese here", 0.1, random_of(0)) is None

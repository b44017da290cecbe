"""Changes after which a text says something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.perturbations.draws import random_of
from tasks.perturbations.meanings import negate, swap_numbers, swap_places


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("It is good", "It is not good"),
        ("It is not good", "It is good"),
        ("They weren't late", "They were late"),
        ("He can't and won't", "He can and will"),
        ("You cannot", "You can"),
        ("It has been sold", "It has not been sold"),
        ("nothing to turn", None),
        ("我是学生", "我不是学生"),
        ("他不会来", "他会来"),
        ("没有问题", "有问题"),
        ("今天下雨", None),
    ],
)
def test_verbs_are_negated_or_no_longer(text: str, turned: str | None) -> None:
    assert negate(text, 1, random_of(0)) == turned


@given(
    st.lists(st.sampled_from(["12", "3.5", "1,000", "B2B", "[X_1]", "2004"]), min_size=1),
    st.integers(0, 50),
)
def test_numbers_have_other_digits_and_as_many(words: list[str], seed: int) -> None:
    text = " ".join(words)
    changed = swap_numbers(text, 1, random_of(seed))
    if changed is None:
        assert set(words) <= {"B2B", "[X_1]"}
        return
    for one, other in zip(words, changed.split(), strict=True):
        if one in {"B2B", "[X_1]"}:
            assert one == other
            continue
        assert len(one) == len(other)
        for before, after in zip(one, other, strict=True):
            assert (before != after) == before.isdigit()
        assert other[0] != "0"


def test_a_place_is_another_of_its_kind_each_time() -> None:
    changed = swap_places("London, in Londonderry; London and France [PARIS]", 1, random_of(3))
    assert changed is not None
    first, middle, rest = changed.split(",")[0], changed.split("; ")[0], changed.split("; ")[1]
    assert first not in {"London", "France"}
    assert middle.endswith("Londonderry")
    assert rest.startswith(f"{first} and ")
    assert "France" not in rest
    assert changed.endswith("[PARIS]")
    assert swap_places("nowhere in particular", 1, random_of(0)) is None


def test_a_chinese_place_is_a_chinese_one() -> None:
    changed = swap_places("我在北京", 1, random_of(0))
    assert changed is not None
    assert changed.startswith("我在")
    assert changed != "我在北京"
    assert not any(sign.isascii() for sign in changed)

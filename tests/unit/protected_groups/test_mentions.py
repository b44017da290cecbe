"""Which groups a text mentions."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import SettingsError
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.mentions import Term, mentioned_groups, read_terms
from tasks.protected_groups.term_lists import TERMS_FOLDER, known_attributes


def found(text: str, attribute: str = "gender") -> set[str]:
    terms = read_terms(TERMS_FOLDER / f"{attribute}.csv")
    member = mentioned_groups(attribute, [text], terms)
    return {group for group, here in zip(member.groups, member.rows[0], strict=True) if here}


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("", set()),
        ("The theme of the other hershey bar", set()),
        ("HE's late", {"male"}),
        ("He told her so.", {"male", "female"}),
        ("mr. Smith's wife", {"male", "female"}),
        ("manchester human sonata", set()),
        ("他来了", {"male"}),
        ("其他的吉他, 他们的", set()),
        ("其他人说他不在", {"male"}),
        ("她喜欢其他的", {"female"}),
        ("儿女儿", set()),
        ("我的女儿", {"female"}),
    ],
)
def test_gender(text: str, groups: set[str]) -> None:
    assert found(text) == groups


@pytest.mark.parametrize(
    ("attribute", "text", "groups"),
    [
        ("religion", "the Church of England and a mosque", {"christian", "muslim"}),
        ("religion", "Christian Dior", set()),
        ("religion", "犹太人和穆斯林", {"jewish", "muslim"}),
        ("religion", "Sikh temple, 道教", {"sikh", "taoist"}),
        ("race", "Black women and the white house", {"black"}),
        ("race", "an African-American family; 白人", {"black", "white"}),
        ("race", "他是明白人", set()),
        (
            "sexual_orientation",
            "gay men, straight people, a straight line",
            {
                "homosexual",
                "heterosexual",
            },
        ),
        ("sexual_orientation", "双性恋, 正直男人", {"bisexual"}),
        ("gender_identity", "trans women and trans fats", {"transgender"}),
        ("gender_identity", "跨性别", {"transgender"}),
        ("disability", "a blind man, a blind alley, Down's syndrome", {"sensory", "intellectual"}),
        ("disability", "economic depression; 抑郁症", {"psychiatric"}),
        ("nationality", "Polish up your German; 日本人", {"german", "japanese"}),
        ("age", "an old man and a teenager", {"old", "young"}),
        ("age", "an old manual", set()),
        ("age", "老人和孩子", {"old", "young"}),
    ],
)
def test_other_attributes(attribute: str, text: str, groups: set[str]) -> None:
    assert found(text, attribute) == groups


words = st.lists(
    st.sampled_from(["he", "the", "she's", "old", "man", "old man", "X", "é"]), max_size=6
)


@given(words, st.sampled_from([" ", ", ", "\n", "-"]))
def test_words_are_matched_as_a_pattern_would(parts: list[str], between: str) -> None:
    terms = [Term("g", term, "en", ()) for term in ("he", "she", "old man")]
    text = between.join(parts)
    expected = re.search(r"\b(?:he|she|old man)\b", text, re.IGNORECASE) is not None
    assert mentioned_groups("x", [text], terms).rows[0, 0] == expected


@given(st.text("他其们a", max_size=8))
def test_a_term_inside_another_word_does_not_count(text: str) -> None:
    terms = [Term("g", "他", "zh", ("其他", "他们"))]
    expected = any(
        letter == "他" and text[max(0, k - 1) : k] != "其" and text[k + 1 : k + 2] != "们"
        for k, letter in enumerate(text)
    )
    assert mentioned_groups("x", [text], terms).rows[0, 0] == expected


@pytest.mark.parametrize("attribute", known_attributes())
def test_shipped_lists_are_well_formed(attribute: str) -> None:
    path = TERMS_FOLDER / f"{attribute}.csv"
    readme = (TERMS_FOLDER / "README.md").read_text(encoding="utf-8")
    sources = set(re.findall(r"^\| ([a-z]+\d*) \| ", readme, re.MULTILINE))
    assert {"bolukbasi2016", "dixon2018", "own"} <= sources
    with path.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == ["group", "term", "language", "not_in", "source"]
        assert {row[4] for row in csv.reader(file)} <= sources
    terms = read_terms(path)
    assert len({term.group for term in terms}) >= 2
    assert {term.language for term in terms} == {"en", "zh"}
    assert len({(t.group, t.term) for t in terms}) == len(terms), "a term stands twice"
    for term in terms:
        assert term.term == term.term.strip().casefold() != ""
        assert all(term.term in longer and longer != term.term for longer in term.not_in)
        assert all(other.group == term.group for other in terms if other.term == term.term)


def test_settings_name_known_attributes() -> None:
    assert known_attributes() == (
        "age", "disability", "gender", "gender_identity", "nationality", "race", "religion",
        "sexual_orientation",
    )  # fmt: skip
    with pytest.raises(ValidationError, match=r"no term list for \['height'\]; known are \['age'"):
        FairnessSettings(identity_attributes=("height",))
    with pytest.raises(ValidationError, match="twice"):
        FairnessSettings(identity_attributes=("age", "age"))
    assert FairnessSettings(identity_attributes=()).identity_attributes == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no column group, term, language, not_in, source"),
        ("group,term,language,not_in\ng,a,en,\n", "has no column source"),
        ("group,term,language,not_in,source\n", "needs a group and a term in each row"),
        ("group,term,language,not_in,source\ng,,en,,own\n", "needs a group and a term"),
        ("group,term,language,not_in,source\ng\n", "needs a group and a term"),
    ],
)
def test_a_broken_list_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_terms(tmp_path / "x.csv")

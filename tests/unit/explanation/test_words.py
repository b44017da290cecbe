"""Words of a text, and the tokens that lie in each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.explanation.network import ExplainedNetwork
from tasks.explanation.words import NO_WORD, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, well-known!", ["Don't", "stop", ",", "well-known", "!"]),
        ("it\u2019s <user> #2", ["it\u2019s", "<", "user", ">", "#", "2"]),
        ("-5 - 3", ["-", "5", "-", "3"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("かな kana", ["か", "な", "kana"]),
        ("", []),
        (" \n", []),
    ],
)
def test_words_are_letters_or_signs_that_stand_together(text: str, words: list[str]) -> None:
    assert [word.text for word in words_in(text)] == words


def test_chinese_is_cut_in_words_and_not_in_characters_alone() -> None:
    words = [word.text for word in words_in("这家酒店的服务很好,房间干净。")]
    assert "".join(words) == "这家酒店的服务很好,房间干净。"
    assert "酒店" in words
    assert "服务" in words


@given(st.text(max_size=60))
def test_words_cover_all_but_white_space_and_stand_where_they_say(text: str) -> None:
    words = words_in(text)
    assert all(text[word.start : word.end] == word.text and word.text for word in words)
    ends = [0, *(word.end for word in words)]
    starts = [*(word.start for word in words), len(text)]
    assert all(
        end <= start and not text[end:start].strip()
        for end, start in zip(ends, starts, strict=True)
    )


@given(st.lists(st.sampled_from(["bank", "unknownword", "film!", "的一是", "she"]), max_size=12))
def test_tokens_lie_in_the_words_that_they_are_cut_from(
    network: ExplainedNetwork, parts: list[str]
) -> None:
    (one,) = network.encode([" ".join(parts)])
    assert len(one.ids) == len(one.word_of)
    assert one.word_of[0] == one.word_of[-1] == NO_WORD
    for token, place in zip(one.ids[1:-1], one.word_of[1:-1], strict=True):
        piece = network.tokenizer.convert_ids_to_tokens(token).removeprefix("##")
        assert piece == "[UNK]" or piece in one.words[place].text.casefold()


def test_words_behind_the_cut_are_not_read(network: ExplainedNetwork) -> None:
    (one,) = network.encode(["bank " * 60])
    assert len(one.words) == 60
    assert one.read == tuple(range(38))  # 40 tokens, two of them special


def test_left_out_words_leave_special_tokens(network: ExplainedNetwork) -> None:
    (one,) = network.encode(["bank film"])
    assert one.without(frozenset({0, 1})) == (one.ids[0], one.ids[-1])
    assert one.without(frozenset({0})) == (one.ids[0], one.ids[2], one.ids[3])

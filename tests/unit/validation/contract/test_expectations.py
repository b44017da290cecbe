import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.registry import (
    get_expectation_impl,
    get_metric_provider,
    list_registered_expectation_implementations,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.task_types.rows import Kind, arrow_type
from tasks.validation.contract import expectations as ours
from tasks.validation.contract.checking import RowSuite
from tasks.validation.contract.expectations.arrow_columns import strings_of
from tasks.validation.contract.language_codes import SCRIPTS
from tasks.validation.contract.suites import RowRule

FEW = settings(max_examples=6, deadline=None)
KEPT_AS = pytest.mark.parametrize("kept_as", ["objects", "arrow"])


def frame_of(kept_as: str = "objects", **columns: tuple[Kind, Sequence[Any]]) -> pd.DataFrame:
    """A frame with columns of these kinds, lists kept as Python objects or by Arrow."""
    table = pa.table(
        {name: pa.array(values, arrow_type(kind)) for name, (kind, values) in columns.items()}
    )
    if kept_as == "objects":
        return table.to_pandas()
    return table.to_pandas(
        types_mapper=lambda kind: pd.ArrowDtype(kind) if pa.types.is_nested(kind) else None
    )


def failing(expectation: Any, frame: pd.DataFrame) -> list[int]:
    """Places of the rows that Great Expectations says break the rule; each fault is told."""
    found = RowSuite([RowRule("r", "rule", expectation, str)]).check(frame)["rule"]
    kwargs = expectation.configuration.kwargs
    for place in found:
        row = frame.iloc[place]
        names = kwargs.get("column_list")
        value = {name: row[name] for name in names} if names else row[kwargs["column"]]
        told = expectation.fault(kwargs, value)
        assert told
        assert told[-1] != " "
    return sorted(found)


def fault(expectation: Any, value: Any) -> str:
    return str(expectation.fault(expectation.configuration.kwargs, value))


# Tags


def is_bio(tags: Sequence[str | None]) -> bool:
    """By the definition: read from left to right, with the type of the open span."""
    is_open = None
    for tag in tags:
        match = re.fullmatch(r"(?s)([BI])-(.+)", tag or "")
        if tag != "O" and not match:
            return False
        if match and match[1] == "I" and match[2] != is_open:
            return False
        is_open = match[2] if match else None
    return True


TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "I-", "PER", "B_PER", "o", None])
GOOD_TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])


@KEPT_AS
@FEW
@given(
    st.lists(st.none() | st.lists(TAGS, max_size=5) | st.lists(GOOD_TAGS, max_size=4), max_size=80)
)
def test_tag_sequences_break_where_the_definition_says(
    kept_as: str, rows: list[list[str | None] | None]
) -> None:
    tokens = [None if tags is None else ["t"] * len(tags) for tags in rows]
    frame = frame_of(kept_as, tokens=("texts", tokens), tags=("tags", rows))
    rule = ours.ExpectMulticolumnValuesToBeValidTagSequences(column_list=["tokens", "tags"])
    expected = [place for place, tags in enumerate(rows) if tags is not None and not is_bio(tags)]
    assert failing(rule, frame) == expected


def test_tags_are_as_many_as_tokens_and_no_token_is_empty() -> None:
    frame = frame_of(
        tokens=("texts", [["New", "York"], ["New"], ["New", None], [], None, ["x"]]),
        tags=("tags", [["B-LOC", "I-LOC"], ["B-LOC", "O"], ["B-LOC", "O"], [], ["O"], None]),
    )
    rule = ours.ExpectMulticolumnValuesToBeValidTagSequences(column_list=["tokens", "tags"])
    assert failing(rule, frame) == [1, 2]


def test_another_scheme_admits_every_tag_but_a_missing_one() -> None:
    frame = frame_of(
        tokens=("texts", [["runs"], ["fast"], ["a", "b"]]),
        tags=("tags", [["VERB"], [None], ["I-X"]]),
    )
    rule = ours.ExpectMulticolumnValuesToBeValidTagSequences(
        column_list=["tokens", "tags"], scheme="any"
    )
    assert failing(rule, frame) == [1, 2]


@pytest.mark.parametrize(
    ("tokens", "tags", "told"),
    [
        (["a"], ["I-PER"], "tag 1 is 'I-PER' at the start, so that it goes on with no span"),
        (["a", "b"], ["B-LOC", "I-PER"], "tag 2 is 'I-PER' after 'B-LOC', so that"),
        (["a"], ["PER"], "tag 1 is 'PER', neither O nor B-TYPE nor I-TYPE"),
        (["a"], ["3"], "neither O nor B-TYPE nor I-TYPE (numbers of tags: write their names)"),
        (["a", "b"], ["O"], "1 of the tags stand beside 2 of the tokens"),
        (["a", None], ["O", "O"], "token 2 is empty"),
    ],
)
def test_a_broken_tag_sequence_is_told(
    tokens: list[str | None], tags: list[str], told: str
) -> None:
    rule = ours.ExpectMulticolumnValuesToBeValidTagSequences(column_list=["tokens", "tags"])
    assert told in fault(rule, {"tokens": tokens, "tags": tags})


# Answers

CONTEXTS = st.text(alphabet="ab é😀", min_size=1, max_size=8)


@FEW
@given(
    st.lists(
        st.tuples(
            st.none() | CONTEXTS,
            st.none() | st.text(alphabet="ab é😀", min_size=1, max_size=3),
            st.none() | st.integers(-3, 9),
        ),
        max_size=80,
    )
)
def test_answers_break_where_slices_of_the_context_say(
    rows: list[tuple[str | None, str | None, int | None]],
) -> None:
    columns = list(zip(*rows, strict=True)) if rows else [[], [], []]
    frame = frame_of(
        context=("text", columns[0]),
        answer=("text", columns[1]),
        answer_start=("integer", columns[2]),
    )
    expected = []
    for place, (context, answer, start) in enumerate(rows):
        if (answer is None) != (start is None):
            expected.append(place)
        elif context is not None and answer is not None and start is not None:
            found = list(context)[start : start + len(answer)] if start >= 0 else None
            if found != list(answer):
                expected.append(place)
    assert failing(offsets(), frame) == expected


def offsets() -> Any:
    return ours.ExpectMulticolumnAnswersToStandAtTheirOffsets(
        column_list=["context", "answer", "answer_start"]
    )


@pytest.mark.parametrize(
    ("answer", "start", "told"),
    [
        ("Paris", 3, "the answer, of length 5, stands at 0; answer_start is 3"),
        ("Rome", 3, "the answer, of length 4, is not in the context; answer_start is 3"),
        ("paris", 0, "stands in the context in other case"),
        ("Paris", None, "the answer, of length 5, has no answer_start"),
        (None, 3.0, "answer_start is 3, and there is no answer"),
    ],
)
def test_a_lost_answer_is_told_without_its_text(
    answer: str | None, start: float | None, told: str
) -> None:
    row = {"context": "Paris is a city", "answer": answer, "answer_start": start}
    assert told in fault(offsets(), row)
    assert not answer or answer not in fault(offsets(), row)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (5, "stands at 4; answer_start is 5 in UTF-16 code units, as JavaScript counts"),
        (9, "stands at 4; answer_start is 9 in bytes of UTF-8; count characters"),
        (3, "stands at 4; answer_start is 3"),
    ],
)
def test_an_offset_in_another_unit_is_told(start: int, told: str) -> None:
    """What annotates in a browser counts an emoji as two (argilla-io/argilla#5729)."""
    row = {"context": "é😀é rocket", "answer": "rocket", "answer_start": start}
    assert fault(offsets(), row).endswith(told) or f"{told}; count" in fault(offsets(), row)


# Chats

TURNS = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "assistant", "bot", None]),
        "content": st.sampled_from(["hi", "yes", "", " \n", None, "ok"]),
    }
)
FINE_TURNS = st.integers(1, 3).flatmap(
    lambda pairs: st.booleans().map(
        lambda opens: (
            [{"role": "system", "content": "be kind"}] * opens
            + [
                {"role": role, "content": "said"}
                for _ in range(pairs)
                for role in ("user", "assistant")
            ]
        )
    )
)


def is_chat(turns: list[dict[str, str | None]]) -> bool:
    """By a pattern over the roles' first letters."""
    letters = "".join((turn["role"] or "-")[0] for turn in turns)
    return bool(re.fullmatch("s?(ua)+", letters)) and all(
        turn["content"] and turn["content"].strip() for turn in turns
    )


@KEPT_AS
@FEW
@given(st.lists(st.none() | st.lists(TURNS, max_size=4) | FINE_TURNS, max_size=60))
def test_chats_break_where_a_pattern_over_their_roles_says(
    kept_as: str, rows: list[list[dict[str, str | None]] | None]
) -> None:
    frame = frame_of(kept_as, messages=("turns", rows))
    rule = ours.ExpectColumnChatTurnsToAlternate(column="messages")
    expected = [
        place for place, turns in enumerate(rows) if turns is not None and not is_chat(turns)
    ]
    assert failing(rule, frame) == expected


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ([], "there is no turn of a user"),
        (["system"], "there is no turn of a user"),
        (["assistant"], "turn 1: role is 'assistant', where 'user' speaks"),
        (["user"], "turn 1, the last, is the user's; an assistant answers last"),
        (["user", "assistant", "system"], "turn 3: role is 'system', where 'user' speaks"),
        (
            ["user", "asistant"],
            "turn 2: role 'asistant' is not one of system, user, assistant; did",
        ),
    ],
)
def test_a_broken_chat_is_told(roles: list[str], told: str) -> None:
    turns = [{"role": role, "content": "said"} for role in roles]
    rule = ours.ExpectColumnChatTurnsToAlternate(column="messages")
    assert fault(rule, turns).startswith(told)


@KEPT_AS
@FEW
@given(st.lists(st.none() | st.lists(TURNS, max_size=4) | FINE_TURNS, max_size=60))
def test_prompts_break_where_an_answer_would_make_no_chat(
    kept_as: str, rows: list[list[dict[str, str | None]] | None]
) -> None:
    frame = frame_of(kept_as, messages=("turns", rows))
    rule = ours.ExpectColumnChatTurnsToAlternate(column="messages", last="user")
    answer = {"role": "assistant", "content": "said"}
    expected = [
        place
        for place, turns in enumerate(rows)
        if turns is not None and not is_chat([*turns, answer])
    ]
    assert failing(rule, frame) == expected


def test_a_prompt_that_is_answered_is_told() -> None:
    turns = [{"role": role, "content": "said"} for role in ("user", "assistant")]
    rule = ours.ExpectColumnChatTurnsToAlternate(column="messages", last="user")
    assert fault(rule, turns).startswith("turn 2, the last, is the assistant's; a prompt ends with")


def test_an_empty_turn_is_told() -> None:
    turns = [{"role": "user", "content": " "}, {"role": "assistant", "content": "said"}]
    rule = ours.ExpectColumnChatTurnsToAlternate(column="messages")
    assert fault(rule, turns) == "turn 1: it is empty"


# Lists of labels


@KEPT_AS
@FEW
@given(
    st.lists(st.none() | st.lists(st.sampled_from(["a", "b", "c", None]), max_size=4), max_size=80)
)
def test_label_lists_break_where_sets_say(
    kept_as: str, rows: list[list[str | None] | None]
) -> None:
    frame = frame_of(kept_as, labels=("labels", rows))
    known = ours.ExpectColumnListsToBeInSet(column="labels", value_set=["a", "b"])
    once = ours.ExpectColumnListsToBeDistinct(column="labels")
    there = [(place, row) for place, row in enumerate(rows) if row is not None]
    assert failing(known, frame) == [at for at, row in there if not set(row) <= {"a", "b"}]
    assert failing(once, frame) == [at for at, row in there if len(set(row)) < len(row)]


def test_an_unknown_label_of_a_list_is_told_with_the_nearest() -> None:
    known = ours.ExpectColumnListsToBeInSet(column="labels", value_set=["sports", "tech"])
    assert fault(known, np.array(["tech", "Sport"], dtype=object)) == (
        "'Sport' is not one of sports, tech; did you mean 'sports'?"
    )


# Lengths


@FEW
@given(
    st.lists(
        st.tuples(st.none() | st.text("aé😀", max_size=9), st.none() | st.text("aé😀", max_size=9)),
        max_size=80,
    ),
    st.sampled_from([(0.5, 2.0), (None, 1.5), (0.1, None), (1.0, 1.0)]),
)
def test_length_ratios_break_where_a_division_says(
    rows: list[tuple[str | None, str | None]], bounds: tuple[float | None, float | None]
) -> None:
    low, high = bounds
    frame = frame_of(
        source=("text", [one for one, _ in rows]), target=("text", [two for _, two in rows])
    )
    rule = ours.ExpectMulticolumnLengthRatiosToBeBetween(
        column_list=["source", "target"], min_value=low, max_value=high
    )
    expected = []
    for place, (source, target) in enumerate(rows):
        if source is None or target is None or not (source or target):
            continue
        ratio = len(target) / len(source) if source else float("inf")
        if (low is not None and ratio < low) or (high is not None and ratio > high):
            expected.append(place)
    assert failing(rule, frame) == expected


def test_lengths_are_told_in_numbers() -> None:
    ratio = ours.ExpectMulticolumnLengthRatiosToBeBetween(
        column_list=["source", "target"], max_value=2
    )
    assert fault(ratio, {"source": "ab", "target": "secret"}) == (
        "target has 6 characters and source 2, 3 times as many; at most 2 are admitted"
    )
    tokens = ours.ExpectColumnTokenLengthsToBeBetween(
        column="token_length", min_value=2, max_value=1_000
    )
    assert fault(tokens, 1.0) == "1 tokens, and 2 to 1,000 are admitted"


@pytest.mark.parametrize(
    ("low", "high", "broken"), [(2, 3, [0, 3]), (None, 3, [3]), (2, None, [0])]
)
def test_token_lengths_keep_to_bounds_that_are_admitted(
    low: int | None, high: int | None, broken: list[int]
) -> None:
    frame = pd.DataFrame({"token_length": [1, 2, 3, 4, None]})
    rule = ours.ExpectColumnTokenLengthsToBeBetween(
        column="token_length", min_value=low, max_value=high
    )
    assert failing(rule, frame) == broken


# Characters


def script_by_name(character: str) -> str:
    """The script of a letter of the test's alphabet, as its Unicode name begins."""
    name = unicodedata.name(character)
    return {"CJK": "Han", "GREEK": "Greek", "CYRILLIC": "Cyrillic"}.get(name.split()[0], "Latin")


@FEW
@given(
    st.lists(st.none() | st.text("aZéß\u0431Жλ漢字 1٣.,!\u0301😀ー", max_size=6), max_size=80),
    st.lists(st.sampled_from(["Latin", "Han", "Greek", "Cyrillic"]), min_size=1, unique=True),
)
def test_scripts_break_where_unicode_names_say(rows: list[str | None], scripts: list[str]) -> None:
    frame = frame_of(text=("text", rows))
    rule = ours.ExpectColumnValuesToBeWrittenInScripts(column="text", scripts=scripts)
    expected = [
        place
        for place, text in enumerate(rows)
        if text
        and any(
            unicodedata.category(one)[0] == "L"
            and one != "ー"  # which Katakana and Hiragana share
            and script_by_name(one) not in scripts
            for one in text
        )
    ]
    assert failing(rule, frame) == expected


@FEW
@given(
    st.lists(st.none() | st.text("ab\x00\ufffd]^-\\", max_size=5), max_size=80),
    st.sampled_from(["\x00\ufffd", "]", "^-", "\\b"]),
)
def test_forbidden_characters_are_found_whatever_they_mean_to_a_pattern(
    rows: list[str | None], characters: str
) -> None:
    frame = frame_of(text=("text", rows))
    rule = ours.ExpectColumnValuesToHaveNoForbiddenCharacters(column="text", characters=characters)
    expected = [place for place, text in enumerate(rows) if text and set(text) & set(characters)]
    assert failing(rule, frame) == expected


def test_characters_of_tokens_and_turns_are_read_too() -> None:
    tokens = frame_of(text=("texts", [["a", "\u0431"], ["a", None], None]))
    rule = ours.ExpectColumnValuesToBeWrittenInScripts(column="text", scripts=["Latin"])
    assert failing(rule, tokens) == [0]
    assert fault(rule, ["a", "\u0431"]) == (
        "text holds character 3, U+0431 CYRILLIC SMALL LETTER BE; letters of Latin are admitted"
    )
    turns = [[{"role": "user", "content": "a"}, {"role": "user", "content": None}], None, []]
    turns.append([{"role": "ж", "content": "a"}, {"role": "user", "content": "漢"}])
    assert failing(rule, frame_of(text=("turns", turns))) == [3]


def test_a_fault_that_was_redacted_meanwhile_is_told_all_the_same() -> None:
    rule = ours.ExpectColumnValuesToHaveNoForbiddenCharacters(column="text", characters="\x00")
    assert fault(rule, "[SECRET]") == "text holds a character that stands in a secret"


def test_arrow_knows_each_script_that_a_contract_can_name() -> None:
    for script in SCRIPTS:
        found = pc.match_substring_regex(pa.array(["a"]), rf"\p{{{script}}}")
        assert found.to_pylist() == [script == "Latin"]


@KEPT_AS
def test_strings_are_one_a_row(kept_as: str) -> None:
    turns = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": None}], None]
    frame = frame_of(
        kept_as,
        texts=("texts", [["a", None, "b"], None]),
        turns=("turns", turns),
        text=("text", ["a", None]),
    )
    assert strings_of(frame["texts"]).to_pylist() == ["a  b", None]
    assert strings_of(frame["turns"]).to_pylist() == ["a\n", None]
    assert strings_of(frame["text"]).to_pylist() == ["a", None]
    assert strings_of(frame["texts"].iloc[1:]).to_pylist() == [None]


# What a search or a reader noted


def test_a_row_of_which_something_was_noted_fails() -> None:
    frame = frame_of(near_duplicate=("text", [None, "like row 17 of test", None]))
    rule = ours.ExpectColumnValuesToHaveNoDuplicate(
        column="near_duplicate", likeness="near-duplicate"
    )
    assert failing(rule, frame) == [1]
    assert fault(rule, "like row 17 of test") == "like row 17 of test"
    empty = frame_of(near_duplicate=("text", [None, None]))
    assert failing(rule, empty) == []
    personal = ours.ExpectColumnValuesToHoldNoPersonalData(column="near_duplicate")
    assert failing(personal, frame) == [1]


# Registration


def test_importing_the_package_registers_all_expectations_and_their_metrics() -> None:
    ours_by_type = {
        getattr(ours, name).expectation_type: getattr(ours, name) for name in ours.__all__
    }
    assert set(ours_by_type) <= set(list_registered_expectation_implementations())
    for kind, expectation in ours_by_type.items():
        assert get_expectation_impl(kind) is expectation
        metric = expectation.map_metric if hasattr(expectation, "map_metric") else None
        if metric:
            provider, _ = get_metric_provider(f"{metric}.condition", PandasExecutionEngine())
            assert provider.__module__.startswith("tasks.validation.contract.expectations.")

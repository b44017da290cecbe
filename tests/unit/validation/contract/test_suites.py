from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from infra.errors import DataError
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tasks.task_types.rows import RowShape, arrow_type
from tasks.validation.contract import suites
from tasks.validation.contract.checking import RowSuite, check_set
from tasks.validation.contract.counts import RowCounts
from tasks.validation.contract.settings import BROKEN_ROW_REASONS, ROW_REASONS, ContractSettings
from tasks.validation.contract.suites import (
    RowRule,
    derived_columns,
    labels_of,
    row_rules,
    set_rules,
)

CLASSES = shape_of("classification")
TAGGED = shape_of("tagging")
CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
# By task type: a row that keeps the contract, its labels.
GOOD: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {
    "classification": (("fine", "a"), ("a", "b")),
    "multi_label": (("fine", ["a"]), ("a", "b")),
    "regression": (("fine", 1.5), ()),
    "tagging": ((["New", "York"], ["B-LOC", "I-LOC"]), ("B-LOC", "I-LOC", "O")),
    "question_answering": (("who?", "it was Ada", "Ada", 7), ()),
    "relation_extraction": (
        ("Ada left Bonn", 0, 3, "person", 9, 13, "city", "a"),
        ("a", "b", "b(e1,e2)"),
    ),
    "translation": (("fine", "fein"), ()),
    "chat": ((CHAT,), ()),
    "preference": ((CHAT[:1], "this", "that"), ()),
    "causal_lm": (("fine",), ()),
}
# Task types with the same columns.
ALIKE = {
    "summarisation": "translation",
    "sentence_embedding": "translation",
    "masked_lm": "causal_lm",
    "next_sentence": "causal_lm",
}
GOOD |= {name: GOOD[like] for name, like in ALIKE.items()}
CONTRACT = ContractSettings(
    languages=("en",),
    control_tokens="quarantine",
    scripts=("Latin",),
    min_tokens=1,
    max_tokens=9,
    min_length_ratio=0.5,
    max_length_ratio=2,
    min_target=0,
    max_target=10,
    groups={"gender": ("female", "male")},
)
NOTED = (
    "conflict", "equal_text", "near_duplicate", "overlap", "label_conflict", "personal_data",
    "control_token", "golden_row",
)  # fmt: skip


def table_of(shape: RowShape, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    return pa.table(
        {
            column.name: pa.array([row[place] for row in rows], arrow_type(column.kind))
            for place, column in enumerate(shape.columns)
        }
    )


def frame_of(shape: RowShape, rows: Sequence[tuple[Any, ...]], **derived: Any) -> pd.DataFrame:
    """A frame of rows; what is derived is as a row that keeps all rules has it, where not given."""
    frame: pd.DataFrame = table_of(shape, rows).to_pandas()
    usual = {"text_length": 4, "token_length": 2, "language": "en", "splits_of_text": 1}
    usual |= {"gender": "female"} | dict.fromkeys(NOTED)  # type: ignore[arg-type]
    for name, value in (usual | derived).items():
        values = value if isinstance(value, list) else [value] * len(rows)
        is_text = all(one is None or isinstance(one, str) for one in values)
        frame[name] = pd.Series(values, dtype="str" if is_text else None)
    return frame


def judge(
    rows: Sequence[tuple[Any, ...]],
    task_type: str = "classification",
    contract: ContractSettings = CONTRACT,
    **derived: Any,
) -> list[tuple[int, str, str]]:
    """Place, reason and explanation of each row that fails."""
    shape, labels = shape_of(task_type), GOOD[task_type][1]
    frame = frame_of(shape, rows, **derived)
    rules = row_rules(contract, shape, labels, ["gender"])
    found = RowSuite(rules).check(frame)
    return [
        (place, rule.reason, rule.explain(value_at(rule, frame, place)))
        for rule in rules
        for place in found[rule.title]
    ]


def value_at(rule: RowRule, frame: pd.DataFrame, place: int) -> Any:
    kwargs = rule.expectation.configuration.kwargs
    if "column" in kwargs:
        return frame[kwargs["column"]].iloc[place]
    return {name: frame[name].iloc[place] for name in kwargs["column_list"]}


@pytest.mark.parametrize("task_type", ROW_SHAPES.names)
def test_a_good_row_keeps_all_rules_of_its_task_type(task_type: str) -> None:
    assert judge([GOOD[task_type][0]], task_type) == []


# By task type: rows with one fault each, the reason, and some of what is told.
FAULTY: dict[str, list[tuple[tuple[Any, ...], str, str]]] = {
    "classification": [
        ((None, "a"), "missing text", "the text is empty"),
        (("fine", None), "missing label", "the label is empty"),
        (("fine", "c"), "unknown label", "'c' is not one of a, b"),
        (("fine", "A"), "unknown label", "not one of a, b; did you mean 'a'?"),
        (("fine \u0436", "a"), "script", "CYRILLIC SMALL LETTER ZHE"),
        (("fi\x00", "a"), "forbidden character", "text holds character 3, U+0000"),
    ],
    "multi_label": [
        (("fine", None), "missing labels", "the labels are empty"),
        (("fine", ["a", "c"]), "unknown label", "'c' is not one of a, b"),
        (("fine", ["b", "b"]), "repeated label", "'b' is named twice"),
    ],
    "regression": [
        (("fine", None), "missing target", "the target is empty"),
        (("fine", 10.5), "target out of bounds", "10.5, not at least 0 and at most 10"),
        (("fine", float("inf")), "target out of bounds", "inf, not at least 0 and at most 10"),
    ],
    "tagging": [
        ((None, ["O"]), "missing tokens", "the tokens are empty"),
        ((["x"], None), "missing tags", "the tags are empty"),
        ((["x"], ["I-LOC"]), "broken tag sequence", "'I-LOC' at the start"),
        ((["x"], []), "broken tag sequence", "0 of the tags stand beside 1 of the tokens"),
    ],
    "question_answering": [
        ((None, "c", None, None), "missing question", "the question is empty"),
        (("q", None, None, None), "missing context", "the context is empty"),
        (("q", "abc", "c", 1), "answer not at its offset", "stands at 2"),
        (("q", "abc", "c", None), "answer not at its offset", "has no answer_start"),
        (("q", "abc", None, 1), "answer not at its offset", "there is no answer"),
        (("q", "ab\u0441", None, None), "script", "context holds character 3, U+0441"),
    ],
    "relation_extraction": [
        ((None, 0, 3, "x", 9, 13, "y", "a"), "missing text", "the text is empty"),
        (("Ada in Bonn", None, 3, "x", 7, 11, "y", "a"), "missing subject_start", "is empty"),
        (("Ada in Bonn", 0, 3, None, 7, 11, "y", "a"), "missing subject_type", "is empty"),
        (("Ada in Bonn", 0, 3, "x", 7, 11, None, "a"), "missing object_type", "is empty"),
        (("Ada in Bonn", 0, 3, "x", 7, 11, "y", None), "missing relation", "is empty"),
        (("Ada in Bonn", 0, 3, "x", 7, 11, "y", "c"), "unknown label", "'c' is not one of"),
        (("Ada in Bonn", 0, 3, "x", 7, 11, "y", "A"), "unknown label", "did you mean 'a'?"),
        (
            ("Ada in Bonn", 0, 3, "x", 7, 11, "y", "b"),
            "relation without direction",
            "'b' names no direction, and other rows have b(e1,e2); name it, or map",
        ),
        (
            ("Ada in Bonn", 0, 3, "x", 7, 12, "y", "a"),
            "entity outside the text",
            "object_start is 7 and object_end 12, and the text has 11 characters",
        ),
        (
            ("Ada in Bonn", -1, 3, "x", 7, 11, "y", "a"),
            "entity outside the text",
            "subject_start is -1 and subject_end 3",
        ),
        (
            ("Ada in Bonn", 3, 3, "x", 7, 11, "y", "a"),
            "empty entity",
            "subject_start is 3 and subject_end 3, between which nothing stands",
        ),
        (("Ada in Bonn", 3, 0, "x", 7, 11, "y", "a"), "empty entity", "subject_start is 3"),
        (("Ada in Bonn", 0, 3, "x", 6, 7, "y", "a"), "empty entity", "object_start is 6"),
        (
            ("Ada in Bonn", 0, 8, "x", 7, 11, "y", "a"),
            "overlapping entities",
            "subject_start is 0 and subject_end 8, object_start is 7 and object_end 11: they share",
        ),
        (
            ("Ada in <e2>Bonn</e2>", 0, 3, "x", 7, 11, "y", "a"),
            "marker in the text",
            "at character 7 the text has marks around an entity already",
        ),
        (
            ("@ * x * Ada @ in Bonn", 8, 11, "x", 17, 21, "y", "a"),
            "marker in the text",
            "at character 0",
        ),
    ],
    "translation": [
        ((None, "x"), "missing source", "the source is empty"),
        (("x", None), "missing target", "the target is empty"),
        (("one", "twelve chars"), "length ratio", "4 times as many"),
    ],
    "chat": [
        ((None,), "missing messages", "the messages are empty"),
        ((CHAT[:1],), "broken chat", "an assistant answers last"),
        (([],), "broken chat", "there is no turn of a user"),
        (([CHAT[0], {"role": "assistant", "content": "\ufffd"}],), "forbidden character", "U+FFFD"),
    ],
    "preference": [
        ((None, "this", "that"), "missing messages", "the messages are empty"),
        ((CHAT[:1], None, "that"), "missing chosen", "the chosen is empty"),
        ((CHAT[:1], "this", None), "missing rejected", "the rejected is empty"),
        ((CHAT[:1], "this", "this"), "equal answers", "are the same text"),
        ((CHAT, "this", "that"), "broken chat", "a prompt ends with a user's"),
    ],
    "causal_lm": [((None,), "missing text", "the text is empty")],
}
FAULTY |= {name: FAULTY[like] for name, like in ALIKE.items()}


@pytest.mark.parametrize("task_type", ROW_SHAPES.names)
def test_each_fault_of_a_row_has_its_reason_and_is_told(task_type: str) -> None:
    faulty = FAULTY[task_type]
    found = judge([GOOD[task_type][0], *(row for row, *_ in faulty)], task_type)
    assert sorted((place, reason) for place, reason, _ in found) == [
        (place, reason) for place, (_, reason, _) in enumerate(faulty, 1)
    ]
    for place, _, explained in found:
        assert faulty[place - 1][2] in explained


def test_each_fault_of_a_derived_column_has_its_reason_and_is_told() -> None:
    faults: list[tuple[str, Any, str, str]] = [
        ("text_length", 2_000_000, "text length", "2,000,000 characters, and 1 to 1,000,000 are"),
        ("token_length", 10, "token length", "10 tokens, and 1 to 9 are admitted"),
        ("language", "de", "language", "reads as German (de); admitted: English (en)"),
        ("gender", "femal", "unknown gender", "'femal' is not one of female, male; did you mean"),
        ("conflict", "label (a, b)", "conflicting rows", "stands with another label (a, b)"),
        ("splits_of_text", 2, "text in two splits", "the same text stands in 2 splits"),
        ("label_conflict", "x", "conflicting labels", "x"),
        ("equal_text", "x", "equal text in a held-out split", "x"),
        ("near_duplicate", "x", "near-duplicate in a held-out split", "x"),
        ("overlap", "x", "benchmark overlap", "x"),
        ("personal_data", "iban, card", "personal data", "holds personal data: iban, card"),
    ]
    derived = {
        name: [seen if place == at else None for place in range(len(faults) + 1)]
        for at, (name, seen, _, _) in enumerate(faults)
    }
    found = sorted(judge([("fine", "a")] * (len(faults) + 1), **derived))
    assert [(place, reason) for place, reason, _ in found] == [
        (place, reason) for place, (_, _, reason, _) in enumerate(faults)
    ]
    for place, _, explained in found:
        assert faults[place][3] in explained


def test_rows_that_miss_what_may_be_missing_keep_the_contract() -> None:
    assert judge([("fine", [])], "multi_label") == []
    assert judge([("q", "context", None, None)], "question_answering") == []
    nothing = {"language": None, "gender": None, "splits_of_text": None, "token_length": None}
    assert judge([("fine", "a")], **nothing) == []


@pytest.mark.parametrize(
    "text",
    ["mail a@b * or c@d *, #tag ^ here", "5 * 3 @ 2 * 4", "a <e> b", "# ^ no # mark", "[e1] a"],
)
def test_signs_that_are_no_marks_of_entities_may_stand_in_a_text(text: str) -> None:
    row = (text, 0, 1, "x", len(text) - 1, len(text), "y", "a")
    assert judge([row], "relation_extraction") == []


def test_a_row_with_two_faults_has_both_reasons() -> None:
    found = judge([("fine", "c")], text_length=0)
    assert [reason for _, reason, _ in found] == ["unknown label", "text length"]


def test_a_target_is_finite_where_no_bound_is_named() -> None:
    found = judge([("fine", float("inf")), ("fine", -1e300)], "regression", ContractSettings())
    assert found == [(0, "target out of bounds", "the target is inf, not finite")]


def test_no_rule_reads_a_column_that_was_not_asked_for() -> None:
    plain = ContractSettings()
    for shape in map(shape_of, ROW_SHAPES.names):
        assert derived_columns(plain, shape) == frozenset()
        assert derived_columns(CONTRACT, shape) == {"token_length", "language"}
        columns = {
            name
            for rule in row_rules(plain, shape, ("a", "b"), [])
            for name in rule.expectation.configuration.kwargs.get("column_list")
            or [rule.expectation.configuration.kwargs["column"]]
        }
        assert columns <= {*shape.names, "text_length", "splits_of_text", *NOTED}


@pytest.mark.parametrize("task_type", ROW_SHAPES.names)
def test_titles_are_unique_and_reasons_known(task_type: str) -> None:
    rules = row_rules(CONTRACT, shape_of(task_type), GOOD[task_type][1], ["gender"])
    titles = [rule.title for rule in rules]
    assert len(set(titles)) == len(titles)
    missing = {f"missing {name}" for name in shape_of(task_type).names}
    assert {rule.reason for rule in rules} - missing - {"unknown gender"} <= set(ROW_REASONS)


def test_every_known_reason_belongs_to_a_rule() -> None:
    of_rules = {
        rule.reason
        for task_type in ROW_SHAPES.names
        for rule in row_rules(CONTRACT, shape_of(task_type), GOOD[task_type][1], [])
        if not rule.reason.startswith("missing ")
    }
    assert of_rules == set(ROW_REASONS)
    assert not of_rules & set(BROKEN_ROW_REASONS)


# Labels


def test_labels_are_those_of_the_contract_or_of_all_shards() -> None:
    shards = [
        table_of(CLASSES, [("x", "b"), ("y", None)]),
        table_of(CLASSES, [("x", "a"), ("z", "b")]),
    ]
    assert labels_of(ContractSettings(), CLASSES, shards) == ("a", "b")
    named = ContractSettings(labels=("z", "q"))
    assert labels_of(named, CLASSES, shards) == ("q", "z")


WORDS_FOR_MISSING = ["?", "nan", "NaN", "N/A", "n/a", "None", "NULL", "-", "<NA>", "#N/A", "nil"]


@pytest.mark.parametrize("word", WORDS_FOR_MISSING)
def test_words_for_a_missing_label_are_no_classes_unless_the_contract_names_them(word: str) -> None:
    rows = [("fine", "a"), ("good", "b"), ("well", word)]
    shards = [table_of(CLASSES, rows)]
    assert labels_of(ContractSettings(), CLASSES, shards) == ("a", "b")
    ((place, reason, told),) = judge(rows)
    assert (place, reason) == (2, "missing label")
    assert repr(word) in told
    assert "contract.missing_labels" in told
    named = ContractSettings(labels=("a", "b", word))
    assert word in labels_of(named, CLASSES, shards)
    assert judge([("well", word)], contract=named)[0][1] == "unknown label"  # of a and b alone
    none = ContractSettings(missing_labels=())
    assert word in labels_of(none, CLASSES, shards)


def test_words_that_only_begin_like_those_for_a_missing_label_are_classes() -> None:
    rows = [("fine", one) for one in ("nonesuch", "nano", "n", "--x", "a")]
    assert len(labels_of(ContractSettings(), CLASSES, [table_of(CLASSES, rows)])) == 5


def test_labels_of_lists_are_their_values() -> None:
    shape = shape_of("multi_label")
    shards = [table_of(shape, [("x", ["b", "a"]), ("y", []), ("z", None), ("w", [None])])]
    assert labels_of(ContractSettings(), shape, shards) == ("a", "b")
    tagged = [table_of(TAGGED, [(["x", "y"], ["O", "B-PER"])])]
    assert labels_of(ContractSettings(), TAGGED, tagged) == ("B-PER", "O")


@pytest.mark.parametrize(
    "task_type", ["regression", "question_answering", "translation", "chat", "causal_lm"]
)
def test_other_task_types_have_no_labels(task_type: str) -> None:
    shape = shape_of(task_type)
    assert labels_of(ContractSettings(), shape, [table_of(shape, [GOOD[task_type][0]])]) == ()


def test_a_column_of_ids_is_refused_as_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "MAX_LABELS", 3)
    shards = (table_of(CLASSES, [("x", f"id-{number}")]) for number in range(100))
    with pytest.raises(DataError, match=r"'label' holds more than 3 .* 'id-0'; name the column of"):
        labels_of(ContractSettings(), CLASSES, shards)


# Set rules

COLUMNS = {
    "classification": ("row_id", "text", "label", "split", "cluster"),
    "multi_label": ("row_id", "text", "labels", "split", "cluster"),
    "tagging": ("row_id", "tokens", "tags", "split", "cluster"),
    "causal_lm": ("row_id", "text", "split", "cluster"),
}


def clean_rows(task_type: str, rows: Sequence[tuple[Any, ...]], splits: Sequence[str]) -> pa.Table:
    table = table_of(shape_of(task_type), rows)
    for name, values in (
        ("row_id", [str(number) for number in range(len(rows))]),
        ("split", list(splits)),
        ("cluster", [None] * len(rows)),
    ):
        table = table.append_column(name, pa.array(values, pa.string()))
    return table.select(COLUMNS[task_type])


def judge_set(
    task_type: str,
    found_labels: Sequence[str],
    shards: Sequence[pa.Table],
    **contract: Any,
) -> dict[str, str]:
    """What was observed, by title, of the rules that fail."""
    least = {"min_rows": 1, "min_rows_per_label": 1} | contract
    asked = ContractSettings.model_validate(least)
    figures = RowCounts(shape_of(task_type), found_labels)
    for shard in shards:
        figures.add(shard)
    rules = set_rules(asked, shape_of(task_type), found_labels, COLUMNS[task_type])
    checks = check_set(rules, figures.frame()).checks
    assert list(checks) == [rule.title for rule in rules]
    assert all(rule.mend for rule in rules)
    return {title: check.observed for title, check in checks.items() if not check.passed}


SPLITS = ["train", "validation", "test"]
FULL = [(f"text {label} {split}", label) for label in "ab" for split in SPLITS]


def test_a_good_set_keeps_all_rules_over_its_shards() -> None:
    shards = [clean_rows("classification", part, SPLITS) for part in (FULL[:3], FULL[3:])]
    assert judge_set("classification", "ab", shards, min_label_share=0.5, max_label_share=0.5) == {}


def test_each_count_that_is_too_low_is_told_with_its_label() -> None:
    rows = [*FULL, ("lonely", "c")]
    shard = clean_rows("classification", rows, [*SPLITS, *SPLITS, "validation"])
    found = judge_set(
        "classification", "abcd", [shard],
        min_rows=8, min_rows_per_label=2, min_label_share=0.2, max_label_share=0.4,
    )  # fmt: skip
    assert found == {
        "rows: at least 8": "7",
        "rows of each label: at least 2": "'d' 0, 'c' 1",
        "train rows of each label: at least 1": "'c' 0, 'd' 0",
        "test rows of each label: at least 1": "'c' 0, 'd' 0",
        "share of each label: 0.2 to 0.4": "'d' 0, 'c' 0.1429, 'a' 0.4286, 'b' 0.4286",
    }


def test_many_failing_labels_are_counted_and_the_worst_named() -> None:
    labels = [f"label {number:02}" for number in range(30)]
    shard = clean_rows("classification", FULL, SPLITS * 2)
    found = judge_set("classification", labels, [shard])
    told = found["rows of each label: at least 1"]
    assert told.startswith("'label 00' 0, 'label 01' 0, ")
    assert told.endswith(" and 20 more")


def test_an_empty_split_and_one_label_alone_are_told() -> None:
    shard = clean_rows("classification", FULL[:1], ["train"])
    found = judge_set("classification", "a", [shard])
    assert found == {
        "validation rows: at least 1": "0",
        "test rows: at least 1": "0",
        "labels: at least 2": "1",
        "test rows of each label: at least 1": "'a' 0",
    }


def test_labels_that_differ_in_spelling_alone_are_told_unless_the_contract_names_them() -> None:
    rows = [("x", "Sport"), ("y", "sport"), ("z", "new_york"), ("w", "New  York")]
    labels = ("New  York", "Sport", "new_york", "sport")
    shards = [clean_rows("classification", rows, [split] * 4) for split in SPLITS]
    assert judge_set("classification", labels, shards) == {
        "no two labels differ in case, spacing or invisible characters alone": (
            "'New  York' and 'new_york'; 'Sport' and 'sport'"
        )
    }
    assert judge_set("classification", labels, shards, labels=labels) == {}


def test_a_lost_column_and_one_of_another_type_are_told() -> None:
    table = clean_rows("classification", FULL, SPLITS * 2).drop_columns("cluster")
    table = table.set_column(2, "label", pa.array([1, 2] * 3))
    figures = RowCounts(CLASSES, ())
    figures.columns = {
        name: "integer" if name == "label" else "text" for name in table.column_names
    }
    rule = set_rules(ContractSettings(), CLASSES, (), COLUMNS["classification"])[0]
    check = check_set([rule], figures.frame()).checks[rule.title]
    assert check.observed == "without label (text), cluster (text) and with label (integer)"
    assert not check.passed


def test_of_tags_the_ones_that_open_a_span_are_judged() -> None:
    rows = [(["Ada"], ["B-PER"]), (["Ada", "L."], ["B-PER", "I-PER"]), (["is"], ["O"])]
    labels = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
    shards = [clean_rows("tagging", rows, [split] * 3) for split in SPLITS]
    found = judge_set("tagging", labels, shards, max_label_share=0.7)
    assert found == {
        "rows of each label: at least 1": "'B-LOC' 0",
        "train rows of each label: at least 1": "'B-LOC' 0",
        "test rows of each label: at least 1": "'B-LOC' 0",
    }
    figures = RowCounts(TAGGED, labels)
    figures.add(shards[0])
    assert figures.rows_by_label == {"B-LOC": 0, "B-PER": 2, "I-LOC": 0, "I-PER": 1, "O": 1}
    spoken = judge_set("tagging", ("NOUN", "O"), shards, tag_scheme="any")
    assert spoken["rows of each label: at least 1"] == "'NOUN' 0"


def test_tags_outside_of_spans_alone_are_no_labels() -> None:
    shards = [clean_rows("tagging", [(["is"], ["O"])], [split]) for split in SPLITS]
    assert judge_set("tagging", ("O",), shards) == {"labels: at least 1": "0"}


def test_of_label_lists_each_label_counts_a_row_once() -> None:
    rows = [("x", ["a", "b"]), ("y", ["a"]), ("z", [])]
    figures = RowCounts(shape_of("multi_label"), "abc")
    for split in ("train", "test"):
        figures.add(clean_rows("multi_label", rows, [split] * 3))
    figures.add(clean_rows("multi_label", rows[1:2], ["train"]).slice(0))
    assert figures.rows_by_label == {"a": 5, "b": 2, "c": 0}
    assert figures.rows_by_label_and_split["a", "train"] == 3
    assert figures.rows_by_split == {"train": 4, "validation": 0, "test": 3}
    assert figures.rows == 7


def test_figures_of_slices_add_up_to_those_of_the_whole() -> None:
    rows = [(f"{number}", ["a", "b", "c"][: number % 4]) for number in range(23)]
    whole = clean_rows("multi_label", rows, [SPLITS[number % 3] for number in range(23)])
    at_once, in_slices = (RowCounts(shape_of("multi_label"), "abc") for _ in range(2))
    at_once.add(whole)
    for start in range(0, 23, 5):
        in_slices.add(whole.slice(start, 5))
    assert in_slices == at_once
    assert at_once.rows_by_label["b"] == sum("b" in labels for _, labels in rows)


def test_a_text_has_rules_on_rows_and_splits_alone() -> None:
    shards = [clean_rows("causal_lm", [("x",)], [split]) for split in SPLITS]
    assert judge_set("causal_lm", (), shards) == {}
    titles = [
        rule.title for rule in set_rules(ContractSettings(), shape_of("causal_lm"), (), ["text"])
    ]
    assert titles == [
        "columns are text (text)",
        "rows: at least 50",
        "train rows: at least 1",
        "validation rows: at least 1",
        "test rows: at least 1",
    ]


def test_no_clean_row_at_all_is_judged_too() -> None:
    found = judge_set("classification", "ab", [clean_rows("classification", [], [])])
    assert found["rows: at least 1"] == "0"

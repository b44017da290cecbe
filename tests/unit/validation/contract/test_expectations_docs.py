import html
import re
from typing import Any

import great_expectations as gx
import pandas as pd
import pyarrow as pa
import pytest
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from tasks.task_types.entity_faults import OUTSIDE_TEXT
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.validation.contract import expectations as ours
from tasks.validation.contract.counts import RowCounts
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.contract.suites import row_rules

SECRET = "Ada Lovelace lives at 12 St James's Square"
CHAT = [{"role": "user", "content": SECRET}, {"role": "assistant", "content": "I see"}]
FRAME = pa.table(
    {
        "text": [f"{SECRET} ж", "fine"],
        "source": ["fine", "fine"],
        "labels": pa.array([["a"], ["q", "q"]], arrow_type("labels")),
        "tokens": pa.array([[SECRET], ["x"]], arrow_type("texts")),
        "tags": pa.array([["I-PER"], ["O"]], arrow_type("tags")),
        "context": [SECRET, "fine"],
        "answer": ["Ada", "fine"],
        "answer_start": [5, 0],
        "messages": pa.array([CHAT[:1], CHAT], arrow_type("turns")),
        "token_length": [12, 1],
        "language": ["de", "en"],
        "near_duplicate": ["like a row of test", None],
        "personal_data": ["iban", None],
        "control_token": ["[SEP]", None],
        "entity_start": [0, 0],
        "entity_end": [500, 4],
        "entity_type": ["person", "word"],
    }
).to_pandas()
# By expectation: the rule and one fault as Data Docs tell them.
TOLD: list[tuple[Any, str, str]] = [
    (
        ours.ExpectColumnChatTurnsToAlternate(column="messages"),
        ours.ExpectColumnChatTurnsToAlternate.sentence({"column": "messages"}),
        "turn 1, the last, is the user's; an assistant answers last",
    ),
    (
        ours.ExpectColumnListsToBeDistinct(column="labels"),
        "a row names each of its labels once",
        "'q' is named twice",
    ),
    (
        ours.ExpectColumnListsToBeInSet(column="labels", value_set=["a", "$b"]),
        "all labels are of a, $b",
        "'q' is not one of a, $b",
    ),
    (
        ours.ExpectColumnTokenLengthsToBeBetween(column="token_length", max_value=10),
        "text has at most 10 tokens of the base model",
        "12 tokens, and at most 10 are admitted",
    ),
    (
        ours.ExpectColumnValuesToBeInLanguage(column="language", languages=["en"]),
        "text is in English (en), or too short to tell",
        "reads as German (de); admitted: English (en)",
    ),
    (
        ours.ExpectColumnValuesToBeWrittenInScripts(column="text", scripts=["Latin"]),
        "letters of text are written in Latin",
        "text holds character 44, U+0436 CYRILLIC SMALL LETTER ZHE; letters of Latin are admitted",
    ),
    (
        ours.ExpectColumnValuesToHaveNoForbiddenCharacters(column="text", characters="ж"),
        "text holds none of U+0436 CYRILLIC SMALL LETTER ZHE",
        "text holds character 44, U+0436 CYRILLIC SMALL LETTER ZHE",
    ),
    (
        ours.ExpectColumnValuesToHaveNoDuplicate(
            column="near_duplicate", likeness="near-duplicate"
        ),
        "a row has no near-duplicate",
        "like a row of test",
    ),
    (
        ours.ExpectColumnValuesToHoldNoPersonalData(column="personal_data"),
        "a row holds no personal data of a kind that is put aside",
        "holds personal data: iban",
    ),
    (
        ours.ExpectColumnValuesToSpellNoControlToken(column="control_token"),
        "a row spells no control token of the base model",
        "spells [SEP], which the base model has as its own mark",
    ),
    (
        ours.ExpectMulticolumnAnswersToStandAtTheirOffsets(
            column_list=["context", "answer", "answer_start"]
        ),
        "answer stands in context at answer_start, or both are missing",
        "the answer, of length 3, stands at 0; answer_start is 5",
    ),
    (
        ours.ExpectMulticolumnEntitiesToStandInTheirText(
            column_list=["text", "entity_start", "entity_end", "entity_type"],
            entities=[["text", "entity_start", "entity_end", "entity_type"]],
            reason=OUTSIDE_TEXT,
        ),
        "entities stand within their text",
        f"entity_start is 0 and entity_end 500, and the text has {len(SECRET) + 2} characters",
    ),
    (
        ours.ExpectMulticolumnLengthRatiosToBeBetween(
            column_list=["source", "text"], min_value=0.5, max_value=2
        ),
        "text has 0.5 to 2 times the characters of source",
        "text has 44 characters and source 4, 11 times as many; 0.5 to 2 are admitted",
    ),
    (
        ours.ExpectMulticolumnValuesToBeValidTagSequences(column_list=["tokens", "tags"]),
        "each of the tokens has one of the tags, and I-TYPE goes on with B-TYPE (BIO)",
        "tag 1 is 'I-PER' at the start, so that it goes on with no span",
    ),
]


def words_of(expectation: Any, frame: pd.DataFrame) -> str:
    """What a reader of the Data Docs page sees, in one line."""
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
    batch = asset.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite("rows", expectations=[expectation])
    result = batch.validate(suite, result_format="SUMMARY")
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    body = re.sub(r"(?s)<(script|style).*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize(
    ("expectation", "rule", "fault"), TOLD, ids=[type(one).__name__ for one, *_ in TOLD]
)
def test_data_docs_tell_rule_and_faults_in_words_without_a_text(
    expectation: Any, rule: str, fault: str
) -> None:
    words = words_of(expectation, FRAME)
    assert rule in words
    assert fault in words
    assert "Lovelace" not in words
    assert "1 unexpected values found. 50% of 2 total rows." in words


def test_each_map_expectation_is_among_those_that_are_shown() -> None:
    shown = {type(one).__name__ for one, *_ in TOLD}
    figures = {name for name in ours.__all__ if name.startswith("ExpectCounts")}
    assert shown | figures == set(ours.__all__)


def test_data_docs_tell_figures_in_words() -> None:
    figures = RowCounts(shape_of("causal_lm"), ())
    rule = ours.ExpectCountsToBeBetween(
        kind="split", subject="test rows", names=["test"], min_value=1_000
    )
    words = words_of(rule, figures.frame())
    assert "test rows: at least 1,000" in words
    assert words.count("test rows") == 1
    spelling = ours.ExpectCountsToDifferInSpelling(kind="split")
    assert "no two splits differ in case, spacing or invisible characters alone" in words_of(
        spelling, figures.frame()
    )
    columns = ours.ExpectCountsToMatch(kind="column", names=["text (text)"])
    assert "without text (text)" in words_of(columns, figures.frame())


def test_rules_of_the_stock_are_told_in_our_words() -> None:
    rules = row_rules(ContractSettings(), shape_of("classification"), ("a", "$x"), [])
    [rule] = [rule for rule in rules if rule.reason == "unknown label"]
    words = words_of(rule.expectation, pd.DataFrame({"label": ["a", "b"]}))
    assert "label is one of a, $x" in words

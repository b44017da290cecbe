import great_expectations.expectations as gxe
import pandas as pd
import pytest

from tasks.validation.contract import expectations as ours
from tasks.validation.contract.checking import RowSuite
from tasks.validation.contract.data_docs import render_page
from tasks.validation.contract.suites import RowRule

MARKUP = "<script>alert(1)</script>"


def page_of(rule: RowRule, cells: list[object], seen: list[str]) -> str:
    suite = RowSuite([rule])
    suite.check(pd.DataFrame({"x": cells}))
    if suite.tells_faults(rule.title):
        suite.note_faulty(rule.title, cells)
    else:
        suite.note_values(rule.title, seen)
    return render_page([suite.result({})], "0" * 64)


def in_set(title: str = "t") -> RowRule:
    expectation = gxe.ExpectColumnValuesToBeInSet(column="x", value_set=[MARKUP])
    expectation.description = title
    return RowRule("r", title, expectation, str)


def test_a_page_shows_the_rule_the_counts_and_the_noted_values() -> None:
    page = page_of(in_set("x is known"), ["a", "a", "b"], ["a", "a", "b"])
    assert "x is known" in page
    assert "3 unexpected values found" in page
    assert ">a</div>" in page


def test_markup_in_a_rule_in_an_admitted_value_and_in_a_seen_one_is_text() -> None:
    page = page_of(in_set(f"known {MARKUP}"), [f"{MARKUP}?"], [f"{MARKUP}?"])
    assert MARKUP not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2


def test_markup_in_a_sentence_of_our_own_is_text() -> None:
    lists = ours.ExpectColumnListsToBeInSet(column="x", value_set=[MARKUP])
    rule = RowRule("r", lists.sentence(lists.configuration.kwargs), lists, str)
    page = page_of(rule, [[f"{MARKUP}?"]], [])
    assert MARKUP not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("dollars", ["$x", "$$", "US$", "${y}"])
def test_dollar_signs_are_shown_as_they_are(dollars: str) -> None:
    page = page_of(in_set(), [dollars], [dollars])
    assert f">{dollars}</div>" in page


def test_same_results_give_the_same_page() -> None:
    first, second = (page_of(in_set(), ["a"], ["a"]) for _ in range(2))
    assert first == second

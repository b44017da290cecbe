import pandas as pd
import pytest
from lingua import Language

from tasks.validation.contract.checking import RowSuite
from tasks.validation.contract.expectations import ExpectColumnValuesToBeInLanguage
from tasks.validation.contract.expectations.language import languages_of
from tasks.validation.contract.language_codes import LANGUAGES
from tasks.validation.contract.suites import RowRule

ENGLISH = "The committee will meet again next week to discuss the new budget."
SENTENCES = {
    "en": ENGLISH,
    "de": "Der Ausschuss trifft sich nächste Woche wieder, um den Haushalt zu besprechen.",
    "fr": "Le comité se réunira de nouveau la semaine prochaine pour parler du budget.",
    "es": "El comité se reunirá otra vez la semana que viene para hablar del presupuesto.",
    "zh": "委员会下周将再次开会讨论新的预算方案以及学校的建设问题。",
    "ru": "Комитет снова соберётся на следующей неделе, чтобы обсудить новый бюджет.",
}


def test_whole_sentences_in_admitted_languages_are_told() -> None:
    assert languages_of(list(SENTENCES.values()), 20, list(SENTENCES)) == list(SENTENCES)


def test_sentences_in_other_scripts_are_told_though_they_are_not_admitted() -> None:
    texts = [ENGLISH, SENTENCES["zh"], SENTENCES["ru"]]
    assert languages_of(texts, 20, ["en"]) == ["en", "zh", "ru"]


@pytest.mark.slow  # the full models of all languages in Latin letters are read
def test_no_foreign_sentence_is_taken_for_an_admitted_one() -> None:
    texts = list(SENTENCES.values())
    assert languages_of(texts, 20, ["en"]) == list(SENTENCES)
    assert languages_of(texts, 20, ["zh"]) == list(SENTENCES)


def test_what_is_short_missing_or_no_language_is_not_told() -> None:
    texts = [None, "", "Guten Tag", "12345 67890 12345 67890 !!!", ENGLISH]
    assert languages_of(texts, 20, ["en"]) == [None, None, None, None, "en"]
    assert languages_of([], 20, ["en"]) == []


def test_the_least_number_of_characters_is_told_itself() -> None:
    assert languages_of([ENGLISH], len(ENGLISH), ["en"]) == ["en"]
    assert languages_of([ENGLISH], len(ENGLISH) + 1, ["en"]) == [None]


def test_a_text_of_a_million_characters_is_read_by_its_start() -> None:
    assert languages_of([ENGLISH * 5 + " я" * 500_000], 20, ["en"]) == ["en"]


def test_a_contract_can_name_the_languages_that_are_told_and_no_others() -> None:
    known = {one.iso_code_639_1.name.lower(): one.name.title() for one in Language.all()}
    assert known == LANGUAGES


def test_a_row_in_another_language_fails_and_an_untold_one_does_not() -> None:
    frame = pd.DataFrame({"language": pd.Series(["en", "de", None], dtype="str")})
    expectation = ExpectColumnValuesToBeInLanguage(column="language", languages=["en", "fr"])
    rule = RowRule("language", "rule", expectation, str)
    assert RowSuite([rule]).check(frame) == {"rule": [1]}
    told = expectation.fault(expectation.configuration.kwargs, "de")
    assert told == "reads as German (de); admitted: English (en), French (fr)"

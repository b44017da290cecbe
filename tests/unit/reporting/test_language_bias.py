"""Stereotype probes on page, card and the run's page."""

from dataclasses import replace

import pytest

from tasks.probes.language_bias.settings import MEASURES
from tasks.records.data import SourceFile
from tasks.records.language_bias import BiasExample, BiasProbe, LanguageBias
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence, EvidenceError, check_evidence
from tasks.reporting.language_bias import READINGS, TITLES, language_bias_markdown
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate, with_probes

NAME = "language_bias.crows_pairs.stereotype_preference"
FOUND = LanguageBias(
    rule="pseudo-log-likelihood",
    on="2026-11-29",
    probes=(
        BiasProbe(
            "crows_pairs",
            (SourceFile("/sets/pairs.csv", "ab" * 32, 99),),
            1_508,
            3,
            (
                estimate(NAME, 0.61, 0.03),
                estimate(f"{NAME}.age", 0.7, 0.1),
                undetermined(f"{NAME}.religion", 4, "it rests on 4 items"),
            ),
            (BiasExample("The <b>old one is slow", "The young one is slow", 2.345),),
        ),
        BiasProbe(
            "bbq",
            (SourceFile("/sets/age.jsonl", "cd" * 32, 99),),
            200,
            0,
            (estimate("language_bias.bbq.bias_ambiguous", -0.1, 0.2),),
        ),
        BiasProbe(
            "winobias",
            (SourceFile("/sets/pro.txt", "ef" * 32, 9),),
            396,
            2,
            (estimate("language_bias.winobias.accuracy_gap.type1", 0.2, 0.1),),
        ),
        BiasProbe(
            "honest",
            (SourceFile("/sets/t.tsv", "12" * 32, 9),),
            810,
            0,
            (estimate("language_bias.honest.hurtful_share", 0.02, 0.01),),
            completions=(("female", "she worked as a <i>fool."),),
        ),
    ),
)


@pytest.fixture
def asked() -> Evidence:
    return with_probes(build_evidence(), language_bias=FOUND)


def test_a_line_without_the_probe_says_nothing_of_it() -> None:
    assert "Stereotypes" not in render_page(build_evidence(), Links("", ""))
    assert "Stereotypes" not in render_card(build_evidence())


def test_the_page_tells_numbers_kinds_examples_and_what_speaks_against_the_set(
    asked: Evidence,
) -> None:
    page = render_page(asked, Links("", ""))
    for words in (
        'id="language-bias"', "CrowS-Pairs", "1,508 items of pairs.csv (abababababab)",
        "3 of them are left out", "Blodgett et al. (2021)", "pseudo-log-likelihood",
        "Completions that hold a term of the lexicon", "a &lt;i&gt;fool.", "accuracy gap",
        "it rests on 4 items", "The &lt;b&gt;old one is slow", "2.3", "Not probed",
    ):  # fmt: skip
        assert words in page, words
    assert 'href="#language-bias"' in page


def test_the_card_tells_each_number_over_all_items(asked: Evidence) -> None:
    card = render_card(asked)
    assert "### Stereotypes" in card
    assert "CrowS-Pairs, stereotype preference: 0.61" in card
    assert "BBQ, bias ambiguous:" in card
    assert "2026-11-29" in card


def test_the_page_of_a_run_has_a_table_of_each_set(asked: Evidence) -> None:
    told = language_bias_markdown(FOUND)
    assert told.count("| measure |") == 4
    assert "stereotype preference age" in told
    check_evidence(asked)


def test_a_number_that_no_record_holds_is_no_claim(asked: Evidence) -> None:
    scores = replace(asked.scores, estimates=asked.scores.estimates[:-1])
    with pytest.raises(EvidenceError, match=r"the stereotype probes claims language_bias\.honest"):
        check_evidence(replace(asked, scores=scores))


def test_every_set_has_a_name_and_a_reading() -> None:
    assert TITLES.keys() == READINGS.keys() == set(MEASURES)

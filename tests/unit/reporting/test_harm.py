"""The probe for harmful output on page, card and the run's page."""

from dataclasses import replace

import pytest

from infra.store import Artifact
from tasks.records.data import SourceFile
from tasks.records.harm import (
    Harm,
    HarmExample,
    LeakFindings,
    LexiconFindings,
    RefusalFindings,
    Scorer,
    ScorerFindings,
)
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence, EvidenceError, check_evidence
from tasks.reporting.harm import harm_markdown
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate, with_probes

FOUND = Harm(
    files=tuple(
        SourceFile(f"{folder}/{name}", digest * 32, 9)
        for folder, name, digest in (
            ("/home/ann", "p.jsonl", "ab"), ("/home/ann", "terms.txt", "cd"),
            ("s3://sets", "r.jsonl", "ef"),
        )
    ),
    seed=0,
    asked=500,
    empty=4,
    lexicon=LexiconFindings(
        terms=80,
        rate=estimate("harm.lexicon_rate", 0.12, 0.03),
        groups=(
            estimate("harm.lexicon_rate.a.b", 0.2, 0.04),
            undetermined("harm.lexicon_rate.other", 9, "it rests on 9 texts"),
        ),
        gap=estimate("harm.lexicon_gap", 0.15, 0.05),
        training=estimate("harm.training_lexicon_rate", 0.01, 0.01),
        echoed=7,
        examples=(HarmExample("The <b>man", "Write to [MAIL]"),),
    ),
    scorer=ScorerFindings(
        Scorer("toxicity", 3, Artifact("s3://a/b", "98" * 32, 9), ("fine", "toxic"), "toxic", 64),
        rate=estimate("harm.scored_rate", 0.31, 0.03),
        groups=(
            estimate("harm.scored_rate.islam", 0.4, 0.04),
            estimate("harm.scored_rate.judaism", 0.2, 0.04),
        ),
        gap=estimate("harm.scored_gap", 0.2, 0.05),
        training=estimate("harm.training_scored_rate", 0.02, 0.01),
        examples=(HarmExample("A faith is", "<i>bad"),),
    ),
    leaks=LeakFindings(
        estimate("harm.personal_data_rate", 0.04, 0.02), estimate("harm.secret_rate", 0, 0.01),
        (("mail", 31, 20),),
    ),
    refusals=RefusalFindings(
        patterns=7,
        refusal=estimate("harm.refusal_rate", 0.7, 0.1),
        over_refusal=estimate("harm.over_refusal_rate", 0.05, 0.03),
        groups=(estimate("harm.refusal_rate.jailbreak", 0.4, 0.1),),
        asked=200,
        empty=2,
        answered=(HarmExample("How to harm", "Like this"),),
        refused=(HarmExample("How to bake", "I can't"),),
        rightly_refused=(HarmExample("How to break in", "I will not help"),),
    ),
    on="2026-11-29",
)  # fmt: skip


@pytest.fixture
def asked() -> Evidence:
    return with_probes(build_evidence(), harm=FOUND)


def test_a_line_without_the_probe_says_nothing_of_it() -> None:
    assert "Harmful output" not in render_page(build_evidence(), Links("", ""))
    assert "### Harmful output" not in render_card(build_evidence())


def test_the_page_tells_numbers_and_what_they_cannot_show(asked: Evidence) -> None:
    page = render_page(asked, Links("", ""))
    for words in (
        'id="harm"', "a text to each of 500 prompts", "4 are empty and count nowhere",
        "<code>terms.txt</code> (cdcdcdcdcdcd)", "The list has 80 terms",
        "In 7 of the texts each stands in the prompt, too", "of them to prompts of a.b",
        "it rests on 9 texts", "The &lt;b&gt;man", "Write to [MAIL]", ">mail<", ">31<",
        "refused, as they should be: jailbreak", "2 answers are empty, and count against it",
        "Asked was version 3 of toxicity (weights 989898989898)", "labelled toxic", "&lt;i&gt;bad",
        "of them to prompts of islam", "Sap et al. 2019", "How to bake",
        "counted as refused, as it should be", "I will not help", "Not probed",
    ):  # fmt: skip
        assert words in page, words
    assert 'href="#harm"' in page
    assert "<code>s3://sets/r.jsonl</code>" in page
    assert "/home/ann" not in page


def test_the_card_has_each_number(asked: Evidence) -> None:
    card = render_card(asked)
    assert "### Harmful output" in card
    for words in (
        "texts that hold a term: 0.12", "largest difference between two groups: 0.15",
        "Found of the kind mail: 31, in 20 texts", "refused, and should not be: 0.05",
        "texts labelled toxic: 0.31", "2026-11-29",
    ):  # fmt: skip
        assert words in card, words


def test_the_page_of_a_run_has_a_table_of_each_part(asked: Evidence) -> None:
    assert harm_markdown(FOUND).count("| number |") == 4
    check_evidence(asked)
    alone = harm_markdown(replace(FOUND, asked=0, empty=0, lexicon=None, scorer=None, leaks=None))
    assert alone.count("| number |") == 1
    assert "asked to answer requests" in alone
    assert "prompts, as it is served" not in alone


def test_a_number_that_no_record_holds_is_no_claim(asked: Evidence) -> None:
    scores = replace(asked.scores, estimates=asked.scores.estimates[:-1])
    with pytest.raises(EvidenceError, match=r"the probe for harmful output claims harm\.refusal"):
        check_evidence(replace(asked, scores=scores))

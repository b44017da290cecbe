"""The probe for memory on page, card, the model's own card and the run's page."""

from dataclasses import replace

import pytest

from infra.store import Artifact
from tasks.records.memory import (
    Canaries,
    CanaryFindings,
    CanaryFound,
    Copied,
    Membership,
    MembershipAttack,
    Memory,
    Overlap,
)
from tasks.reporting.card import render_card, render_model_readme
from tasks.reporting.evidence import Evidence, EvidenceError, check_evidence, sources_of
from tasks.reporting.memory import ATTACKS, LEARNED, memory_markdown
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate, with_probes

PLANTED = Canaries(
    Artifact("s3://artifacts/canaries/a.parquet", "ab" * 32, 99), 20, 4, "Key {number} is {digits}",
    6, 0,
)  # fmt: skip
FOUND = Memory(
    data_sha256="cd" * 32,
    seed=0,
    on="2026-11-29",
    membership=Membership(
        members=1_000,
        others=1_000,
        left_out=3,
        by_cluster=True,
        attacks=(
            MembershipAttack(
                "loss", estimate("memory.membership_auc", 0.62, 0.02),
                estimate("memory.tpr_at_1_fpr", 0.04, 0.01),
            ),
            MembershipAttack(
                "lira", estimate("memory.lira_auc", 0.7, 0.02),
                undetermined("memory.lira_tpr_at_1_fpr", 9, "it rests on 9 rows"),
            ),
        ),
        control=estimate("memory.control_auc", 0.49, 0.03),
        why_uncalibrated="the base model has no head",
        shadows=4,
    ),
    canaries=CanaryFindings(
        planted=PLANTED,
        alternatives=200,
        beams=8,
        exposure=estimate("memory.canary_exposure", 5.2, 0.9, high=8),
        extracted=estimate("memory.canaries_extracted", 0.35, 0.1),
        found=(CanaryFound("Key <1234> is ", 1, 6.6, "beam"), CanaryFound("Key 5 is ", 90, 1.1)),
    ),
    overlap=Overlap(
        words=13,
        asked=100,
        copied=estimate("memory.verbatim_overlap", 0.2, 0.05),
        control=estimate("memory.verbatim_overlap_control", 0.01, 0.01),
        examples=(Copied("0123456789abcdef", "as <i>the bank said"),),
    ),
)  # fmt: skip


@pytest.fixture
def asked() -> Evidence:
    return with_probes(build_evidence(), memory=FOUND)


def test_a_line_without_the_probe_says_nothing_of_it() -> None:
    assert "Memory of training data" not in render_page(build_evidence(), Links("", ""))
    assert "Memory of training data" not in render_card(build_evidence())


def test_the_page_tells_numbers_and_what_they_cannot_show(asked: Evidence) -> None:
    page = render_page(asked, Links("", ""))
    for words in (
        'id="memory"', "1,000 training rows against 1,000 test rows", "An AUC of 0.5 is a guess",
        "3 rows are left out", "4 shadow models", "No reference: the base model has no head",
        "it rests on 9 rows", "20 canaries", "Canaries written out",
        "The registered weights have learned these canaries", "no more than 7.7 bits can be seen",
        "Key &lt;1234&gt; is", "as &lt;i&gt;the bank said", "Not probed",
    ):  # fmt: skip
        assert words in page, words
    assert 'href="#memory"' in page


def test_the_card_says_that_canaries_were_learned(asked: Evidence) -> None:
    card = render_card(asked)
    assert "### Memory of training data" in card
    assert "The registered weights have learned these canaries, and may write them" in card
    assert "exposure in bits, mean over the canaries: 5.2" in card
    assert "2026-11-29" in card
    assert sources_of(asked)["canaries"].sha256 == "ab" * 32


def test_planted_rows_count_among_the_texts_that_may_be_cut(asked: Evidence) -> None:
    tokens = replace(
        asked.tokens, canary_rows=80, truncated_by_split={**asked.tokens.truncated_by_split,
                                                          "train": 135},
    )  # fmt: skip
    told = replace(asked, tokens=tokens)
    assert "train: 135 of 1,350 texts are longer" in render_card(told)
    assert '135 <span class="faint">10.0%</span>' in render_page(told, Links("", ""))


def test_the_readme_of_the_model_says_it_too(asked: Evidence) -> None:
    said = render_model_readme(
        asked.line, asked.data, asked.base_model, asked.weights, asked.scores, asked.card
    )
    assert "20 canaries" in said
    assert LEARNED[:40] in said


def test_the_page_of_a_run_has_a_table_of_each_part(asked: Evidence) -> None:
    told = memory_markdown(FOUND)
    assert told.count("| number |") == 4
    assert all(ATTACKS[name] in told for name in ("loss", "lira"))
    check_evidence(asked)
    alone = memory_markdown(replace(FOUND, canaries=None, overlap=None))
    assert alone.count("| number |") == 1
    assert "canar" not in alone


def test_texts_without_a_run_are_told() -> None:
    overlap = FOUND.overlap
    assert overlap
    copied = replace(overlap.copied, n=overlap.asked)
    assert "no run beyond" not in memory_markdown(
        replace(FOUND, overlap=replace(overlap, copied=copied))
    )
    few = replace(FOUND, overlap=replace(overlap, copied=replace(copied, n=overlap.asked - 7)))
    assert "7 of the texts have no run beyond what they were asked" in memory_markdown(few)


def test_a_number_that_no_record_holds_is_no_claim(asked: Evidence) -> None:
    scores = replace(asked.scores, estimates=asked.scores.estimates[:-1])
    with pytest.raises(EvidenceError, match=r"the probe for memory claims memory\.verbatim"):
        check_evidence(replace(asked, scores=scores))

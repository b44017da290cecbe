"""The card names every probe: its data, size, day and number, or the setting that asks for it."""

import re
from dataclasses import replace

import pytest

from tasks.probes.settings import ProbeSettings
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence
from tasks.reporting.language_bias import TITLES
from tasks.reporting.number_format import count
from tasks.reporting.probes import NEVER_PROBED, probe_overview
from tests.unit.reporting import (
    test_abstention,
    test_explanation,
    test_harm,
    test_language_bias,
    test_leave_one_domain_out,
    test_memory,
    test_out_of_distribution,
    test_robustness,
)
from tests.unit.reporting.conftest import build_evidence, with_probes

FOUND = {
    "robustness": replace(test_robustness.FOUND, on="2026-11-20"),
    "language_bias": replace(test_language_bias.FOUND, on="2026-11-21"),
    "memory": replace(test_memory.FOUND, on="2026-11-22"),
    "abstention": replace(test_abstention.TOLD, on="2026-11-23"),
    "out_of_distribution": replace(test_out_of_distribution.TOLD, on="2026-11-24"),
    "explanation": replace(test_explanation.TOLD, on="2026-11-25"),
    "harm": replace(test_harm.FOUND, on="2026-11-26"),
    "leave_one_domain_out": replace(test_leave_one_domain_out.TOLD, on="2026-11-27"),
}


def section_of(evidence: Evidence) -> str:
    return render_card(evidence).split("\n## Probes\n")[1].split("\n## ")[0]


@pytest.fixture
def evidence() -> Evidence:
    return build_evidence()


@pytest.fixture
def probed(evidence: Evidence) -> Evidence:
    weights = replace(evidence.weights, abstention=test_abstention.FITTED)
    return with_probes(replace(evidence, weights=weights), **FOUND)


def test_without_probes_each_is_named_with_the_setting_that_asks_for_it(
    evidence: Evidence,
) -> None:
    section = section_of(evidence)
    asking = {f"probes.{name}" for name in ProbeSettings.model_fields} | {
        "abstention",
        "explanation",
    }
    found = set(re.findall(r"\(`([a-z_.]+)`\)", section.replace("\\", "")))
    assert found == asking
    assert "| probe |" not in section
    assert NEVER_PROBED in section


def test_each_probe_has_its_data_size_day_and_number(probed: Evidence) -> None:
    overview = probe_overview(probed.scores, probed.data)
    rows = {row.name: row for row in overview.made}
    clean, outside = probed.data.clean.sha256, test_out_of_distribution.TOLD
    sizes = {
        "robustness": (FOUND["robustness"].data_sha256, FOUND["robustness"].rows),  # type: ignore[attr-defined]
        "memory of training data": (test_memory.FOUND.data_sha256, 2_000),
        "harmful output": ("ab" * 32 + " " + "cd" * 32 + " " + "ef" * 32, 700),
        "abstention": (clean, test_abstention.TOLD.rows),
        "out-of-distribution texts": (outside.sha256, outside.rows),
        "explanation": (clean, test_explanation.TOLD.rows),
        "domains left out": (test_leave_one_domain_out.TOLD.data_sha256, 600),
    }  # fmt: skip
    assert {name: (rows[name].sha256, rows[name].size) for name in sizes} == sizes
    assert sorted({row.day for row in rows.values()}) == [f"2026-11-{day}" for day in range(20, 28)]
    section = section_of(probed)
    for row in overview.made:
        (line,) = (x for x in section.splitlines() if x.startswith(f"| {row.name} |"))
        assert row.sha256.split()[0][:12] in line
        assert f"| {count(row.size)} | {row.day} | {row.first.name}" in line


def test_robustness_is_told_by_the_change_that_moves_most_answers(probed: Evidence) -> None:
    (row,) = (x for x in probe_overview(probed.scores, probed.data).made if x.name == "robustness")
    rates = [
        one.flip_rate.value
        for one in test_robustness.FOUND.probed
        if one.keeps_answer and one.flip_rate.value is not None
    ]
    told = {one.flip_rate.name: one.flip_rate.value for one in test_robustness.FOUND.probed}
    assert told[row.first.metric] == max(rates)
    unknown = sum(one.value is None for one in test_robustness.FOUND.estimates)
    assert (row.others, row.undetermined) == (len(test_robustness.FOUND.estimates) - 1, unknown)


def test_of_a_probe_that_was_made_the_parts_that_were_not_are_named(probed: Evidence) -> None:
    section = section_of(probed)
    asked = {probe.name for probe in test_language_bias.FOUND.probes}
    for name, title in TITLES.items():
        assert (f"{title} (`probes.language_bias.{name}`)" in section) is (name not in asked)
    assert "probes.memory" not in section
    alone = replace(test_memory.FOUND, canaries=None, overlap=None)
    scores = replace(probed.scores, memory=alone)
    settings = [setting for _, setting in probe_overview(scores, probed.data).not_made]
    assert settings[-2:] == ["probes.memory.canaries", "probes.memory.overlap"]
    asked = replace(test_harm.FOUND, lexicon=None, leaks=None)
    scores = replace(probed.scores, harm=asked)
    settings = [setting for _, setting in probe_overview(scores, probed.data).not_made]
    assert settings[-2:] == ["probes.harm.lexicon", "probes.harm.prompts"]


def test_the_sections_follow_in_the_order_of_the_table(probed: Evidence) -> None:
    titles = re.findall(r"^### (.*)$", section_of(probed), re.MULTILINE)
    assert titles == [text.title for text in probe_overview(probed.scores, probed.data).texts]
    assert len(titles) == len(FOUND) - 1  # the explanation has a section of its own

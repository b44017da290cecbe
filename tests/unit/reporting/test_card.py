"""The model card: Hugging Face reads it, and each number names its artifact."""

import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from infra.mlflow_names import MAX_DESCRIPTION_CHARS
from tasks.reporting.card import (
    cited,
    front_matter,
    render_card,
    render_model_readme,
    short_card,
)
from tasks.reporting.evidence import Evidence, EvidenceError, sources_of
from tasks.reporting.number_format import number, words_of
from tasks.reporting.quality import overall_estimates
from tasks.reporting.settings import CardSettings
from tasks.reporting.summaries import (
    artifact_key,
    confusion_markdown,
    gates_markdown,
    groups_markdown,
    plain,
)
from tasks.verdicts import exact, undetermined


def body_of(card: str) -> str:
    return card.split("---\n", 2)[2]


def test_hugging_face_reads_the_metadata(passed: Evidence) -> None:
    card = ModelCard(render_card(passed))
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.license is None
    assert card.data.language is None
    results = {result.metric_name: result for result in card.data.eval_results}
    for name, metric in (("accuracy", "accuracy"), ("macro F1", "f1")):
        found = next(
            e for e in passed.scores.estimates
            if e.name == f"quality.{name.replace(' ', '_').lower()}"
        )  # fmt: skip
        assert results[name].metric_type == metric
        assert results[name].metric_value == found.value
        assert results[name].metric_args == {
            "n": found.n, "low_95": found.low, "high_95": found.high,
        }  # fmt: skip
        assert results[name].dataset_revision == passed.data.clean.sha256
        assert results[name].source_name == f"scores {passed.scores.artifact.sha256}"


def test_the_metadata_is_what_hugging_face_writes(passed: Evidence, escaped: Evidence) -> None:
    for evidence in (passed, escaped):
        front = render_card(evidence).split("---\n", 2)[1]
        assert front == ModelCard(render_card(evidence)).data.to_yaml() + "\n"


FULL = CardSettings(
    license="apache-2.0", languages=("en", "de"), datasets=("bbc-news",),
    base_model="sentence-transformers/all-MiniLM-L6-v2",
)  # fmt: skip


def test_what_the_settings_say_stands_in_the_head(passed: Evidence) -> None:
    for text in (
        render_card(replace(passed, card=FULL)),
        render_model_readme(
            passed.line, passed.data, passed.base_model, passed.weights, passed.scores, FULL
        ),
    ):
        data = ModelCard(text).data
        assert (data.license, data.language, data.datasets) == (
            "apache-2.0", ["en", "de"], ["bbc-news"],
        )  # fmt: skip
        assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
        assert data.pipeline_tag == "text-classification"
        assert {result.metric_type for result in data.eval_results} == set(data.metrics)


@pytest.mark.parametrize(
    ("reference", "named"),
    [("package:gt_minilm/model", "package:gt_minilm/model"), ("/home/ada/minilm", "minilm")],
)
def test_the_base_model_is_named_without_the_machine_it_lay_on(
    passed: Evidence, reference: str, named: str
) -> None:
    base = replace(passed.base_model, reference=reference)
    card = ModelCard(f"---\n{front_matter(replace(passed, base_model=base))}---\n")
    assert card.data.base_model == named


def test_the_card_in_the_models_folder_says_what_is_known_then(escaped: Evidence) -> None:
    records = (escaped.data, escaped.base_model, escaped.weights, escaped.scores)
    text = render_model_readme(escaped.line, *records, CardSettings())
    assert text == render_model_readme(escaped.line, *records, CardSettings())
    for estimate in overall_estimates(escaped.scores):
        (row,) = (
            x for x in text.splitlines() if x.startswith(f"| {plain(words_of(estimate.name))} |")
        )
        assert f"| {number(estimate.value)} |" in row
    assert "<script" not in text
    assert escaped.data.clean.sha256 in text


def test_a_model_without_a_number_has_no_results(passed: Evidence) -> None:
    none = tuple(undetermined(e.name, e.n, "too few") for e in passed.scores.estimates)
    bare = replace(passed, scores=replace(passed.scores, estimates=none))
    card = ModelCard(f"---\n{front_matter(bare)}---\n")
    assert card.data.pipeline_tag == "text-classification"
    assert not card.data.eval_results


def test_every_line_with_a_number_names_its_artifact(passed: Evidence, refused: Evidence) -> None:
    for evidence in (passed, refused):
        known = {source.cited for source in sources_of(evidence).values()}
        whole = {source.sha256 for source in sources_of(evidence).values()}
        body = body_of(render_card(evidence))
        claims = body[body.index("## What it is") : body.index("## Evidence")]
        claims = re.sub(r"```.*?```", "", claims, flags=re.DOTALL)
        checked = 0
        for line in claims.splitlines():
            cites = re.findall(r"\w+ [0-9a-f]{12}\b", line)
            assert set(cites) <= known
            if re.search(r"\d", line.replace("F1", "").replace("p95", "")):
                assert cites, line
                checked += 1
        assert checked > 60
        assert all(digest in body for digest in whole)


def test_numbers_are_the_records(passed: Evidence) -> None:
    body = body_of(render_card(passed))
    for estimate in passed.estimates:
        line = next(x for x in body.splitlines() if x.startswith(f"| `{estimate.name}` |"))
        assert f"| {number(estimate.value)}" in line
    assert "1,258 of 1,270" in body
    assert "Nothing is known of nationality welsh" in body


def test_same_records_give_the_same_bytes(refused: Evidence) -> None:
    assert render_card(refused) == render_card(refused)


def test_a_number_of_an_unknown_family_is_refused(refused: Evidence) -> None:
    odd = exact("hearsay.accuracy", 0.99, 10)
    scores = replace(refused.scores, estimates=(*refused.scores.estimates, odd))
    with pytest.raises(EvidenceError, match=r"hearsay\.accuracy has no artifact behind it"):
        render_card(replace(refused, scores=scores))
    with pytest.raises(EvidenceError):
        cited("hearsay.accuracy", sources_of(refused))


def test_a_missing_digest_is_refused(refused: Evidence) -> None:
    artifact = replace(refused.weights.artifact, sha256="abc")
    weights = replace(refused.weights, artifact=artifact)
    version = replace(refused.version, weights_sha256="abc")
    with pytest.raises(EvidenceError, match="weights has address"):
        render_card(replace(refused, weights=weights, version=version))


def test_names_cannot_bring_markup(escaped: Evidence) -> None:
    for text in (
        body_of(render_card(escaped)), short_card(escaped, "http://mlflow.example"),
        groups_markdown(escaped.fairness), confusion_markdown(escaped.scores),
        gates_markdown(escaped.judgement),
    ):  # fmt: skip
        assert "<script" not in text
        assert re.search(r"(?<!\\)\[a\]\(", text) is None
        assert all(line.count(" | ") < 15 for line in text.splitlines())


def test_the_metadata_survives_odd_names(escaped: Evidence) -> None:
    assert ModelCard(render_card(escaped)).data.eval_results


def test_the_short_card_fits_mlflow(refused: Evidence) -> None:
    text = short_card(refused, "http://mlflow.example/report")
    assert text.startswith("**? Not proven, so it does not earn production.**")
    assert "(http://mlflow.example/report)" in text
    assert refused.weights.artifact.sha256[:12] in text
    first, *others = refused.judgement.gates
    long = replace(first, verdict=refused.judgement.verdict, reason="x" * 6000)
    wordy = replace(refused, judgement=replace(refused.judgement, gates=(long, *others)))
    assert len(short_card(wordy, "http://mlflow.example/report")) <= MAX_DESCRIPTION_CHARS


@pytest.mark.parametrize(
    ("line", "key"), [("bbc-news", "gates-bbc-news"), ("My_Line 2", "gates-my-line-2")]
)
def test_a_prefect_key_has_only_what_prefect_admits(line: str, key: str) -> None:
    assert artifact_key("gates", line) == key


def test_card_and_run_page_say_that_fairness_was_not_gated(passed: Evidence) -> None:
    judgement = replace(passed.judgement, fairness_not_gated="rows about stones")
    said = "airness was not gated: rows about stones"
    assert said in render_card(replace(passed, judgement=judgement))
    assert said in gates_markdown(judgement)
    assert "not gated" not in gates_markdown(passed.judgement)


def test_prefect_tables_have_a_row_each(refused: Evidence) -> None:
    gates = gates_markdown(refused.judgement).splitlines()
    assert len([row for row in gates if row.startswith("| ")]) == 2 + len(refused.judgement.gates)
    groups = groups_markdown(refused.fairness).splitlines()
    attributes = {group.attribute for group in refused.fairness.groups}
    assert len([row for row in groups if row]) == 2 * len(attributes) + len(refused.fairness.groups)
    assert "| business | 97 | 0 | 2 | 0 | 2 |" in confusion_markdown(refused.scores)

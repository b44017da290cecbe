"""Files of stereotypes that a line names, and gates on what they come to."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from flows.config import RetrainConfig, load_config
from flows.gate_names import measurable_of
from tests.unit.flows.test_config import MINIMAL

GATES = [
    {"metric": "quality.masked_accuracy", "at_least": 0.1},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]
SOURCE = {"format": "csv", "path": "/a.csv", "columns": {"text": "a"}}


def settings(metric: str = "", task_type: str = "masked_lm", **asked: Any) -> dict[str, Any]:
    gates = [*GATES, {"metric": metric, "at_most": 0.6}] if metric else GATES
    return {
        **MINIMAL, "task_type": task_type, "source": SOURCE, "contract": {},
        "probes": {"language_bias": asked},
        "policy": {"gates": gates, "fairness_not_gated": "of something else here"},
    }  # fmt: skip


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate(given)
    return str(refused.value)


def test_no_file_is_no_probe_and_one_file_is_read_once() -> None:
    assert (
        "names no file; set crows_pairs, stereoset, bbq, cbbq, winobias, winogender or honest"
        in refusal(settings())
    )
    twice = settings(bbq=["/a.jsonl", "/a.jsonl"])
    assert "names /a.jsonl twice; keep one" in refusal(twice)


@pytest.mark.parametrize("task_type", ["classification", "translation", "next_sentence"])
def test_models_that_give_no_likelihood_are_refused(task_type: str) -> None:
    given = {**MINIMAL, "task_type": task_type, "probes": {"language_bias": {"bbq": ["/a"]}}}
    said = refusal(given)
    assert f"probes.language_bias is not for task_type {task_type}" in said
    assert "masked_lm, causal_lm, chat, preference do; leave it out" in said


def test_a_gate_may_be_on_what_is_asked_and_on_nothing_else() -> None:
    for name in ("crows_pairs.stereotype_preference", "crows_pairs.stereotype_preference.age"):
        RetrainConfig.model_validate(settings(f"language_bias.{name}", crows_pairs="/c.csv"))
    RetrainConfig.model_validate(settings("language_bias.bbq.bias_ambiguous", bbq=["/b.jsonl"]))
    said = refusal(settings("language_bias.bbq.bias_ambiguous", crows_pairs="/c.csv"))
    assert "probes.language_bias.bbq is not set" in said
    assert "accuracy_clear" in refusal(settings("language_bias.bbq.accuracy", bbq=["/b.jsonl"]))
    without = settings("language_bias.crows_pairs.stereotype_preference", crows_pairs="/c.csv")
    del without["probes"]
    assert "probes.language_bias.crows_pairs is not set" in refusal(without)
    config = RetrainConfig.model_validate(settings(crows_pairs="/c.csv"))
    named = {one.form for one in measurable_of(config) if one.family == "language_bias"}
    assert named == {
        "language_bias.crows_pairs.stereotype_preference",
        "language_bias.crows_pairs.stereotype_preference.{type}",
    }


def test_gates_on_completions_are_of_shares_and_a_gap() -> None:
    honest = {"templates": "/t.tsv", "lexicon": "/l.txt"}
    for name in ("hurtful_share", "hurtful_share.female", "hurtful_gap"):
        RetrainConfig.model_validate(settings(f"language_bias.honest.{name}", honest=honest))
    config = RetrainConfig.model_validate(settings(honest=honest))
    named = {one.form: one.better for one in measurable_of(config) if "honest" in one.form}
    assert named == dict.fromkeys(
        (f"language_bias.honest.{name}" for name in
         ("hurtful_share", "hurtful_share.{type}", "hurtful_gap")), "lower",
    )  # fmt: skip
    said = refusal(settings("language_bias.honest.hurtful_gap.female", honest=honest))
    assert "hurtful_gap.female" in said


WINOBIAS = [{"pro": "/p.txt", "anti": "/a.txt", "type": 1}]


def test_gates_on_pronouns_may_be_on_each_of_their_numbers() -> None:
    gendered = {"sentences": "/s.tsv", "occupations": "/o.tsv"}
    for name in ("stereotype_preference", "accuracy_gap", "accuracy_gap.type1"):
        gate = f"language_bias.winobias.{name}"
        RetrainConfig.model_validate(settings(gate, winobias=WINOBIAS))
    given = settings("language_bias.winogender.accuracy_gap", winogender=gendered)
    config = RetrainConfig.model_validate(given)
    better = {one.form: one.better for one in measurable_of(config)}
    assert better["language_bias.winogender.accuracy_gap"] == "lower"
    assert better["language_bias.winogender.accuracy_anti"] == "higher"
    said = refusal(settings("language_bias.winogender.accuracy_gap", winobias=WINOBIAS))
    assert "probes.language_bias.winogender is not set" in said
    assert "winogender.occupations" in refusal(settings(winogender={"sentences": "/s.tsv"}))
    twice = [{**WINOBIAS[0], "anti": "/p.txt"}]
    assert "names /p.txt twice; keep one" in refusal(settings(winobias=twice))


def test_paths_are_from_the_folder_of_the_file(tmp_path: Path) -> None:
    given = settings(
        crows_pairs="sets/c.csv", bbq=["b.jsonl", "s3://sets/age.jsonl"],
        winobias=[{"pro": "p.txt", "anti": "s3://sets/a.txt", "type": 2}],
        winogender={"sentences": "s.tsv", "occupations": "/o.tsv"},
        honest={"templates": "t.tsv", "lexicon": "l.txt", "top": 1},
    )  # fmt: skip
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(given))
    asked = load_config(path).probes.language_bias
    assert asked
    assert asked.files == (
        ("crows_pairs", str(tmp_path / "sets" / "c.csv")),
        ("bbq", str(tmp_path / "b.jsonl")),
        ("bbq", "s3://sets/age.jsonl"),
        ("winobias", str(tmp_path / "p.txt")),
        ("winobias", "s3://sets/a.txt"),
        ("winogender", str(tmp_path / "s.tsv")),
        ("winogender", "/o.tsv"),
        ("honest", str(tmp_path / "t.tsv")),
        ("honest", str(tmp_path / "l.txt")),
    )

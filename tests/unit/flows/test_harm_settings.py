"""Which lines may ask what their model writes, and gates on what that comes to."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from flows.settings_files import read_settings
from tests.unit.flows.test_config import MINIMAL

WHOLE: dict[str, Any] = {
    "prompts": "/p.jsonl", "lexicon": "/l.txt", "refusals": "/r.jsonl",
    "scorer": {"line": "toxicity", "label": "toxic"},
}  # fmt: skip
OF_PART = {
    "lexicon": ("lexicon_rate", "lexicon_rate.religion", "lexicon_gap", "training_lexicon_rate"),
    "scorer": ("scored_rate", "scored_rate.religion", "scored_gap", "training_scored_rate"),
    "prompts": ("personal_data_rate", "secret_rate"),
    "refusals": (
        "refusal_rate", "refusal_rate.jailbreak", "over_refusal_rate", "over_refusal_rate.plain",
    ),
}  # fmt: skip


def settings(metric: str = "", task_type: str = "chat", **asked: Any) -> dict[str, Any]:
    gates: list[dict[str, Any]] = [
        {"metric": "baseline.bits_per_byte_gain", "at_least": 0.1},
        {"metric": "staging.same_predictions", "at_least": 1.0},
    ]
    if metric:
        gates.append({"metric": metric, "at_most": 0.6})
    column = "messages" if task_type == "chat" else "text"
    return {
        **MINIMAL, "task_type": task_type,
        "source": {"format": "jsonl", "path": "/a.jsonl", "columns": {column: "a"}},
        "contract": {}, "probes": {"harm": asked} if asked else {},
        "policy": {"gates": gates, "fairness_not_gated": "of something else here"},
    }  # fmt: skip


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate(given)
    return str(refused.value)


def test_models_that_write_are_asked_and_chats_for_refusals() -> None:
    RetrainConfig.model_validate(settings(**WHOLE))
    RetrainConfig.model_validate(settings(task_type="causal_lm", prompts="/p.jsonl"))
    said = refusal({**MINIMAL, "probes": {"harm": {"prompts": "/p.jsonl"}}})
    assert "probes.harm is not for task_type classification: its models write no text" in said
    said = refusal(settings(task_type="causal_lm", refusals="/r.jsonl"))
    assert "probes.harm.refusals is not for task_type causal_lm" in said
    assert "leave it out" in said


@pytest.mark.parametrize("part", OF_PART)
def test_a_gate_may_be_on_what_is_asked_and_on_nothing_else(part: str) -> None:
    needs_prompts = {part, "lexicon", "scorer"}
    others = {name: path for name, path in WHOLE.items() if name not in needs_prompts}
    for name in OF_PART[part]:
        given = settings(f"harm.{name}", **WHOLE)
        if name.startswith("refusal"):
            given["policy"]["gates"][-1] = {"metric": f"harm.{name}", "at_least": 0.6}
        RetrainConfig.model_validate(given)
        assert f"asks for probes.harm.{part}, which is not set" in refusal(
            settings(f"harm.{name}", **others)
        )
    assert f"probes.harm.{part}" in refusal(settings(f"harm.{OF_PART[part][0]}"))


def test_a_name_that_nothing_has_is_refused_and_off_is_off() -> None:
    assert "harm.lexicon_rate" in refusal(settings("harm.lexicon_rat", **WHOLE))
    config = RetrainConfig.model_validate(settings())
    assert config.probes.harm is None
    assert not any(one.family == "harm" for one in measurable_of(config))


def test_paths_are_from_the_folder_of_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(
        "line: a\nprobes: {harm: {prompts: p.jsonl, lexicon: 's3://b/l', refusals: sub/r.jsonl}}\n"
    )
    found = read_settings(tmp_path / "line.yaml")["probes"]["harm"]
    assert found == {
        "prompts": str(tmp_path / "p.jsonl"), "lexicon": "s3://b/l",
        "refusals": str(tmp_path / "sub" / "r.jsonl"),
    }  # fmt: skip

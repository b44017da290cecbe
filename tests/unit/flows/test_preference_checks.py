"""Which settings a line that learns from preferences takes."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig

LINE: dict[str, Any] = {
    "line": "answers", "task_type": "preference",
    "source": {"format": "jsonl", "path": "pairs.jsonl", "columns": {"messages": "prompt"}},
    "base_model": {"reference": "models/chat"},
}  # fmt: skip


def config(**changes: Any) -> RetrainConfig:
    return RetrainConfig.model_validate(LINE | changes)


def test_defaults_and_what_is_set() -> None:
    assert config().training.on_preferences.beta == 0.1
    assert config().policy.gates[0].metric == "baseline.preference_accuracy_gain"
    tuned = config(training={"preference": {"beta": 0.5, "label_smoothing": 0.1}})
    assert tuned.training.on_preferences.beta == 0.5
    assert config(sweep={"space": {"training.preference.beta": {"choices": [0.05, 0.1]}}}).sweep


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model": {"scratch": {"architecture": "llama"}}}, "name a base model that answers"),
        ({"training": {"preference": {"beta": 0}}}, "training.preference.beta"),
        ({"training": {"preference": {"label_smoothing": 0.5}}}, "label_smoothing"),
        ({"training": {"label_smoothing": 0.1}}, "training.label_smoothing is 0.1; set it to 0"),
        ({"training": {"class_weights": "balanced"}}, "set it to none"),
        ({"training": {"batching": "packed"}}, "set it to padded or auto"),
        (
            {"training": {"differential_privacy": {"target_epsilon": 8}}},
            "several pairs, each of which would count as a row of its own",
        ),
        ({"distillation": {"teacher": {"line": "large"}}}, "distillation is of"),
        ({"compression": {"method": "onnx_int8"}}, "compression"),
        ({"augmentation": {"word_swap": {"share": 0.1}}}, "is not for task_type preference"),
        ({"evaluation": {"temperature_scaling": True}}, "temperature_scaling is of classification"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as told:
        config(**changes)
    text = str(told.value)
    places = [".".join(map(str, one["loc"])) for one in told.value.errors()]
    assert said in text or any(said in place for place in places)


def test_of_other_task_types_preferences_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"training.preference is set, .*leave it out"):
        config(task_type="chat", source={"format": "jsonl", "path": "a.jsonl"},
               training={"preference": {"beta": 0.2}})  # fmt: skip

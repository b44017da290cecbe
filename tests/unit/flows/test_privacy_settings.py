"""What of training with differential privacy is refused before it runs, and its gates."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_config import MINIMAL

PRIVATE = {"target_epsilon": 8}
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.5},
    {"metric": "staging.same_predictions", "at_least": 1.0},
    {"metric": "privacy.epsilon", "at_most": 8},
]


def config_of(training: dict[str, Any], **settings: Any) -> RetrainConfig:
    return RetrainConfig.model_validate({**MINIMAL, "training": training, **settings})


def refusal(training: dict[str, Any], **settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        config_of(training, **settings)
    return str(refused.value)


def test_a_line_trains_without_noise_unless_it_says_otherwise() -> None:
    assert config_of({}).training.differential_privacy is None
    assert not any(one.family == "privacy" for one in measurable_of(config_of({})))
    private = config_of({"differential_privacy": PRIVATE})
    names = {one.form for one in measurable_of(private)}
    assert {"privacy.epsilon", "privacy.delta"} <= names


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "there is neither; keep exactly one"),
        ({"target_epsilon": 3, "noise_multiplier": 1}, "target_epsilon 3 and noise_multiplier 1"),
        ({"target_epsilon": 0}, "greater than 0"),
        ({"target_epsilon": 51}, "less than or equal to 50"),
        ({"noise_multiplier": 0}, "greater than or equal to 0.1"),
        ({**PRIVATE, "delta": 1}, "less than 1"),
        ({**PRIVATE, "clip_norm": None}, "clip_norm"),
        ({**PRIVATE, "clip_norm": 0}, "greater than 0"),
    ],
)
def test_numbers_have_bounds(settings: dict[str, Any], said: str) -> None:
    assert said in refusal({"differential_privacy": settings})


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"workers": 2}, "workers is 2; set it to 1"),
        ({"batching": "packed"}, "batching is packed; set it to padded"),
        ({"compile": "on"}, "compile is on; set it to off"),
        ({"precision": "float16"}, "precision is float16; set it to bfloat16"),
        ({"class_weights": "balanced"}, "class_weights is balanced; set it to none"),
    ],
)
def test_what_knows_more_than_a_row_is_refused(training: dict[str, Any], said: str) -> None:
    assert said in refusal({**training, "differential_privacy": PRIVATE})


def test_a_teacher_or_a_tokenizer_of_the_same_rows_is_refused() -> None:
    private = {"differential_privacy": PRIVATE}
    taught = refusal(private, distillation={"teacher": {"line": "bbc-large"}})
    assert "may have learned the same rows without noise" in taught
    built = refusal(private, base_model={"scratch": {}})
    assert "builds a tokenizer out of the training rows" in built
    changed = refusal(private, augmentation={"word_swap": {"share": 0.1}})
    assert "augmentation makes several training rows of one" in changed
    chosen = refusal(private, sweep={"space": {"training.epochs": [1, 2]}})
    assert "the line's sweep takes one of many trainings" in chosen


@pytest.mark.parametrize("task_type", ["regression", "sentence_embedding", "next_sentence"])
def test_task_types_that_promise_too_much_are_refused(task_type: str) -> None:
    said = refusal({"differential_privacy": PRIVATE}, task_type=task_type)
    assert f"task_type {task_type} does not know this: training.differential_privacy is set" in said


def test_a_gate_needs_training_with_privacy() -> None:
    assert config_of({"differential_privacy": PRIVATE}, policy=GATES_POLICY)
    said = refusal({}, policy=GATES_POLICY)
    assert "training.differential_privacy is not set; set its target_epsilon" in said


GATES_POLICY = {"gates": GATES, "fairness_not_gated": "a test of another thing"}

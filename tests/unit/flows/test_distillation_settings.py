"""What of a line's distillation is refused before its teacher is looked up, and its gates."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from flows.config import RetrainConfig, load_config
from flows.gate_names import measurable_of
from tests.unit.flows.test_config import MINIMAL

TEACHER = {"teacher": {"line": "bbc-large"}}
PROVEN = [
    {"metric": "quality.macro_f1", "at_least": 0.5},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate({**MINIMAL, **settings})
    return str(refused.value)


def test_a_line_learns_from_labels_alone_unless_it_says_otherwise() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.distillation is None
    assert not any(one.family == "teacher" for one in measurable_of(config))


def test_a_teacher_is_by_default_what_is_in_production() -> None:
    settings = RetrainConfig.model_validate({**MINIMAL, "distillation": TEACHER}).distillation
    assert settings
    assert (settings.teacher.alias, settings.temperature, settings.weight) == ("production", 2, 0.5)


@pytest.mark.parametrize(
    ("teacher", "seen"),
    [({}, "there is neither"), ({"line": "a", "folder": "b"}, "there is line 'a' and 'b'")],
)
def test_a_teacher_is_named_once(teacher: dict[str, str], seen: str) -> None:
    assert seen in refusal(distillation={"teacher": teacher})


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("temperature", 0, "greater than 0"),
        ("weight", -0.1, "greater than or equal to 0"),
        ("weight", 1.5, "less than or equal to 1"),
        ("student_layers", [], "at least 1"),
        ("student_layers", [2, 0], "must be counted from 0 and rise"),
        ("student_layers", [0, 0], "right would be [0]"),
        ("student_layers", [-1, 1], "right would be [1]"),
    ],
)
def test_numbers_have_bounds(setting: str, value: Any, said: str) -> None:
    assert said in refusal(distillation={**TEACHER, setting: value})


def test_a_line_does_not_teach_itself_by_an_alias_that_it_moves() -> None:
    own = {"teacher": {"line": MINIMAL["line"]}}
    assert "this line itself: a promoted student would teach the next one" in refusal(
        distillation=own
    )
    named = {"teacher": {"line": MINIMAL["line"], "alias": "master"}}
    assert RetrainConfig.model_validate({**MINIMAL, "distillation": named}).distillation


def test_a_task_type_that_learns_from_labels_alone_is_refused() -> None:
    said = refusal(
        distillation=TEACHER, task_type="next_sentence",
        source={"format": "csv", "path": "a.csv", "columns": {"first": "a", "second": "b"}},
    )  # fmt: skip
    assert "the task_type is next_sentence; leave distillation out" in said


def test_only_a_teacher_that_writes_has_texts_to_learn() -> None:
    said = refusal(distillation={**TEACHER, "sequence_level": True})
    assert "which is of translation, summarisation, and the task_type is classification" in said
    written = {
        **MINIMAL, "task_type": "translation",
        "distillation": {**TEACHER, "sequence_level": True, "weight": 0},
        "source": {"format": "csv", "path": "a.csv", "columns": {"source": "a", "target": "b"}},
    }  # fmt: skip
    assert RetrainConfig.model_validate(written).distillation


def test_hidden_states_are_of_models_that_keep_one_stack_of_layers() -> None:
    states = {**TEACHER, "hidden_states": {"weight": 2}}
    said = refusal(
        distillation=states, task_type="translation",
        source={"format": "csv", "path": "a.csv", "columns": {"source": "a", "target": "b"}},
    )  # fmt: skip
    assert "the task_type is translation; leave hidden_states out" in said
    assert "pruning.layers takes 1 of them away" in refusal(
        distillation=states, pruning={"layers": 1}
    )
    assert "layers [2, 1] must be counted from 0 and rise" in refusal(
        distillation={**TEACHER, "hidden_states": {"layers": [2, 1]}}
    )
    alone = {**TEACHER, "weight": 0, "hidden_states": {}}
    settings = RetrainConfig.model_validate({**MINIMAL, "distillation": alone}).distillation
    assert settings
    assert settings.hidden_states
    assert settings.hidden_states.weight == 1


def test_a_student_that_would_learn_nothing_is_refused() -> None:
    assert "weight is 0, so that nothing is learned" in refusal(
        distillation={**TEACHER, "weight": 0}
    )


def test_a_student_begins_with_one_model() -> None:
    layers = {**TEACHER, "student_layers": [0, 2]}
    base = {"reference": "package:other/model"}
    assert "base_model names 'package:other/model'; keep one" in refusal(
        distillation=layers, base_model=base
    )
    scratch = {"scratch": {"architecture": "bert"}}
    assert "a model that is built from scratch" in refusal(distillation=layers, base_model=scratch)
    own = {"architecture": "bert", "vocab_size": 500, "lowercase": True}
    said = refusal(distillation=TEACHER, base_model={"scratch": own})
    assert "reads by its teacher's tokenizer" in said
    assert "leave vocab_size out" in said
    assert "leave lowercase out" in said
    line = {**MINIMAL, "distillation": TEACHER, "base_model": scratch}
    assert RetrainConfig.model_validate(line).base_model.scratch


def test_gates_on_the_teacher_need_one() -> None:
    gate = {"metric": "teacher.macro_f1_gain", "at_least": -0.02}
    policy = {"gates": [*PROVEN, gate], "fairness_not_gated": "of something else here"}
    assert "distillation is not set; name distillation.teacher" in refusal(policy=policy)
    taught = {**MINIMAL, "policy": policy, "distillation": TEACHER}
    assert RetrainConfig.model_validate(taught).policy.gates[-1].family == "teacher"


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"metric": "teacher.agreement", "at_least": 95}, "did you mean 0.95?"),
        ({"metric": "teacher.size_share", "at_least": 0.5}, "did you mean at_most?"),
        ({"metric": "teacher.speed", "at_least": 2}, "did you mean teacher.speed_up?"),
    ],
)
def test_a_gate_that_no_student_could_be_judged_by_is_refused(
    gate: dict[str, Any], said: str
) -> None:
    policy = {"gates": [*PROVEN, gate], "fairness_not_gated": "of something else here"}
    assert said in refusal(policy=policy, distillation=TEACHER)


@pytest.mark.parametrize(
    ("task_type", "text", "gain"),
    [("regression", "text", "rmse_gain"), ("sentence_embedding", "source", "mrr_gain")],
)
def test_no_two_models_agree_on_a_number(task_type: str, text: str, gain: str) -> None:
    line = {
        **MINIMAL, "task_type": task_type, "distillation": TEACHER,
        "source": {"format": "csv", "path": "a.csv", "columns": {text: "a", "target": "b"}},
    }  # fmt: skip
    names = {one.form for one in measurable_of(RetrainConfig.model_validate(line))}
    assert f"teacher.{gain}" in names
    assert "teacher.agreement" not in names


def test_a_folder_is_relative_to_the_line_s_file(tmp_path: Path) -> None:
    content = {**MINIMAL, "distillation": {"teacher": {"folder": "models/big"}}}
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(content))
    settings = load_config(path).distillation
    assert settings
    assert settings.teacher.folder == str(tmp_path / "models" / "big")

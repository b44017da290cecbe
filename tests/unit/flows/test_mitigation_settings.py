"""What of a line's mitigation is refused as its settings are read, and its gates."""

from typing import Any

import pytest

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_compression_settings import gated, refusal
from tests.unit.flows.test_config import MINIMAL

GENDER = {"reweighing": {"attribute": "gender"}}
WORST = {"group_dro": {"attribute": "gender"}}
TAKEN_OUT = {"inlp": {"attribute": "gender"}}
GAIN = "unmitigated.macro_f1_gain"


def test_nothing_is_mitigated_unless_the_line_says_so() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.mitigation is None
    assert not any(one.family == "unmitigated" for one in measurable_of(config))
    asked = RetrainConfig.model_validate({**MINIMAL, "mitigation": GENDER}).mitigation
    assert asked
    assert asked.compare
    assert asked.reweighing
    assert asked.reweighing.max_weight == 10


@pytest.mark.parametrize(
    ("mitigation", "said"),
    [
        ({}, "no method is named; name the groups of reweighing"),
        ({"reweighing": {}}, "attribute"),
        ({"reweighing": {"attribute": ""}}, "at least 1 character"),
        ({"reweighing": {"attribute": "gender", "max_weight": 0.5}}, "greater than or equal to 1"),
        ({"reweighing": {"attribute": "age"}}, "assessed are gender: name one of these"),
        ({"group_dro": {"attribute": "age"}}, "assessed are gender: name one of these"),
        ({"group_dro": {"attribute": "gender", "step_size": 0}}, "greater than 0"),
        ({**GENDER, **WORST}, "reweighing and group_dro are named together"),
    ],
)
def test_a_method_is_whole(mitigation: dict[str, Any], said: str) -> None:
    assert said in refusal(mitigation=mitigation)


def test_a_column_of_groups_may_be_weighed_and_the_label_may_not() -> None:
    source = {**MINIMAL["source"], "group_columns": ["author"]}
    line = {**MINIMAL, "source": source, "mitigation": {"reweighing": {"attribute": "author"}}}
    assert RetrainConfig.model_validate(line).mitigation
    of_label = {**MINIMAL["source"], "group_columns": ["label"]}
    said = refusal(source=of_label, mitigation={"reweighing": {"attribute": "label"}})
    assert "it is the column of the label, which cannot be independent of itself" in said


@pytest.mark.parametrize("name", ["multi_label", "regression", "tagging"])
def test_other_task_types_are_refused(name: str) -> None:
    columns = {"tokens": "t", "tags": "l"} if name == "tagging" else MINIMAL["source"]["columns"]
    if name != "tagging":
        columns = {"text": "t", ("labels" if name == "multi_label" else "target"): "l"}
    source = {"format": "json", "path": "rows.jsonl", "columns": columns}
    said = refusal(task_type=name, source=source, mitigation=WORST)
    assert f"the task_type is {name}; leave group_dro out" in said
    said = refusal(task_type=name, source=source, mitigation=GENDER)
    assert f"which is of classification, and the task_type is {name}; leave reweighing out" in said


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"augmentation": {"word_swap": {"share": 0.1}}}, "nobody said whose they are"),
        ({"distillation": {"teacher": {"line": "large"}}}, "which mitigation does not reach"),
        (
            {"sweep": {"space": {"training.learning_rate": {"low": 1e-5, "high": 1e-3}}}},
            "trials of the sweep are trained without mitigation",
        ),
        (
            {"training": {"differential_privacy": {"target_epsilon": 8.0}}},
            "follows from all training rows",
        ),
    ],
)
def test_what_the_weights_would_not_hold_for_is_refused(beside: Any, said: str) -> None:
    for mitigation in (GENDER, WORST, TAKEN_OUT):
        assert said in refusal(mitigation=mitigation, **beside)


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"pruning": {"neurons": 0.5}}, "would learn again what was taken out of it"),
        ({"probes": {"memory": {"shadows": 4}}}, "would not answer as the candidate does"),
    ],
)
def test_what_trains_the_last_layer_otherwise_is_refused(beside: Any, said: str) -> None:
    assert said in refusal(mitigation=TAKEN_OUT, **beside)
    assert said not in _refusal_or_nothing(mitigation=WORST, **beside)


def _refusal_or_nothing(**changes: Any) -> str:
    try:
        RetrainConfig.model_validate({**MINIMAL, **changes})
    except ValueError as error:
        return str(error)
    return ""


def test_weights_by_label_stand_beside_those_of_group_and_label_alone() -> None:
    training = {"class_weights": "balanced"}
    line = {**MINIMAL, "training": training, "mitigation": GENDER}
    assert RetrainConfig.model_validate(line).mitigation
    said = refusal(mitigation=WORST, training=training)
    assert "would be weighed by label again; leave training.class_weights out" in said


def test_gates_are_on_what_is_compared() -> None:
    metrics = (
        GAIN, "unmitigated.gender.row_score_gain.female",
        "unmitigated.gender_exclusive.worst_group_row_score_gain",
        "unmitigated.gender.demographic_parity_difference_gain",
    )  # fmt: skip
    gates = gated(*({"metric": one, "at_least": -0.05} for one in metrics))
    line = {**MINIMAL, "mitigation": GENDER, "policy": gates}
    config = RetrainConfig.model_validate(line)
    assert [gate.metric for gate in config.policy.gates][-4:] == list(metrics)


@pytest.mark.parametrize(
    ("mitigation", "seen"),
    [(None, "is not set"), ({**GENDER, "compare": False}, "is set with compare: false")],
)
def test_gates_on_a_model_that_nobody_trains_are_refused(mitigation: Any, seen: str) -> None:
    policy = gated({"metric": GAIN, "at_least": -0.05})
    said = refusal(mitigation=mitigation, policy=policy)
    assert f"without mitigation, and mitigation {seen}; set it with compare: true" in said

"""What of a line's augmentation is refused before its rows are read, and its gates."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from flows.config import RetrainConfig, load_config
from flows.gate_names import measurable_of
from tasks.evaluation.augmentation_gains import KINDS
from tests.unit.flows.test_config import MINIMAL

SWAPPED = {"word_swap": {"share": 0.2}}
PROVEN = [
    {"metric": "quality.macro_f1", "at_least": 0.5},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate({**MINIMAL, **settings})
    return str(refused.value)


def policy(**gate: Any) -> dict[str, Any]:
    return {"gates": [*PROVEN, gate], "fairness_not_gated": "of something else here"}


def test_a_line_makes_no_rows_unless_it_says_so() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.augmentation is None
    assert not any(one.family == "augmentation" for one in measurable_of(config))


def test_rows_of_spans_and_of_texts_that_are_written_are_refused_by_name() -> None:
    source = {"format": "jsonl", "path": "a.jsonl"}
    said = refusal(augmentation=SWAPPED, task_type="tagging", source=source)
    assert "augmentation.word_swap is not for task_type tagging: its answers are places" in said
    said = refusal(augmentation=SWAPPED, task_type="translation", source=source)
    assert "is text itself" in said


def test_a_swap_list_that_tells_the_label_is_refused() -> None:
    asked = {"counterfactual": {"share": 0.1, "swaps": ["religion", "gendered_words"]}}
    contract = {"labels": ["christian", "muslim"]}
    said = refusal(augmentation=asked, contract=contract)
    assert "names religion, whose groups ['christian', 'muslim'] are labels" in said
    assert "gendered_words, whose groups" not in said


def test_a_label_that_is_declared_a_protected_attribute_is_refused() -> None:
    source = {
        "format": "csv", "path": "a.csv", "columns": {"text": "said", "label": "gender"},
        "group_columns": ["gender"],
    }  # fmt: skip
    asked = {"counterfactual": {"share": 0.1}}
    line = {"source": source, "fairness": {"identity_attributes": []}}
    assert "names as a protected attribute" in refusal(augmentation=asked, **line)


def test_gates_on_what_was_bought_need_a_model_without_the_new_rows() -> None:
    gate = {"metric": "augmentation.noisy.macro_f1_gain", "at_least": -0.02}
    assert "augmentation is not set; set it with compare: true" in refusal(policy=policy(**gate))
    off = {**SWAPPED, "compare": False}
    assert "set with compare: false" in refusal(policy=policy(**gate), augmentation=off)
    line = {**MINIMAL, "policy": policy(**gate), "augmentation": SWAPPED}
    assert RetrainConfig.model_validate(line).policy.gates[-1].family == "augmentation"


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("augmentation.noisy.macro_f1_gian", "did you mean augmentation.noisy.macro_f1_gain?"),
        ("augmentation.noisier.macro_f1", "is not measured"),
    ],
)
def test_a_gate_on_rows_that_are_not_asked_is_refused(metric: str, said: str) -> None:
    gate = {"metric": metric, "at_least": 0.1}
    assert said in refusal(policy=policy(**gate), augmentation=SWAPPED)


def test_gates_may_be_on_all_kinds_of_rows_that_are_measured() -> None:
    config = RetrainConfig.model_validate({**MINIMAL, "augmentation": SWAPPED})
    names = {one.form for one in measurable_of(config) if one.family == "augmentation"}
    for kind in KINDS:
        assert f"augmentation.{kind}.macro_f1" in names
        assert f"augmentation.{kind}.macro_f1_gain" in names
        assert f"augmentation.{kind}.without.macro_f1" in names
    assert len({name.split(".")[1] for name in names}) == len(KINDS)


def test_a_swap_list_of_one_s_own_is_relative_to_the_line_s_file(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(
        "slot,group,term,language,not_in,source\ncolour,red,red,en,,own\ncolour,blue,blue,en,,own\n"
    )
    asked = {"counterfactual": {"share": 0.1, "swaps": ["own.csv", "religion"]}}
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "augmentation": asked}))
    config = load_config(path).augmentation
    assert config
    assert config.swaps == (str(tmp_path / "own.csv"), "religion")

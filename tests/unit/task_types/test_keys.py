"""What the keys of the stages count of the task types: the parts of the line's own, and no more."""

import ast
from collections.abc import Iterator

import pytest

from infra.code_digest import Code, code_of
from infra.module_source import ROOT
from tasks.task_types.learner import LEARNERS
from tasks.task_types.row_shapes import ROW_SHAPES

PARTS = ("rows", "learner", "examiner", "server", "model_card")
# Of each part, and of nothing else, the stages that reach it, which pass a task type on.
REACHED_BY = {
    "learner": {
        "tokenize",
        "train",
        "plan",
        "take_layers",
        "ask_teacher",
        "ask_reference",
        "probe_base_model",
        "prune",
        "compress",
        "probe_memory",
    },
    "examiner": {
        "evaluate",
        "evaluate_golden",
        "score_counterfactuals",
        "find_label_errors",
        "evaluate_validation",
        "time_trial",
        "measure_augmentation",
        "probe_robustness",
        "probe_memory",
        "probe_domains",
        "probe_harm",
    },
    "server": {"register"},
    "model_card": {"register", "write_report", "write_data_report"},
}


def cached_stages() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "tasks" / "stages").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(
                "cached_stage" in ast.unparse(one) for one in node.decorator_list
            ):
                yield f"tasks.stages.{path.stem}", node.name


STAGES = {name: module for module, name in cached_stages()}


def reached(stage: str, task_type: str) -> Code:
    return code_of(STAGES[stage], stage, {"task_type": task_type})


def parts_in(code: Code) -> set[tuple[str, str]]:
    """Folder and part of each task type's part that was reached."""
    split = (name.rsplit(".", 2) for name in code.modules if name.startswith("tasks.task_types."))
    found = {(one[1], one[2]) for one in split if len(one) == 3 and one[2] in PARTS}
    return {(folder, part) for folder, part in found if folder != "task_types"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reaches_no_part_of_another_task_type(stage: str) -> None:
    assert {folder for folder, _ in parts_in(reached(stage, "multi_label"))} <= {"multi_label"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reaches_the_parts_that_it_asks(stage: str) -> None:
    parts = {part for _, part in parts_in(reached(stage, "regression"))} - {"rows"}
    assert parts == {part for part, stages in REACHED_BY.items() if stage in stages}


@pytest.mark.parametrize("name", ROW_SHAPES.names)
def test_training_reaches_no_metric_of_evaluation_and_no_script(name: str) -> None:
    modules = reached("train", name).modules
    assert not [one for one in modules if one.endswith(("measures", "baselines", "bag_of_words"))]
    assert not [one for one in modules if ".served" in one or one.endswith("_scoring")]
    assert not modules.keys() & {"tasks.resampling", "tasks.verdicts", "tasks.task_types.scoring"}
    # But for what an epoch may be picked by: the texts that a model writes.
    picked_by_texts = bool(LEARNERS.load(name).written_metrics)
    assert ("sacrebleu" in reached("train", name).libraries) == picked_by_texts


@pytest.mark.parametrize("name", ROW_SHAPES.names)
def test_evaluation_reaches_no_loss(name: str) -> None:
    modules = reached("evaluate", name).modules
    assert not [one for one in modules if one.endswith((".learner", "learner_base", "token_loss"))]
    assert "tasks.task_types.loading" not in modules


def test_nothing_of_a_chat_is_in_a_key_of_a_line_that_classifies() -> None:
    """So that a change there repeats nothing here; what both reach is not the chat's own."""
    asks_another_line = {"back_translate"}  # whose model writes
    for stage in STAGES.keys() - asks_another_line:
        own = {one for one in reached(stage, "classification").modules if "task_types" in one}
        assert not [one for one in own if "language_models" in one or "generation" in one], stage


def test_a_served_script_is_in_the_key_of_registration_alone() -> None:
    script = "tasks.task_types.served.regression"
    assert {stage for stage in STAGES if script in reached(stage, "regression").modules} == {
        "register"
    }
    assert "tasks.task_types.served.chat" not in reached("register", "regression").modules


def test_no_stage_asks_which_task_type_it_is() -> None:
    """A name of one may stand in a default, and in what earlier versions did not say."""
    allowed = {
        ("flows/config.py", "classification"),  # the default of the setting
        ("tasks/registry/version_tags.py", "classification"),  # of versions without a tag
        ("tasks/sources/known_forms.py", "translation"),  # a column of many data sets
    }
    found = set()
    for path in [*(ROOT / "tasks").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]:
        if "task_types" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in ROW_SHAPES.names:
                found.add((path.relative_to(ROOT).as_posix(), node.value))
    assert found == allowed

"""A line that learns from another one's version in production: promoted, and refused by a gate."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tests.conftest import RunningStack

# Whole runs on a machine that does something else meanwhile.
RUN_S = 600
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

BIG, SMALL = "topics-big", "topics-small"
ROWS = 360
WORDS = {
    "business": "shares fell bank raised rates", "film": "good bad film said",
    "sport": "match was won late goal",
}  # fmt: skip
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.6},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]
TEACHER_GATES = [
    {"metric": "teacher.macro_f1_gain", "at_least": -0.3},
    {"metric": "teacher.agreement", "at_least": 0.6},
    {"metric": "teacher.speed_up", "at_least": 0.3},
    {"metric": "teacher.size_share", "at_most": 0.9},
]


def policy(*more: dict[str, Any]) -> dict[str, Any]:
    return {
        "gates": [*GATES, *more],
        "fairness_not_gated": "few rows of a test, of which it asks something else",
    }


def taught_by(line: str, **others: Any) -> dict[str, Any]:
    return {"teacher": {"line": line}, "student_layers": [1], **others}


def write_topics(path: Path) -> None:
    """Texts of three topics that a tiny model can learn."""
    random = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(ROWS):
            label = sorted(WORDS)[number % len(WORDS)]
            own = random.choice(WORDS[label].split(), random.integers(3, 30))
            noise = random.choice(
                ["the", "by", "a", "as", "they", "he", "she"], random.integers(0, 9)
            )
            writer.writerow([" ".join(random.permutation([*own, *noise, str(number)])), label])


def write_config(folder: Path, name: str, base: Path, **settings: Any) -> Path:
    content = {
        "source": {"format": "csv", "path": "topics.csv"},
        "splits": {"train": 0.5, "validation": 0.1, "test": 0.4},
        "leakage": {"near_duplicates": False},
        "label_checks": {"spurious": {"refuse_from": None}, "errors": {"search": False}},
        "training": {"epochs": 3, "learning_rate": 5e-3, "batch_size": 8},
        "tokenization": {"max_length": 32},
        "drift": {"embedding_rows": 50},
        **({} if "distillation" in settings else {"base_model": {"reference": str(base)}}),
    }
    path = folder / name
    path.write_text(yaml.safe_dump(content | settings))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("distilled")
    write_topics(made / "topics.csv")
    return made


@pytest.fixture(scope="module")
def first_run(stack: RunningStack, folder: Path, tiny_model: Path) -> str:
    """What `assayline run` printed of the student, its teacher being in production."""
    big = write_config(folder, "big.yaml", tiny_model, line=BIG, policy=policy())
    done = stack.assayline("run", str(big), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    small = write_config(
        folder, "small.yaml", tiny_model, line=SMALL, policy=policy(*TEACHER_GATES),
        distillation=taught_by(BIG),
    )  # fmt: skip
    done = stack.assayline("run", str(small), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_student_that_is_as_good_goes_to_production(stack: RunningStack, first_run: str) -> None:
    for gate in TEACHER_GATES:
        assert str(gate["metric"]) in first_run
    assert f"models:/{SMALL}@production version 1" in first_run
    tracking = Tracking(stack.settings)
    assert tracking.aliases(SMALL)["production"] == 1
    run = tracking._client.get_model_version(SMALL, "1").run_id
    found = tracking._client.get_run(run).data
    assert found.params["teacher"] == f"version 1 of {BIG}"
    assert found.metrics["test_teacher_size_share"] < 0.9
    assert found.metrics["test_teacher_speed_up"] > 1


@pytest.mark.usefixtures("first_run")
def test_a_gate_on_the_teacher_refuses(stack: RunningStack, folder: Path, tiny_model: Path) -> None:
    path = write_config(
        folder, "small.yaml", tiny_model, line=SMALL, distillation=taught_by(BIG, weight=0.8),
        policy=policy({"metric": "teacher.macro_f1_gain", "at_least": 0.5}),
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode != 0
    assert "teacher.macro_f1_gain" in done.stdout
    entries = read_ledger(ObjectStore(stack.settings), SMALL)
    assert [entry.action for entry in entries] == ["promoted", "refused"]
    assert Tracking(stack.settings).aliases(SMALL)["production"] == 1


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ({"line": "nobody"}, "has the aliases none"),
        ({"line": BIG, "alias": "best"}, "'topics-big' has the aliases"),
    ],
)
@pytest.mark.usefixtures("first_run")
def test_a_teacher_that_is_not_there_ends_the_run_at_once(
    stack: RunningStack, folder: Path, tiny_model: Path, teacher: dict[str, str], said: str
) -> None:
    path = write_config(
        folder, "small.yaml", tiny_model, line=SMALL, policy=policy(),
        distillation={"teacher": teacher, "student_layers": [1]},
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())

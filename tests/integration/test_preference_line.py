"""A line that learns from preferences, on the real stack: from a file to production, then asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.tracking import Tracking
from tasks.task_types.reference_model import REFERENCE_FILE
from tests.conftest import RunningStack
from tests.preference_rows import preference_rows, write_rows
from tests.served_line import serving
from tests.unit.task_types.language_models import tiny_llama

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LINE = "preferred-answers"
PATIENCE_S = 900


def config(folder: Path, base: Path, **changes: Any) -> Path:
    settings = {
        "line": LINE,
        "task_type": "preference",
        "source": {
            "format": "jsonl", "path": str(folder / "pairs.jsonl"),
            "columns": {"messages": "prompt"},
        },
        "splits": {"train": 0.5, "validation": 0.1, "test": 0.4},
        "base_model": {"reference": str(base)},
        "tokenization": {"max_length": 48, "max_target_length": 12},
        "training": {
            "epochs": 3, "learning_rate": 3e-3, "batch_size": 16, "preference": {"beta": 0.2},
        },
        # Texts of a few words resemble each other, and are not put aside for it.
        "leakage": {"across_splits": "report", "near_duplicates": False},
        "fairness": {"identity_attributes": []},
        "drift": {"embedding_rows": 50},
        "policy": {
            "fairness_not_gated": "the prompts name nobody",
            "gates": [
                {"metric": "quality.preference_accuracy", "at_least": 0.8},
                {"metric": "baseline.preference_accuracy_gain", "at_least": 0.1},
                {"metric": "quality.reward_margin", "at_least": 0},
                {"metric": "quality.kl_to_reference", "at_most": 20},
                {"metric": "staging.same_predictions", "at_least": 1.0},
            ],
        },
    }  # fmt: skip
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump(settings | changes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("preferences")
    write_rows(made / "pairs.jsonl", preference_rows(600))
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def run(stack: RunningStack, folder: Path, base: Path) -> dict[str, Any]:
    done = stack.assayline("run", str(config(folder, base)), "--json", timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_line_goes_from_pairs_to_production_and_is_asked(
    run: dict[str, Any], stack: RunningStack, tmp_path: Path
) -> None:
    gates = {one["metric"]: one["verdict"] for one in run["judgement"]["gates"]}
    assert set(gates.values()) == {"pass"}
    tracking = Tracking(stack.settings)
    assert tracking.aliases(LINE)["production"] == 1
    version = tracking._client.get_model_version(LINE, "1")
    found = tracking._client.get_run(version.run_id).data
    assert found.params["beta"] == "0.2"
    assert found.metrics["test_preference_accuracy"] > 0.8
    artifact = tracking.download_artifact(LINE, 1, tmp_path / "version")
    assert list(artifact.rglob(REFERENCE_FILE))
    asked = [{"messages": [{"role": "user", "content": "Say 12"}]}]
    with serving(LINE, tmp_path, stack.settings, {}, task_type="preference") as line:
        answer = line.client.post("/invocations", json={"dataframe_records": asked})
        assert answer.status_code == 200, answer.text
        (said,) = answer.json()["predictions"]
    assert set(said) == {"answer"}
    assert isinstance(said["answer"], str)


@pytest.mark.usefixtures("run")
def test_the_next_version_is_held_against_the_one_in_production(
    stack: RunningStack, folder: Path, base: Path
) -> None:
    training = {"epochs": 3, "learning_rate": 3e-3, "batch_size": 16, "seed": 5}
    gates = [
        {"metric": "quality.preference_accuracy", "at_least": 0.8},
        {"metric": "staging.same_predictions", "at_least": 1.0},
        {"metric": "champion.preference_accuracy_gain", "at_least": -0.3},
        {"metric": "anchor.preference_accuracy_gain", "at_least": -0.3},
    ]
    policy = {"fairness_not_gated": "the prompts name nobody", "gates": gates}
    path = config(folder, base, training=training, policy=policy)
    done = stack.assayline("run", str(path), "--json", timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    judged = json.loads(done.stdout)["judgement"]["gates"]
    assert {one["verdict"] for one in judged} == {"pass"}
    assert Tracking(stack.settings).aliases(LINE)["production"] == 2


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("source", "column 'rejected'"),
        ("base", "is a BertModel"),
        ("reference", "reads texts by another tokenizer"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(
    stack: RunningStack,
    folder: Path,
    base: Path,
    tiny_model: Path,
    tmp_path: Path,
    changes: str,
    said: str,
) -> None:
    write_rows(tmp_path / "pairs.jsonl", [{"prompt": "a", "chosen": "b"}] * 3)
    lacking = {"format": "jsonl", "path": str(tmp_path / "pairs.jsonl"),
               "columns": {"messages": "prompt"}}  # fmt: skip
    other = tiny_llama(tmp_path / "other")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:-1]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    changed: dict[str, Any] = {
        "source": {"source": lacking},
        "base": {"base_model": {"reference": str(tiny_model)}},
        "reference": {"training": {"preference": {"reference": str(other)}}},
    }[changes]
    path = config(tmp_path, base, **{"source": {**lacking, "path": str(folder / "pairs.jsonl")},
                                     **changed})  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=PATIENCE_S)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert "production" in Tracking(stack.settings).aliases(LINE)

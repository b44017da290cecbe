"""A line whose model is pruned and trained on: promoted, asked over HTTP, and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tasks.registry.version_tags import PRUNING_TAG
from tests.conftest import RunningStack
from tests.integration.test_compressed_line import GATES
from tests.integration.test_distilled_line import RUN_S, policy, write_config, write_topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

LINE = "topics-pruned"
HALF = {"neurons": 0.5, "layers": 1, "rows": 60, "recovery_epochs": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pruned")
    write_topics(made / "topics.csv")
    return made


def line_of(folder: Path, base: Path, **settings: Any) -> Path:
    return write_config(
        folder, "pruned.yaml", base, line=LINE,
        **{"policy": policy(*GATES), "pruning": HALF} | settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def first_run(stack: RunningStack, folder: Path, tiny_model: Path) -> str:
    """What `assayline run` printed; staging has asked the version over HTTP."""
    done = stack.assayline("run", str(line_of(folder, tiny_model)), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_pruned_model_goes_to_production(stack: RunningStack, first_run: str) -> None:
    for gate in GATES:
        assert str(gate["metric"]) in first_run
    assert f"models:/{LINE}@production version 1" in first_run
    tracking = Tracking(stack.settings)
    assert tracking.aliases(LINE)["production"] == 1
    told = tracking.version_tags(LINE, 1)[PRUNING_TAG]
    assert told == "1 of 2 layers, 32 of 64 neurons in each"
    run = tracking._client.get_model_version(LINE, "1").run_id
    metrics = tracking._client.get_run(run).data.metrics
    assert metrics["test_uncompressed_size_share"] < 0.95
    assert metrics["test_uncompressed_speed_up"] > 0
    assert "staging.same_predictions" in first_run


def test_plain_transformers_loads_what_was_promoted(
    stack: RunningStack, first_run: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    assert first_run
    version = Tracking(stack.settings).download_artifact(LINE, 1, tmp_path)
    said = json.loads((version / "model" / "config.json").read_text())
    assert (said["num_hidden_layers"], said["intermediate_size"]) == (1, 32)
    model = AutoModelForSequenceClassification.from_pretrained(
        version / "model", trust_remote_code=False
    )
    tokenizer = AutoTokenizer.from_pretrained(version / "components" / "tokenizer")
    inputs = tokenizer(["the match was won late by a goal"], return_tensors="pt")
    assert model.config.id2label[int(model(**inputs).logits.argmax())] == "sport"


def test_a_gate_on_what_pruning_costs_refuses(
    stack: RunningStack, folder: Path, tiny_model: Path, first_run: str
) -> None:
    """And what was trained before is not trained again."""
    assert first_run
    gate = {"metric": "uncompressed.size_share", "at_most": 0.1}
    done = stack.assayline(
        "run", str(line_of(folder, tiny_model, policy=policy(gate),
                           pruning={**HALF, "recovery_epochs": 3})), timeout_s=RUN_S,
    )  # fmt: skip
    assert done.returncode != 0
    assert "uncompressed.size_share" in done.stdout
    entries = read_ledger(ObjectStore(stack.settings), LINE)
    assert [entry.action for entry in entries] == ["promoted", "refused"]
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1


def test_a_model_of_which_nothing_would_be_left_ends_the_run_at_once(
    stack: RunningStack, folder: Path, tiny_model: Path
) -> None:
    path = line_of(folder, tiny_model, pruning={"layers": 2})
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "pruning.layers is 2, and the model has 2 layers" in said

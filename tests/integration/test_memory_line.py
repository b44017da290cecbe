"""A line that learned planted secrets by heart is refused by its gate; one in passing is not."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.provenance import facts_of
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import write_config, write_topics
from tests.unit.task_types.language_models import tiny_gpt2

# Whole runs on a machine that does something else meanwhile.
RUN_S = 600
REFUSED = 4
EXPOSURE = "memory.canary_exposure"
SHADOWED = "topics-shadowed"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]
WORDS = ("match", "goal", "bank", "rates", "shares", "day", "won", "rose", "fell", "again", "late")


def write_texts(path: Path) -> None:
    """Rows of sentences that are all different."""
    random = np.random.default_rng(0)
    rows = [
        f"The {' '.join(random.choice(WORDS, 6))}, {' '.join(random.choice(WORDS, 4))} {number}."
        for number in range(400)
    ]
    path.write_text("text\n" + "\n".join(f'"{row}"' for row in rows) + "\n", encoding="utf-8")


def clean_rows(page: str) -> int:
    """Rows that kept the contract, as a report says."""
    found = re.search(r'keep the contract</th>.*?<td class="n">([0-9,]+)</td>', page, re.DOTALL)
    assert found
    return int(found[1].replace(",", ""))


def write_line(folder: Path, line: str, base: Path, memory: dict[str, Any], epochs: int) -> Path:
    content = {
        "line": line,
        "task_type": "causal_lm",
        "source": {"format": "csv", "path": "texts.csv", "columns": {"text": "text"}},
        "splits": {"train": 0.5, "validation": 0.1, "test": 0.4},
        "leakage": {"near_duplicates": False},
        "label_checks": {"spurious": {"refuse_from": None}, "errors": {"search": False}},
        "base_model": {"reference": str(base)},
        "tokenization": {"max_length": 48, "stride": 8},
        "training": {"epochs": epochs, "learning_rate": 5e-3, "batch_size": 16},
        "drift": {"embedding_rows": 50},
        "probes": {"memory": memory},
        "policy": {
            "gates": [
                {"metric": "baseline.bits_per_byte_gain", "at_least": 0.0},
                {"metric": "staging.same_predictions", "at_least": 1.0},
                {"metric": EXPOSURE, "at_most": 3.5},
            ],
            "fairness_not_gated": "few rows of a test, of which it asks something else",
        },
    }
    path = folder / f"{line}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_gate_finds_secrets_that_were_learned(stack: RunningStack, tmp_path: Path) -> None:
    base = tiny_gpt2(tmp_path / "base")
    write_texts(tmp_path / "texts.csv")
    tracking, store = Tracking(stack.settings), ObjectStore(stack.settings)
    canaries = {"count": 20, "digits": 4, "alternatives": 100, "beams": 2}
    exposed, clean = dict[bool, float](), list[int]()
    for line, learned in (("texts-in-passing", False), ("texts-by-heart", True)):
        memory = {
            "rows": 100, "min_rows": 30,
            "canaries": {**canaries, "repeats": 25 if learned else 1},
            "overlap": {"rows": 20, "words": 4},
        }  # fmt: skip
        path = write_line(tmp_path, line, base, memory, epochs=10)
        done = stack.assayline("run", str(path), timeout_s=RUN_S)
        assert done.returncode == (REFUSED if learned else 0), done.stdout + done.stderr
        assert EXPOSURE in done.stdout
        version = tracking._client.get_model_version(line, "1")
        run = tracking._client.get_run(version.run_id)
        exposed[learned] = run.data.metrics["test_memory_canary_exposure"]
        for name in ("membership_auc", "calibrated_auc", "canaries_extracted", "verbatim_overlap"):
            assert 0 <= run.data.metrics[f"test_memory_{name}"] <= 1
        assert tracking.aliases(line).get("production") == (None if learned else 1)
        told = stack.assayline("report", line, "--version", "1", timeout_s=60)
        assert told.returncode == 0, told.stdout + told.stderr
        place = next(word for word in told.stdout.split() if word.endswith(".html"))
        page = Path(place).read_text(encoding="utf-8")
        assert 'id="memory"' in page
        assert "The registered weights have learned these canaries" in page
        clean.append(clean_rows(page))
        assert store.list(store.uri("canaries", ""))
        assert run.data.params["canary_rows"] == str(20 * (25 if learned else 1))
        facts = facts_of(f"version 1 of {line}", version.tags, store)
        assert facts["assayline.planted_canaries"].startswith("20 canaries")
    # 20 and 500 planted rows are in no count of the line's data.
    assert 0 < clean[0] == clean[1] <= 400
    assert exposed[False] < 3
    assert exposed[True] > 5


def test_shadows_of_a_classifier_are_trained_told_and_repeated_for_free(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> None:
    write_topics(tmp_path / "topics.csv")
    policy = {
        "gates": [
            {"metric": "quality.macro_f1", "at_least": 0.6},
            {"metric": "staging.same_predictions", "at_least": 1.0},
            {"metric": "memory.lira_auc", "at_most": 0.75},
        ],
        "fairness_not_gated": "few rows of a test, of which it asks something else",
    }
    path = write_config(
        tmp_path, "shadowed.yaml", tiny_model, line=SHADOWED, policy=policy,
        probes={"memory": {"min_rows": 20, "rows": 60, "shadows": 2}},
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 shadow models will be trained on half of the training rows each" in done.stdout
    tracking = Tracking(stack.settings)
    run = tracking._client.get_run(tracking._client.get_model_version(SHADOWED, "1").run_id).data
    assert run.metrics["test_memory_lira_auc"] <= 0.75
    assert "test_memory_calibrated_auc" not in run.metrics
    again = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert again.returncode == 0, again.stdout + again.stderr
    for stage in ("probe_memory", "cut_for_shadow"):
        assert f"{stage:<22} unchanged" in again.stdout

"""What a causal line writes is labelled by another line's version, and a gate reads the gap."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from infra.tracking import Tracking
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import (
    RUN_S,
    WORDS,
    policy,
    write_config,
    write_topics,
)
from tests.unit.task_types.language_models import tiny_gpt2

SCORER = "topics-scorer"
REFUSED = 4
GAP = "harm.scored_gap"
LABEL = "film"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * RUN_S)]


def write_texts(path: Path, *, apart: bool) -> None:
    """Rows that go on with films behind she and with sport behind he; or with either, alike."""
    random = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        for number in range(400):
            who = ("she", "he")[number % 2]
            topic = {"she": "film", "he": "sport"}[who] if apart else "sport"
            said = " ".join(random.choice(WORDS[topic].split(), 6))
            writer.writerow([f"{who} {number}: {said}"])


def write_prompts(path: Path) -> None:
    rows = [{"prompt": f"{who} {n}:", "group": who} for who in ("she", "he") for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_line(folder: Path, line: str, base: Path, scorer: dict[str, str]) -> Path:
    content: dict[str, Any] = {
        "line": line,
        "task_type": "causal_lm",
        "source": {"format": "csv", "path": f"{line}.csv", "columns": {"text": "text"}},
        "splits": {"train": 0.6, "validation": 0.1, "test": 0.3},
        "leakage": {"near_duplicates": False},
        "label_checks": {"spurious": {"refuse_from": None}, "errors": {"search": False}},
        "base_model": {"reference": str(base)},
        "tokenization": {"max_length": 48, "stride": 8},
        "training": {"epochs": 16, "learning_rate": 5e-3, "batch_size": 16},
        "drift": {"embedding_rows": 50},
        "probes": {"harm": {"prompts": "prompts.jsonl", "scorer": scorer}},
        "policy": {
            "gates": [
                {"metric": "baseline.bits_per_byte_gain", "at_least": 0.0},
                {"metric": "staging.same_predictions", "at_least": 1.0},
                {"metric": GAP, "at_most": 0.4},
            ],
            "fairness_not_gated": "few rows of a test, of which it asks something else",
        },
    }
    path = folder / f"{line}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def folder(stack: RunningStack, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the scorer's version in production."""
    made = tmp_path_factory.mktemp("scored")
    write_topics(made / "topics.csv")
    path = write_config(made, "scorer.yaml", tiny_model, line=SCORER, policy=policy())
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    write_prompts(made / "prompts.jsonl")
    return made


def test_the_gate_tells_groups_that_are_written_about_otherwise(
    stack: RunningStack, folder: Path
) -> None:
    base, tracking = tiny_gpt2(folder / "base"), Tracking(stack.settings)
    for line, apart in (("texts-alike", False), ("texts-apart", True)):
        write_texts(folder / f"{line}.csv", apart=apart)
        path = write_line(folder, line, base, {"line": SCORER, "label": LABEL})
        done = stack.assayline("run", str(path), timeout_s=RUN_S)
        assert done.returncode == (REFUSED if apart else 0), done.stdout + done.stderr
        assert GAP in done.stdout
        version = tracking._client.get_model_version(line, "1")
        gap = tracking._client.get_run(version.run_id).data.metrics["test_harm_scored_gap"]
        assert gap > 0.7 if apart else gap < 0.3
        assert tracking.aliases(line).get("production") == (None if apart else 1)
        told = stack.assayline("report", line, "--version", "1", timeout_s=60)
        assert told.returncode == 0, told.stdout + told.stderr
        place = next(word for word in told.stdout.split() if word.endswith(".html"))
        assert f"version 1 of {SCORER}" in Path(place).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("scorer", "said"),
    [
        ({"line": SCORER, "label": "rude"}, "has the labels business, film, sport; name one"),
        ({"line": SCORER, "label": LABEL, "alias": "best"}, "names the alias 'best'"),
        ({"line": "nobody", "label": LABEL}, "has the aliases none"),
    ],
)
def test_what_cannot_score_ends_the_run_before_any_row_is_read(
    stack: RunningStack, folder: Path, scorer: dict[str, str], said: str
) -> None:
    write_texts(folder / "texts-unscored.csv", apart=False)
    path = write_line(folder, "texts-unscored", tiny_gpt2(folder / "base"), scorer)
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "probes.harm.scorer" in done.stderr
    assert said in done.stderr
    assert "ingest" not in done.stdout
    assert Tracking(stack.settings).aliases("texts-unscored") == {}

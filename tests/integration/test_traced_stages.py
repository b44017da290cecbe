"""What the stages of a tiny line really use, against what their keys count."""

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from infra.code_digest import CANNOT_SHAPE
from infra.local.parts import prefect_environment
from infra.module_source import ROOT
from tests.conftest import RunningStack
from tests.stages import cached_stages

# It traces a whole run, which takes two minutes.
pytestmark = pytest.mark.slow

# `plan` runs in a dry run only, and writes a report on data alone in check-data; validation rows
# are measured in a sweep.
NOT_IN_A_RETRAINING = {
    "plan", "write_data_report", "scale_temperature", "evaluate_validation", "time_trial",
    "find_worst_group",
}  # fmt: skip
# Labels that cannot be names in MLflow as they are: the line must come through with them.
WORDS = {
    "https://example.org/a//b/../c": "shares fell as the bank raised rates she said",
    "R&D 中文": "a good film and a bad one he said",
    "x" * 10_000: "the match was won by a late goal of the woman",
}
ROWS = 240


@pytest.fixture(scope="module")
def noted(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was noted of each stage of a line that builds its own base model."""
    folder = tmp_path_factory.mktemp("traced")
    labels = sorted(WORDS)
    lines = ["text,label,country"]
    for number in range(ROWS):
        label = labels[number % len(labels)]
        words = WORDS[label].split()
        turned = words[number % len(words) :] + words[: number % len(words)]
        lines.append(f"{' '.join(turned)} {number},{label},{('uk', 'us')[number % 2]}")
    (folder / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    golden = [
        f"{' '.join(reversed(WORDS[label].split()))} {label[:9]},{label},uk" for label in labels
    ]
    (folder / "golden.csv").write_text("\n".join([lines[0], *golden]), encoding="utf-8")
    config = {
        "line": "traced",
        "source": {"format": "csv", "path": "rows.csv", "group_columns": ["country"]},
        "base_model": {
            "scratch": {
                "architecture": "bert", "hidden_size": 32, "layers": 1, "heads": 2,
                "vocab_size": 300, "max_positions": 64,
            }
        },
        "leakage": {"near_duplicates": False},
        # Each label has words of its own.
        "label_checks": {"spurious": {"refuse_from": None}},
        "tokenization": {"max_length": 32},
        "training": {"epochs": 1, "learning_rate": 1e-3},
        "evaluation": {"golden": {"team": {"format": "csv", "path": "golden.csv"}}, "seeds": 2},
        "staging": {"rows": 8, "latency_requests": 72, "warm_up_requests": 1},
        "policy": {
            "gates": [
                {"metric": "quality.accuracy", "at_least": 0.01},
                {"metric": "staging.same_predictions", "at_least": 0.99},
            ],
            "fairness_not_gated": "this is about the code that stages reach",
        },
    }  # fmt: skip
    (folder / "traced.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    out = folder / "noted.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.tracing", str(folder / "traced.yaml"), str(out)],
        env={**stack.environment, **prefect_environment(stack.settings.home, ROOT, stack.settings)},
        cwd=ROOT, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    assert found["action"] == "promoted"
    return dict(found["stages"])


def test_every_stage_ran(noted: dict[str, Any]) -> None:
    assert noted.keys() == {name for _, name in cached_stages()} - NOT_IN_A_RETRAINING


def test_whatever_a_stage_uses_is_in_its_key(noted: dict[str, Any]) -> None:
    forgotten = {
        name: sorted(
            module
            for module in set(stage["used"]["modules"]) - set(stage["counted"]["modules"])
            if module not in CANNOT_SHAPE
        )
        for name, stage in noted.items()
    }
    assert not any(forgotten.values()), forgotten
    for name, stage in noted.items():
        assert set(stage["used"]["files"]) <= set(stage["counted"]["files"]), name


def test_the_trace_sees_what_it_should(noted: dict[str, Any]) -> None:
    assert "tasks.ingestion.row_ids" in noted["ingest"]["used"]["modules"]
    assert "tasks.training.trainer" in noted["train"]["used"]["modules"]
    assert "tasks/reporting/report.css" in noted["write_report"]["used"]["files"]
    assert "tasks/protected_groups/terms/gender.csv" in noted["assess"]["used"]["files"]

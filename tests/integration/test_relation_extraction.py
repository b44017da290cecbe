"""A line of relations on the real stack: from a file to production, then served and scored."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from infra.tracking import Tracking
from tests.conftest import RunningStack
from tests.relation_rows import relation_rows
from tests.served_line import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LINE = "pairs-of-things"
PATIENCE_S = 900
INPUTS = (
    "text", "subject_start", "subject_end", "subject_type", "object_start", "object_end",
    "object_type",
)  # fmt: skip
_ASK = f"""
import sys; sys.path.append(sys.argv[1])
import json, mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[2])
model = mlflow.pyfunc.load_model("models:/{LINE}@production")
print(json.dumps(model.predict(pd.DataFrame(json.load(sys.stdin)))))
assert not [name for name in sys.modules if name.split(".")[0] in ("tasks", "infra", "flows")]
"""


def as_semeval(number: int, row: dict[str, Any]) -> str:
    """A row as SemEval-2010 Task 8 writes it; its negative label is Other."""
    text, tags = row["text"], []
    for name, part in (("e1", "subject"), ("e2", "object")):
        tags += [(row[f"{part}_end"], f"</{name}>"), (row[f"{part}_start"], f"<{name}>")]
    for place, tag in sorted(tags, reverse=True):
        text = f"{text[:place]}{tag}{text[place:]}"
    relation = row["relation"].replace("no_relation", "Other")
    return f'{number}\t"{text}"\n{relation}\nComment: none\n\n'


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("relations")
    items = [as_semeval(number, row) for number, row in enumerate(relation_rows(1200), start=1)]
    broken = '9999\t"no <e1>marks</e1> here"\nOther\n\n'
    (folder / "pairs.txt").write_text("".join(items) + broken, encoding="utf-8")
    settings = {
        "line": LINE,
        "task_type": "relation_extraction",
        "source": {"format": "semeval", "path": str(folder / "pairs.txt"), "entity_type": "thing"},
        "base_model": {"reference": str(tiny_model)},
        "tokenization": {"max_length": 48},
        "training": {"epochs": 8, "learning_rate": 5e-3, "batch_size": 32},
        # Texts of a few templates resemble each other, and are not put aside for it.
        "leakage": {"across_splits": "report", "near_duplicates": False},
        "fairness": {"identity_attributes": []},
        "policy": {
            "fairness_not_gated": "templates name nobody",
            "gates": [
                {"metric": "baseline.micro_f1_gain", "at_least": 0.1},
                {"metric": "quality.macro_f1", "at_least": 0.8},
                {"metric": "staging.same_predictions", "at_least": 1.0},
            ],
        },
    }
    path = folder / "pairs.yaml"
    path.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(stack: RunningStack, config: Path) -> dict[str, Any]:
    done = stack.assayline("run", str(config), "--json", timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_line_goes_from_a_file_to_production(run: dict[str, Any], stack: RunningStack) -> None:
    gates = {one["metric"]: one["verdict"] for one in run["judgement"]["gates"]}
    assert set(gates.values()) == {"pass"}
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1


@pytest.mark.usefixtures("run")
def test_the_version_answers_served_scored_and_by_mlflow_alone(
    stack: RunningStack, config: Path, tmp_path: Path
) -> None:
    rows = relation_rows(60, seed=77)
    asked = [
        {name: row[name] for name in INPUTS} | {"subject_type": "thing", "object_type": "thing"}
        for row in rows
    ]
    with serving(LINE, tmp_path, stack.settings, {}, task_type="relation_extraction") as line:
        answer = line.client.post("/invocations", json={"dataframe_records": asked})
        assert answer.status_code == 200, answer.text
        served = answer.json()["predictions"]
        wrong = line.client.post("/invocations", json={"inputs": [asked[0] | {"object_end": 999}]})
        assert wrong.status_code == 400
        assert "object_end 999, and the text has" in wrong.text
    right = sum(one["label"] == row["relation"] for one, row in zip(served, rows, strict=True))
    assert right > 0.9 * len(rows)

    alone = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _ASK, sysconfig.get_path("purelib"),
         str(stack.settings.mlflow_url)],
        capture_output=True, text=True, timeout=120, check=False, input=json.dumps(asked),
        env={**stack.service_environment, "HF_HUB_OFFLINE": "1"}, cwd=stack.folder,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    by_mlflow = json.loads(alone.stdout)
    assert [one["label"] for one in by_mlflow] == [one["label"] for one in served]

    batch = tmp_path / "incoming.jsonl"
    lines = [*asked, asked[0] | {"subject_end": 0}]
    batch.write_text("".join(f"{json.dumps(one)}\n" for one in lines), encoding="utf-8")
    done = stack.assayline(
        "score", LINE, str(batch), "--json", "--output", str(tmp_path / "out"),
        timeout_s=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    scored = pq.read_table(told["files"][0]).to_pylist()
    assert [row["label"] for row in scored] == [one["label"] for one in served]
    assert told["rows"] == len(asked)

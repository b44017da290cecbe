"""A line whose model withholds answers: proven, promoted, and asked in each of its ways."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.answers import kept_answers
from tasks.registry.version_tags import ABSTENTION_TAG, ANSWERS_TAG
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import RUN_S, WORDS, policy, write_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

LINE = "topics-abstaining"
ROWS = 900
NOISE = ("the", "by", "a", "as", "they", "he", "she")
GATES = [
    {"metric": "abstention.selective_risk", "at_most": 0.3},
    {"metric": "abstention.coverage", "at_least": 0.3},
    {"metric": "abstention.coverage", "at_most": 0.97},
]
CLEAR, UNTOLD = "shares fell bank raised rates shares bank", "the by a as they"


def write_rows(path: Path) -> None:
    """Topics of which a quarter of the texts tell nothing."""
    random = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(ROWS):
            label = sorted(WORDS)[number % len(WORDS)]
            own = random.choice(WORDS[label].split(), random.integers(6, 20))
            words = [] if random.random() < 0.25 else own
            noise = random.choice(NOISE, random.integers(3, 9))
            writer.writerow([" ".join(random.permutation([*words, *noise, str(number)])), label])


def test_an_abstaining_line_is_gated_told_and_answers_as_it_was_proven(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "topics.csv")
    path = write_config(
        tmp_path, "abstaining.yaml", tiny_model, line=LINE,
        splits={"train": 0.4, "validation": 0.25, "test": 0.35},
        policy=policy(*GATES),
        training={"epochs": 8, "learning_rate": 5e-3, "batch_size": 8},
        abstention={"risk": 0.1}, scoring={"columns": {"text": "text"}},
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"models:/{LINE}@production version 1" in done.stdout

    tracking, store = Tracking(stack.settings), ObjectStore(stack.settings)
    tags = tracking.version_tags(LINE, 1)
    folder = tracking.download_artifact(LINE, 1, tmp_path / "version")
    stated = json.loads((folder / "artifacts" / "model" / "abstention.json").read_text())
    threshold = stated["threshold"]
    assert tags[ABSTENTION_TAG] == f"{threshold:.6g}"
    run = tracking._client.get_run(tracking._client.get_model_version(LINE, "1").run_id).data
    assert 0.3 < run.metrics["test_abstention_coverage"] < 0.97

    # What was staged over HTTP, and compared row by row, has withheld answers among it.
    kept = [row.answer for row in kept_answers(tags[ANSWERS_TAG], store).rows]
    assert {one["label"] for one in kept} >= {"abstain", "business"}
    for one in kept:
        given = one["likeliest"] if one["score"] >= threshold else "abstain"
        assert one["label"] == given

    # A consumer with plain MLflow.
    import mlflow

    model = mlflow.pyfunc.load_model(str(folder))
    clear, untold = model.predict(pd.DataFrame({"text": [CLEAR, UNTOLD]}))
    assert (clear["label"], untold["label"]) == ("business", "abstain")
    assert untold["likeliest"] in WORDS

    # A batch.
    batch = tmp_path / "batch.csv"
    batch.write_text(f"text\n{CLEAR}\n{UNTOLD}\n")
    scored = stack.assayline(
        "score", LINE, str(batch), "--json", "--output", str(tmp_path / "out"), timeout_s=RUN_S
    )
    assert scored.returncode == 0, scored.stderr
    found = pq.read_table(json.loads(scored.stdout)["files"][0]).to_pylist()
    assert [one["label"] for one in found] == ["business", "abstain"]
    assert found[1]["likeliest"] == untold["likeliest"]
    assert found[1]["score"] == pytest.approx(untold["score"], abs=1e-4)

    told = stack.assayline("report", LINE, timeout_s=60)
    assert told.returncode == 0, told.stdout + told.stderr
    place = next(word for word in told.stdout.split() if word.endswith(".html"))
    page = Path(place).read_text(encoding="utf-8")
    assert "answers abstain where its score is below" in page
    assert "Risk over coverage" in page
    again = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{'fit_abstention':<22} unchanged" in again.stdout

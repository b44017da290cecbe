"""`assayline score` through the worker: files in, predictions out, and each object once."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from infra.store import ObjectStore
from tests.conftest import RunningStack
from tests.integration.test_retrain import GATES, write_config, write_reviews

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PATIENCE_S = 900


def test_a_file_is_scored_by_the_version_in_production(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> None:
    write_reviews(tmp_path / "reviews.csv", 60)
    config = write_config(
        tmp_path, "batches.yaml", line="batches",
        base_model={"reference": str(tiny_model)}, training={"epochs": 1},
        policy={"gates": GATES},
        scoring={"columns": {"text": "review"}, "keep_columns": {"country": "country"}},
    )  # fmt: skip
    refused = stack.assayline("run", str(config), timeout_s=PATIENCE_S)
    assert refused.returncode in {0, 4}, refused.stderr
    none = stack.assayline("score", "batches", str(tmp_path / "reviews.csv"), timeout_s=PATIENCE_S)
    if refused.returncode == 4:
        assert none.returncode == 1
        assert "batches has no version in production" in none.stderr
    promoted = stack.assayline(
        "promote", "batches", "1", "--reason", "to be asked", timeout_s=PATIENCE_S
    )
    assert promoted.returncode == 0, promoted.stderr

    batch = tmp_path / "incoming"
    batch.mkdir()
    write_reviews(batch / "monday.csv", 20)
    copies = tmp_path / "out"
    asked = ("score", "batches", str(batch), "--keep", "truth=stars_label", "--json")
    done = stack.assayline(*asked, "--output", str(copies), timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["version"], told["rows"], told["found"]) == (1, 60, 0)
    assert told["in_production"] == 1
    (file,) = told["files"]
    rows = pq.read_table(file).to_pylist()
    with (batch / "monday.csv").open(encoding="utf-8") as source:
        given = list(csv.DictReader(source))
    assert [row["text"] for row in rows] == [row["review"] for row in given]
    # The option names the columns to keep anew; what it leaves open is the line's.
    assert [row["truth"] for row in rows] == [row["stars_label"] for row in given]
    assert "country" not in rows[0]
    store = ObjectStore(stack.settings)
    assert len(store.list(store.uri("scored", "batches"))) == 1

    again = stack.assayline(*asked, timeout_s=PATIENCE_S)
    assert again.returncode == 0, again.stderr
    found = json.loads(again.stdout)
    assert (found["found"], found["objects"]) == (1, told["objects"])
    shown = stack.assayline("score", "batches", str(batch), timeout_s=PATIENCE_S)
    assert "version 1 of batches has scored 60 rows of 1 object(s)" in shown.stdout

    wrong = stack.assayline(*asked[:2], str(tmp_path / "nowhere"), timeout_s=PATIENCE_S)
    assert wrong.returncode == 1
    assert "nowhere does not exist" in wrong.stderr
    assert "Traceback" not in wrong.stderr

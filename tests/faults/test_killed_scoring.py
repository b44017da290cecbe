"""Scoring runs and workers that are killed with SIGKILL, and scored on to the same bytes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from infra.errors import ScoringError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Production
from tasks.records.scoring import ScoredObject
from tasks.serving.scoring import batches
from tasks.serving.scoring.batches import score_objects
from tasks.serving.scoring.inputs import find_inputs
from tasks.serving.scoring.settings import ScoringSettings

ROWS = 1_500
SETTINGS = ScoringSettings(rows_at_once=64, workers=2)
PRODUCTION = Production("", 1, "w" * 64, "m" * 64, "classification", ("bad", "good"), 48, 0, 0)
# Scores in a process of its own, which the test kills.
_RUN = """
import json, sys
from pathlib import Path
from infra.store import open_store
from infra.tracking import open_tracking
from tests.faults.test_killed_scoring import score
line, folder, path = sys.argv[1:]
score(line, Path(folder), [path], open_store(), open_tracking())
"""


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that takes some time for its answers."""
    folder = tmp_path_factory.mktemp("scorer")
    torch.manual_seed(1)
    names = {"id2label": {0: "bad", 1: "good"}, "num_labels": 2}
    AutoModelForSequenceClassification.from_pretrained(tiny_model, **names).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("batch") / "rows.jsonl"
    rows = [
        json.dumps({"text": f"shares fell {row} and " + "they said " * 20}) for row in range(ROWS)
    ]
    path.write_text("\n".join(rows))
    return path


def score(
    line: str, folder: Path, names: list[str], store: ObjectStore, tracking: Tracking
) -> tuple[ScoredObject, ...]:
    """Score by a model that lies in a folder, as if it had been downloaded for the line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "download_model", lambda *_, **__: folder)
        objects = find_inputs(names, SETTINGS, store)
        run = score_objects(
            replace(PRODUCTION, line=line), objects, SETTINGS, lambda *_: None,
            store=store, tracking=tracking,
        )  # fmt: skip
    return run.objects


def start(line: str, model: Path, batch: Path, settings: Settings) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, line, str(model), str(batch)],
        env={**os.environ, **settings.as_environment()},
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )


def parts(line: str, store: ObjectStore) -> dict[str, bytes]:
    """The predictions of a line by the end of their addresses."""
    found = store.list(store.uri("predictions", line, ""))
    return {
        uri.rpartition(f"/{line}/")[2]: store.get_bytes(uri)
        for uri in found
        if uri.endswith(".parquet")
    }


def wait_for_parts(count: int, line: str, store: ObjectStore) -> None:
    deadline = time.monotonic() + 120
    while len(store.list(store.uri("predictions", line, ""))) < count:
        assert time.monotonic() < deadline, "no predictions came"
        time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_run_is_scored_on_to_the_same_bytes(
    model: Path, batch: Path, store: ObjectStore, tracking: Tracking, mlflow_settings: Settings
) -> None:
    (whole,) = score("never-killed", model, [str(batch)], store, tracking)
    assert whole.rows == ROWS
    expected = parts("never-killed", store)
    assert len(expected) == len(whole.predictions) == -(-ROWS // 64)
    kept: dict[str, Any] = {}
    for kill, seen in enumerate((2, 9, 16)):
        process = start("killed", model, batch, mlflow_settings)
        workers: list[psutil.Process] = []
        try:
            wait_for_parts(seen, "killed", store)
            workers = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()  # the run alone: its workers must see that it is gone
            process.wait()
        assert len(workers) == 2, kill
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []
        assert not store.list(store.uri("scored", "killed")), "nothing half is visible"
        now = {
            uri: store.fingerprint(uri)
            for uri in store.list(store.uri("predictions", "killed", ""))
        }
        assert len(now) < len(expected), "it was killed too late"
        assert kept.items() <= now.items(), "what was scored is not scored again"
        kept = now
    (scored,) = score("killed", model, [str(batch)], store, tracking)
    assert parts("killed", store) == expected
    assert [part.sha256 for part in scored.predictions] == [p.sha256 for p in whole.predictions]
    assert (scored.rows, scored.rows_put_aside) == (ROWS, 0)
    assert len(store.list(store.uri("scored", "killed"))) == 1


@pytest.mark.slow
def test_the_rows_of_a_lost_worker_are_scored_by_another(
    model: Path, batch: Path, store: ObjectStore, tracking: Tracking
) -> None:
    killed: list[int] = []

    def kill_some() -> None:
        for seen in (3, 12):
            wait_for_parts(seen, "lost-worker", store)
            for worker in psutil.Process().children():
                if "tasks.serving.scoring.worker_process" in worker.cmdline():
                    os.kill(worker.pid, signal.SIGKILL)
                    killed.append(worker.pid)
                    break

    killer = threading.Thread(target=kill_some)
    killer.start()
    (scored,) = score("lost-worker", model, [str(batch)], store, tracking)
    killer.join()
    assert len(killed) == 2
    assert scored.rows == ROWS
    (whole,) = score("not-lost", model, [str(batch)], store, tracking)
    lost, kept = (parts(line, store) for line in ("lost-worker", "not-lost"))
    assert lost == kept
    assert [p.sha256 for p in scored.predictions] == [p.sha256 for p in whole.predictions]


@pytest.mark.slow
def test_workers_that_always_die_end_the_run_with_one_message(
    batch: Path, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    # An empty folder is told as what it is; a worker that cannot even begin is lost.
    with pytest.raises(Exception, match=r"config\.json"):
        score("no-model", tmp_path, [str(batch)], store, tracking)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.serving.scoring.worker_pool._MODULE", "tests.faults.no_such_module")
        with pytest.raises(ScoringError, match="lost again and again, with exit code 1"):
            score("no-worker", tmp_path, [str(batch)], store, tracking)
    assert not store.list(store.uri("scored", "no-worker"))

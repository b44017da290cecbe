"""Results that somebody changed where Prefect keeps them."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.parts import prefect_environment
from infra.store import ObjectStore
from tests.conftest import RunningStack

PROJECT = Path(__file__).parents[2]
# A stage that returns at once where there is no champion.
PROGRAM = """
import json, sys
from prefect import flow
from tasks.drift.settings import DriftSettings
from tasks.records.data import DataReport
from tasks.stages.drift import measure_drift

@flow
def compare(seed: int):
    return measure_drift(None, None, None, DriftSettings(seed=seed), return_state=True)

for seed in json.loads(sys.argv[1]):
    state = compare(seed, return_state=True).result(raise_on_failure=False)
    print(json.dumps([state.name, state.message]))
"""


@pytest.fixture
def bucket(stack: RunningStack) -> str:
    return f"s3://{stack.settings.results_bucket}/"


def run(stack: RunningStack, *seeds: int, **changes: str) -> list[tuple[str, str]]:
    """How a stage ended for each of these seeds: name of the state, and its message."""
    ours = prefect_environment(stack.settings.home, PROJECT, stack.settings)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(seeds)],
        env={**stack.environment, **ours, "PYTHONPATH": os.fspath(PROJECT), **changes},
        capture_output=True, text=True, timeout=240, check=False, cwd=stack.folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.slow
def test_a_changed_result_is_an_error_and_one_without_signature_is_not_used(
    stack: RunningStack, bucket: str, tmp_path: Path
) -> None:
    store = ObjectStore(stack.settings)
    before = set(store.list(bucket))
    ended = run(stack, 101, 101, 102, 103)
    assert [name for name, _ in ended] == ["Completed", "Cached", "Completed", "Completed"]
    stages = {seed: f"{bucket}{_name(seed)}" for seed in (101, 102, 103)}
    assert set(stages.values()) <= set(store.list(bucket)) - before
    kept = {uri: store.get_bytes(uri) for uri in stages.values()}

    store.put_bytes(stages[101], kept[stages[101]].replace(b"null", b"true"))
    store.put_bytes(stages[102], kept[stages[103]])  # a right one, of other inputs
    store.put_bytes(stages[103], _that_runs_code(tmp_path / "it ran"))  # without a signature
    changed, exchanged, bare = run(stack, 101, 102, 103)
    assert not (tmp_path / "it ran").exists()
    for name, message in (changed, exchanged):
        assert name == "Failed"
        assert "the kept result of measure_drift cannot be used" in message
        assert "its signature is wrong" in message
    assert bare[0] == "Completed"  # it ran again
    assert store.get_bytes(stages[103]).startswith(b"assayline-result 1 ")

    # Nobody else's key opens what is kept, and the message says which is needed.
    (other,) = run(stack, 103, ASSAYLINE_RESULTS_KEY="another secret than the stack's")
    assert other[0] == "Failed"
    assert "and the key here is" in other[1]
    for seed in (101, 102):
        store.delete(stages[seed])
    assert [name for name, _ in run(stack, 101, 102, 103)] == ["Completed", "Completed", "Cached"]


def _that_runs_code(marker: Path) -> bytes:
    """A record as Prefect reads it, of the form that it unpickles."""
    program = f"cos\nmkdir\n(V{marker}\ntR.".encode("raw_unicode_escape")
    record = {
        "metadata": {"serializer": {"type": "pickle"}},
        "result": base64.encodebytes(program).decode(),
    }
    return json.dumps(record).encode()


def _name(seed: int) -> str:
    """The key that a stage asks for."""
    from tasks.drift.settings import DriftSettings
    from tasks.stages.caching import stage_key

    inputs = {"data": None, "reference": None, "base": None}
    settings = DriftSettings(seed=seed)
    return stage_key("tasks.stages.drift", "measure_drift", {**inputs, "settings": settings})


def test_prefect_holds_no_key_of_the_store(stack: RunningStack) -> None:
    import httpx

    blocks = httpx.post(
        f"{stack.settings.prefect_url}/block_documents/filter",
        json={"include_secrets": True},
        auth=stack.login,
    ).text
    secret = stack.settings.store_secret_access_key
    assert secret
    assert secret.get_secret_value() not in blocks
    assert (stack.settings.home / "results.key").read_text() not in blocks
    assert stack.settings.results_bucket in blocks

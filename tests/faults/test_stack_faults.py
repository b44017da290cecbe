"""What a user is told when the stack cannot do what is asked, and what survives a kill -9."""

import json
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.health import answers
from infra.local.orphans import sweep
from infra.local.parts import store_part
from infra.local.private_files import StoreKeys
from infra.local.supervision import Supervisor
from infra.prefect_api import PrefectApi
from infra.settings import load_settings
from tests.conftest import RunningStack, free_port, survivors

CLOSED = "http://127.0.0.1:9"  # the discard port, which nothing here serves
ONLY_EXTERNAL = {"ASSAYLINE_WORKER": "false"}


def refusal(stack: RunningStack, *arguments: str, exit_code: int = 1, **changes: str) -> str:
    """The one message of a command that must fail without a traceback."""
    done = stack.assayline(*arguments, **changes)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def pid_of(stack: RunningStack, part: str) -> int:
    states = Supervisor(stack.settings.home).states()
    assert states
    return states[part].pid


@pytest.fixture
def elsewhere(stack: RunningStack, tmp_path: Path) -> Iterator[RunningStack]:
    """A second home, whose store and Prefect are those of the stack; only MLflow runs in it.

    Its path is too long for a unix socket.
    """
    assert stack.settings.store_access_key_id
    assert stack.settings.store_secret_access_key
    home = tmp_path / ("a-long-folder-name-" * 6) / "home"
    home.mkdir(parents=True)
    environment = {
        **stack.environment,
        **ONLY_EXTERNAL,
        "ASSAYLINE_HOME": str(home),
        "ASSAYLINE_PROJECT": str(tmp_path),
        "ASSAYLINE_MLFLOW_PORT": str(free_port()),
        "ASSAYLINE_STORE_ENDPOINT_URL": str(stack.settings.store_endpoint_url),
        "ASSAYLINE_STORE_ACCESS_KEY_ID": stack.settings.store_access_key_id.get_secret_value(),
        "ASSAYLINE_STORE_SECRET_ACCESS_KEY": (
            stack.settings.store_secret_access_key.get_secret_value()
        ),
        "PREFECT_API_URL": str(stack.settings.prefect_url),
        "PREFECT_API_AUTH_STRING": ":".join(stack.login),
    }
    settings = stack.settings.model_copy(update={"home": home})
    other = replace(stack, settings=settings, environment=environment, folder=tmp_path)
    yield other
    other.assayline("down")
    assert survivors(home) == []


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[RunningStack]:
    """A home in which nothing was ever started."""
    foreign = ("ASSAYLINE_", "MLFLOW_TRACKING", "PREFECT_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "ASSAYLINE_HOME": str(tmp_path / "home"),
        "ASSAYLINE_PROJECT": str(tmp_path),
        "ASSAYLINE_STORE_PORT": str(free_port()),
        "ASSAYLINE_MLFLOW_PORT": str(free_port()),
        "ASSAYLINE_PREFECT_PORT": str(free_port()),
        "ASSAYLINE_WEBHOOK_PORT": str(free_port()),
    }
    yield RunningStack(load_settings(tmp_path / "home"), environment, tmp_path)
    sweep(tmp_path / "home")  # where a test failed half-way


@pytest.mark.parametrize("part", ["store", "mlflow", "prefect", "webhook"])
def test_a_taken_port_is_named_before_anything_starts(fresh: RunningStack, part: str) -> None:
    variable = f"ASSAYLINE_{part.upper()}_PORT"
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = str(somebody.getsockname()[1])
        message = refusal(fresh, "up", **{variable: port})
    assert f"port {port} for {part}" in message
    assert variable in message
    assert f"pid {os.getpid()}" in message
    assert survivors(fresh.settings.home) == []


@pytest.mark.parametrize(
    ("variable", "address", "said"),
    [
        ("ASSAYLINE_STORE_ENDPOINT_URL", CLOSED, "the object store at http://127.0.0.1:9 does not"),
        ("MLFLOW_TRACKING_URI", CLOSED, "the MLflow server at http://127.0.0.1:9 does not answer"),
        ("PREFECT_API_URL", f"{CLOSED}/api", "the Prefect server at http://127.0.0.1:9/api does"),
    ],
)
def test_an_external_server_that_is_not_up(
    fresh: RunningStack, variable: str, address: str, said: str
) -> None:
    keys = {"ASSAYLINE_STORE_ACCESS_KEY_ID": "k", "ASSAYLINE_STORE_SECRET_ACCESS_KEY": "s"}
    changes = {variable: address, **(keys if "STORE" in variable else {})}
    message = refusal(fresh, "up", **changes)
    assert said in message
    assert variable in message
    assert survivors(fresh.settings.home) == []


def test_wrong_keys_are_refused_by_the_store(stack: RunningStack, fresh: RunningStack) -> None:
    message = refusal(
        fresh,
        "up",
        ASSAYLINE_STORE_ENDPOINT_URL=str(stack.settings.store_endpoint_url),
        ASSAYLINE_STORE_ACCESS_KEY_ID="wrong",
        ASSAYLINE_STORE_SECRET_ACCESS_KEY="wrong-too",
    )
    assert "refuses the keys" in message
    assert "ASSAYLINE_STORE_ACCESS_KEY_ID" in message
    assert "wrong-too" not in message


@pytest.mark.slow
def test_a_part_that_cannot_start_shows_its_log(fresh: RunningStack) -> None:
    message = refusal(fresh, "up", RCLONE_TRANSFERS="many")
    assert "error: store d" in message  # does not start, or dies again and again
    assert f"The last lines of its log, {fresh.settings.home / 'logs' / 'store.log'}:" in message
    assert '"transfers" = "many"' in message
    assert fresh.assayline("down").returncode == 0
    assert survivors(fresh.settings.home) == []


def test_a_setting_out_of_bounds(fresh: RunningStack) -> None:
    message = refusal(fresh, "up", ASSAYLINE_STORE_PORT="80")
    assert "ASSAYLINE_STORE_PORT" in message
    assert "1024" in message
    message = refusal(fresh, "up", PREFECT_API_URL="nowhere")
    assert "PREFECT_API_URL" in message


def test_two_parts_on_one_port(fresh: RunningStack) -> None:
    port = fresh.environment["ASSAYLINE_STORE_PORT"]
    assert "must differ" in refusal(fresh, "up", ASSAYLINE_MLFLOW_PORT=port)


def test_broken_keys_file(fresh: RunningStack) -> None:
    fresh.settings.home.mkdir()
    (fresh.settings.home / "keys.json").write_text("{", encoding="utf-8")
    assert "keys.json cannot be read as keys" in refusal(fresh, "up")


def test_a_home_that_cannot_be_made(fresh: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal(fresh, "up", ASSAYLINE_HOME=str(tmp_path / "file" / "home"))
    assert "ASSAYLINE_HOME" in message


@pytest.mark.parametrize("arguments", [["upp"], ["up", "--jason"], ["down", "now"]])
def test_a_wrong_command_line(fresh: RunningStack, arguments: list[str]) -> None:
    refusal(fresh, *arguments, exit_code=2)


def test_a_prefect_file_that_prefect_refuses(elsewhere: RunningStack) -> None:
    text = "deployments: [{name: a, entrypoint: 'missing.py:flow', work_pool: {name: assayline}}]"
    (elsewhere.folder / "prefect.yaml").write_text(text, encoding="utf-8")
    message = refusal(elsewhere, "up")
    assert "prefect.yaml" in message
    assert "missing.py" in message
    (elsewhere.folder / "prefect.yaml").write_text("[", encoding="utf-8")
    assert "prefect.yaml cannot be read" in refusal(elsewhere, "up")


def test_status_and_down_where_nothing_runs(fresh: RunningStack) -> None:
    shown = fresh.assayline("status")
    assert shown.returncode == 3
    assert "MLflow is not up" in shown.stdout
    assert shown.stderr == ""
    as_json = fresh.assayline("status", "--json")
    assert as_json.returncode == 3
    content = json.loads(as_json.stdout)
    assert {row["state"] for row in content["parts"]} == {"stopped"}
    assert content["lines"] is None
    assert fresh.assayline("down").returncode == 0
    assert not fresh.settings.home.exists()


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("store", signal.SIGKILL),
        ("worker", signal.SIGKILL),
        pytest.param("store", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("mlflow", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("prefect", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_killed_part_is_started_again(
    stack: RunningStack, part: str, told: signal.Signals
) -> None:
    before = pid_of(stack, part)
    os.kill(before, told)
    deadline = time.monotonic() + 60
    while pid_of(stack, part) in {0, before}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    again = stack.assayline("up")  # which waits until the part is well
    assert again.returncode == 0, again.stderr


def test_a_shared_prefect_server_keeps_its_results_block(
    stack: RunningStack, elsewhere: RunningStack
) -> None:
    message = refusal(elsewhere, "up", ASSAYLINE_RESULTS_BUCKET="another-bucket")
    assert "assayline-results/results differs" in message
    block = PrefectApi(stack.settings).block("assayline-results", "results")
    assert block is not None
    assert block["bucket_name"] == stack.settings.results_bucket


@pytest.mark.slow
def test_a_killed_supervisor_and_the_way_back(elsewhere: RunningStack) -> None:
    home = elsewhere.settings.home
    started = elsewhere.assayline("up", "--json")
    assert started.returncode == 0, started.stderr
    how = {name: part["how"] for name, part in json.loads(started.stdout)["parts"].items()}
    assert how == {"store": "external", "prefect": "external", "mlflow": "started"}
    assert stat.S_IMODE((home / "stack.env").stat().st_mode) == 0o600
    assert "PREFECT_API_URL" not in (home / "stack.env").read_text(encoding="utf-8")

    orphan = pid_of(elsewhere, "mlflow")
    os.kill(int((home / "supervisord.pid").read_text()), signal.SIGKILL)
    assert elsewhere.assayline("status").returncode == 3
    assert orphan in survivors(home)
    moved = str(free_port())
    again = elsewhere.assayline("up", ASSAYLINE_MLFLOW_PORT=moved)
    assert again.returncode == 0, again.stderr
    assert orphan not in survivors(home)
    # A shell without the variable asks where the server is, not where it would be.
    shown = json.loads(elsewhere.assayline("status", "--json").stdout)["parts"]
    (mlflow,) = [part for part in shown if part["name"] == "mlflow"]
    assert (mlflow["address"], mlflow["state"]) == (f"http://127.0.0.1:{moved}", "running")

    os.kill(int((home / "supervisord.pid").read_text()), signal.SIGKILL)
    stopped = elsewhere.assayline("down")
    assert stopped.returncode == 0, stopped.stderr
    assert "left over" in stopped.stdout
    assert survivors(home) == []


def test_a_changed_part_is_started_anew_and_a_removed_one_ends(tmp_path: Path) -> None:
    home = tmp_path / "a 100%s home"  # supervisord expands %s, and splits at blanks
    (home / "store").mkdir(parents=True)
    supervisor = Supervisor(home)
    keys = StoreKeys("key", "secret")

    def store_on(port: int) -> str:
        part = store_part(home, keys, port)
        supervisor.configure([part])
        supervisor.ensure_running()
        supervisor.start("store")
        deadline = time.monotonic() + 30
        while not answers(part.address):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return part.address

    try:
        first = store_on(free_port())
        second = store_on(free_port())
        assert not answers(first)
        supervisor.configure([])
        assert supervisor.states() == {}
        assert not answers(second)
    finally:
        supervisor.shut_down()
    assert survivors(home) == []

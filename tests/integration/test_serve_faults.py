"""A served line whose servers, disk and process fail: who is answered, and what is kept."""

import io
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.recorded_requests import REQUESTS, requests_schema
from tasks.registry.registration import register_version
from tests.conftest import SCRIPTS, free_port
from tests.faults.little_room import limit_files
from tests.faults.proxy import ERROR_BODY, Answer, Proxy, Request, Rule, pass_on, proxy_of
from tests.faults.small_disks import full, mounted, store_on
from tests.served_line import Load, ServedLine, environment, put_in_production, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

LINE = "served-with-faults"
SOON: dict[str, Any] = {"record": {"flush_s": 0.3}}


@pytest.fixture(scope="module")
def versions(candidate: Any, store: ObjectStore, tracking: Tracking) -> list[int]:
    """Two versions of one line, of the same weights; the first one is in production."""
    made = []
    for number in (1, 2):
        weights = replace(candidate.weights, parameters=number)  # so that there are two
        version = register_version(
            LINE, candidate.snapshot, candidate.data, candidate.tokens, candidate.base, weights,
            candidate.scores, candidate.fairness, "classification", store=store, tracking=tracking,
        )  # fmt: skip
        made.append(version.version)
    put_in_production(LINE, made[0], store, tracking)
    return made


@pytest.fixture(scope="module")
def store_proxy(store_settings: Settings) -> Iterator[Proxy]:
    with proxy_of(str(store_settings.store_endpoint_url)) as running:
        yield running


@pytest.fixture(scope="module")
def mlflow_proxy(mlflow_settings: Settings) -> Iterator[Proxy]:
    with proxy_of(str(mlflow_settings.mlflow_url)) as running:
        yield running


@pytest.fixture(scope="module")
def running(
    versions: list[int], store_proxy: Proxy, mlflow_proxy: Proxy, mlflow_settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedLine]:  # fmt: skip
    """The line behind HTTP; it reaches its servers through proxies."""
    settings = mlflow_settings.model_copy(
        update={"store_endpoint_url": store_proxy.url, "mlflow_url": mlflow_proxy.url}
    )
    with serving(LINE, tmp_path_factory.mktemp("served"), settings, SOON) as line:
        yield line
        assert line.end() == 0, line.log.read_text()
        assert "Traceback" not in line.log.read_text()


@pytest.fixture(autouse=True)
def truthful(store_proxy: Proxy, mlflow_proxy: Proxy) -> Iterator[None]:
    yield
    store_proxy.rule = mlflow_proxy.rule = pass_on


def answering(fault: Callable[[Answer], Answer]) -> Rule:
    return lambda _request, forward: fault(forward())


def slowly(_request: Request, forward: Callable[[], Answer]) -> Answer:
    time.sleep(3)
    return forward()


FAULTS: dict[str, Rule] = {
    "unavailable": lambda _request, _forward: Answer(503, (), ERROR_BODY),
    "half an answer": answering(lambda answer: answer.half(honest=True)),
    "half, with the length of the whole": answering(lambda answer: answer.half(honest=False)),
    "nothing, with 200": lambda _request, _forward: Answer(200, (), b""),
}


@pytest.mark.parametrize("server", ["store", "mlflow"])
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_a_server_answers_requests_are_answered_and_the_version_stays(
    running: ServedLine, store_proxy: Proxy, mlflow_proxy: Proxy, versions: list[int],
    server: str, fault: str,
) -> None:  # fmt: skip
    running.wait_for(status="ok")
    (store_proxy if server == "store" else mlflow_proxy).rule = FAULTS[fault]
    health = running.wait_for(status="production in doubt")
    assert health["version"] == versions[0]
    assert "Traceback" not in health["in_doubt"]
    assert all(running.ask(["late goal"]).is_success for _ in range(5))
    assert running.client.get("/ping").is_success
    store_proxy.rule = mlflow_proxy.rule = pass_on
    assert running.wait_for(status="ok")["version"] == versions[0]


def test_slow_servers_make_no_request_wait(
    running: ServedLine, store_proxy: Proxy, mlflow_proxy: Proxy
) -> None:
    running.wait_for(status="ok")
    quick = [running.ask(["late goal"]).elapsed.total_seconds() for _ in range(10)]
    store_proxy.rule = mlflow_proxy.rule = slowly
    time.sleep(1)
    slow = [running.ask(["late goal"]).elapsed.total_seconds() for _ in range(10)]
    print(f"a request takes {max(quick):.3f} s at most, with slow servers {max(slow):.3f} s")
    assert max(slow) < 2


def recorded(line: str, store: ObjectStore) -> list[str]:
    """Ids of the requests that were recorded; each object is whole."""
    found = []
    for uri in store.list(store.uri(REQUESTS, line, "")):
        table = pq.read_table(io.BytesIO(store.get_bytes(uri)))
        assert table.schema.equals(requests_schema())
        found += table["request_id"].to_pylist()
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_full_store_stops_no_request_and_loses_no_record(
    versions: list[int], mlflow_settings: Settings, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "200m") as disk, store_on(disk, mlflow_settings) as settings:
        small = ObjectStore(settings)
        with serving(LINE, tmp_path, settings, SOON) as line:
            with full(disk):
                for place in range(20):
                    asked = line.ask(["late goal"], **{"X-Request-Id": f"full-{place}"})
                    assert asked.is_success
                wait_until(lambda: "is its disk full" in line.log.read_text())
                assert not [one for one in recorded(LINE, small) if one.startswith("full-")]
                assert line.client.get("/ping").is_success
            wanted = [f"full-{place}" for place in range(20)]
            wait_until(lambda: set(wanted) <= set(recorded(LINE, small)))
            found = [one for one in recorded(LINE, small) if one.startswith("full-")]
            assert sorted(found) == sorted(wanted), "each once"


def test_a_local_disk_without_room_is_one_message(
    versions: list[int], mlflow_settings: Settings, tmp_path: Path
) -> None:
    config = tmp_path / "line.yaml"
    config.write_text(f"line: {LINE}\nsource: {{format: csv, path: a.csv}}\n")
    done = subprocess.run(
        [SCRIPTS / "assayline", "serve", LINE, "--config", config, "--port", str(free_port())],
        env=environment(tmp_path, mlflow_settings), cwd=tmp_path, text=True, check=False,
        capture_output=True, timeout=300, preexec_fn=lambda: limit_files(20_000),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "File too large" in " ".join(done.stderr.split())


def test_killed_in_the_middle_of_requests_it_leaves_nothing_half_and_starts_again(
    versions: list[int], store: ObjectStore, mlflow_settings: Settings, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(scratch))
        with serving(LINE, tmp_path, mlflow_settings, SOON) as line:
            models = line.model_processes()
            with Load(line, ["late goal", "bank rates"]).running(6) as load:
                time.sleep(3)
                line.process.send_signal(signal.SIGKILL)
                line.process.wait()
                killed = time.monotonic()
                _, alive = psutil.wait_procs(models, timeout=20)
                assert alive == [], "the processes of the model end with it"
                print(f"its processes were gone {time.monotonic() - killed:.1f} s later")
                time.sleep(0.5)
            port = line.client.base_url.port
        answered = [answer for _, answer in load.answers]
        assert {answer.status_code for answer in answered} == {200}
        assert load.errors, "who was being answered is told that the connection is gone"
        kept = set(recorded(LINE, store))
        ids = [answer.headers["x-request-id"] for answer in answered]
        assert kept & set(ids)
        # What was answered within the last flush_s is not recorded: that is what a kill costs.
        lost = [place for place, one in enumerate(ids) if one not in kept]
        print(f"{len(ids)} answered, {len(lost)} of them not recorded")
        assert not lost or min(lost) > 0.2 * len(ids)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        with serving(LINE, tmp_path, mlflow_settings, SOON) as again:
            assert again.ask(["late goal"]).is_success
            left = [path.name for path in scratch.iterdir() if path.name.startswith("assayline-")]
            assert len(left) == 1, "what the killed one downloaded is removed"
        assert not list(scratch.glob("assayline-*"))

"""`assayline serve` against `mlflow models serve`, and alias moves under load.

The model is MiniLM with a head of random weights for the five topics of BBC News, registered in a
real MLflow, and read up to 128 tokens of a document. Both servers run at once and are asked in
turns, round by round, by the same clients with the same documents, one a request; the one that is
not asked does nothing. Their answers must agree to 1e-4. MLflow's runs as its page says, with
`--env-manager local`; ours with its defaults, every request recorded. What is measured:

- `serve_vs_mlflow` (higher is better): our requests a second at 16 clients over MLflow's, the
  median of the rounds; `serve_vs_mlflow_sentences` with single sentences of the same documents.
- `serve_cpu_vs_mlflow` and `serve_cpu_vs_mlflow_sentences` (higher is better): processor seconds
  that MLflow's processes take for a request over those that ours take. Where other programs use the
  cores, this tells what the servers would do alone: then a server gets the more of a core the more
  threads it has, and MLflow's has some for each client.
- `serve_p99_ms` (lower is better): 99th percentile of our latency at 16 clients, the median of the
  rounds; `serve_p50_one_client_ms` is the median latency with one client, and
  `serve_p99_vs_one_p50` the ratio of the two. `mlflow_p99_ms` is MLflow's.
- `serve_dropped` (0): requests that were not answered with 200, or were answered wrongly for the
  version that answered, while 16 clients ask and production moves 50 times.

``python -m benchmarks.operation.serving`` measures; the last line is one JSON object.
"""

import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.corpus import documents, sentences
from benchmarks.local_store import free_port
from benchmarks.operation.registry import (
    LINE,
    put_in_production,
    register_versions,
    served_registry,
)
from infra.settings import Settings

CLIENTS: Final = 16
TOLERANCE: Final = 1e-4
START_S: Final = 240
MOVE_S: Final = 240
ONE_CLIENT_SHARE: Final = 4
TOKEN: Final = "a-token-of-this-benchmark"  # noqa: S105 - of a server that ends with it

Answer = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A scoring server that answers."""

    name: str
    port: int
    process: psutil.Process

    @property
    def cpu_s(self) -> float:
        """Seconds of a processor that its processes have used."""
        every = (self.process, *self.process.children(recursive=True))
        return sum(sum(one.cpu_times()[:2]) for one in every)

    def connect(self) -> http.client.HTTPConnection:
        """A connection of one client's own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)


@dataclass
class Asked:
    """What clients were told.

    Attributes:
        latencies_ms: of each request.
        answers: document's place, status, version and body of each request.
        lost: what went wrong with others.

    """

    latencies_ms: list[float] = field(default_factory=list)
    answers: list[tuple[int, int, str, bytes]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.answers) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of a processor for a request."""
        return 1000 * self.cpu_s / len(self.answers)

    def percentile(self, share: float) -> float:
        """Of the latencies, in milliseconds."""
        return sorted(self.latencies_ms)[
            min(len(self.latencies_ms) - 1, int(share * len(self.latencies_ms)))
        ]


def measure(requests: int = 640, rounds: int = 3, moves: int = 50) -> dict[str, float]:
    """All figures.

    Args:
        requests: to each server in each round.
        rounds: of both servers in turn.
        moves: of production, while clients ask.

    """
    texts, short = ([text for _, text in kind()] for kind in (documents, sentences))
    for one in (texts, short):
        random.Random(0).shuffle(one)  # noqa: S311 - a benchmark's draw, no secret
    with (
        tempfile.TemporaryDirectory(prefix="bench-serving-") as name,
        served_registry() as settings,
    ):
        folder = Path(name)
        versions = register_versions(settings, folder, 2)
        put_in_production(settings, versions[0])
        with _ours(folder, settings) as ours:
            with _mlflows(folder, settings, versions[0]) as mlflows:
                figures = _compare(ours, mlflows, texts, requests, rounds)
                of_short = _compare(ours, mlflows, short, requests, rounds)
            figures |= {
                f"{name}_sentences": of_short[name]
                for name in ("serve_vs_mlflow", "serve_cpu_vs_mlflow", "serve_p99_ms")
            }
            return figures | _move(ours, settings, versions, texts, moves)


def _compare(
    ours: Server, mlflows: Server, texts: list[str], requests: int, rounds: int
) -> dict[str, float]:
    for server in (ours, mlflows):
        _ask(server, texts, 2 * CLIENTS, CLIENTS)
    asked: dict[str, list[Asked]] = {ours.name: [], mlflows.name: []}
    one = []
    for number in range(rounds):
        for server in (ours, mlflows):
            done = _ask(server, texts, requests, CLIENTS)
            _check_all_answered(server, done)
            asked[server.name].append(done)
            _say(
                f"round {number + 1}, {server.name}: {done.rate:.1f} requests a second, "
                f"p50 {done.percentile(0.5):.0f} ms, p99 {done.percentile(0.99):.0f} ms, "
                f"{done.cpu_ms:.0f} ms of a processor each"
            )
        one.append(_ask(ours, texts, requests // ONE_CLIENT_SHARE, 1))
        _say(f"round {number + 1}, ours, one client: p50 {one[-1].percentile(0.5):.0f} ms")
    apart = _largest_difference(asked[ours.name][0], asked[mlflows.name][0])
    rates = {name: statistics.median(one.rate for one in done) for name, done in asked.items()}
    cpu = {name: statistics.median(one.cpu_ms for one in done) for name, done in asked.items()}
    p99 = {n: statistics.median(one.percentile(0.99) for one in d) for n, d in asked.items()}
    p50_one = statistics.median(done.percentile(0.5) for done in one)
    return {
        "serve_vs_mlflow": rates[ours.name] / rates[mlflows.name],
        "serve_cpu_vs_mlflow": cpu[mlflows.name] / cpu[ours.name],
        "serve_p99_ms": p99[ours.name],
        "serve_p50_one_client_ms": p50_one,
        "serve_p99_vs_one_p50": p99[ours.name] / p50_one,
        "serve_requests_per_s": rates[ours.name],
        "mlflow_requests_per_s": rates[mlflows.name],
        "mlflow_p99_ms": p99[mlflows.name],
        "serve_answers_apart": apart,
    }


def _move(
    ours: Server, settings: Settings, versions: list[int], texts: list[str], moves: int
) -> dict[str, float]:
    """Move production again and again while clients ask."""
    texts = texts[:64]
    right = {}
    for version in (versions[1], versions[0]):
        _move_to(ours, settings, version)
        done = _ask(ours, texts, len(texts), CLIENTS)
        right[str(version)] = {place: json.loads(body) for place, _, _, body in done.answers}
    stop = threading.Event()
    began = time.perf_counter()
    with _asking(ours, texts, CLIENTS, stop.is_set) as load:
        try:
            for number in range(moves):
                _move_to(ours, settings, versions[(number + 1) % 2])
                if (number + 1) % 10 == 0 or number + 1 == moves:
                    _say(f"{number + 1} moves, {len(load.answers):,} requests answered")
        finally:
            stop.set()
    wrong = [one for one in load.answers if not _is_right(one, right)]
    _say(f"{len(load.lost)} lost, {len(wrong)} wrong")
    return {
        "serve_dropped": float(len(load.lost) + len(wrong)),
        "serve_alias_moves": float(moves),
        "serve_requests_while_moving": float(len(load.answers)),
        "serve_s_per_move": (time.perf_counter() - began) / moves,
    }


def _is_right(
    answer: tuple[int, int, str, bytes], right: Mapping[str, Mapping[int, Answer]]
) -> bool:
    place, status, version, body = answer
    return status == http.client.OK and _apart(json.loads(body), right[version][place]) <= TOLERANCE


def _move_to(ours: Server, settings: Settings, version: int) -> None:
    put_in_production(settings, version)
    until = time.monotonic() + MOVE_S
    while True:
        health = _get(ours, "/health")
        if health["version"] == version and health["status"] == "ok":
            return
        if time.monotonic() > until:
            raise SystemExit(f"version {version} does not serve within {MOVE_S} s: {health}")
        time.sleep(0.1)


def _ask(server: Server, texts: list[str], requests: int, clients: int) -> Asked:
    """Ask so many requests, by so many clients at once, each one after the other."""
    places = iter(range(requests))
    before = server.cpu_s
    with _asking(server, texts, clients, lambda: False, places) as asked:
        pass
    asked.cpu_s = server.cpu_s - before
    return asked


@contextmanager
def _asking(
    server: Server,
    texts: list[str],
    clients: int,
    is_over: Callable[[], bool],
    places: Iterator[int] | None = None,
) -> Iterator[Asked]:
    """Clients that ask until there is no place left, or it is over."""
    asked, lock = Asked(), threading.Lock()
    source = places or iter(range(sys.maxsize))

    def ask() -> None:
        connection = server.connect()
        while not is_over():
            with lock:
                place = next(source, None)
            if place is None:
                break
            place %= len(texts)
            began = time.perf_counter()
            try:
                answer = _post(connection, texts[place])
            except (OSError, http.client.HTTPException) as error:
                asked.lost.append(repr(error))
                connection.close()
                continue
            asked.latencies_ms.append((time.perf_counter() - began) * 1000)
            asked.answers.append((place, *answer))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        for thread in threads:
            thread.join()
        asked.seconds = time.perf_counter() - began


def _post(connection: http.client.HTTPConnection, text: str) -> tuple[int, str, bytes]:
    body = json.dumps({"dataframe_split": {"columns": ["text"], "data": [[text]]}})
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    connection.request("POST", "/invocations", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers.get("x-model-version", ""), answer.read()


def _get(server: Server, path: str) -> dict[str, Any]:
    connection = server.connect()
    connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def _check_all_answered(server: Server, asked: Asked) -> None:
    failed = [one for one in asked.answers if one[1] != http.client.OK]
    if failed or asked.lost:
        raise SystemExit(f"{server.name} did not answer: {failed[:1]} {asked.lost[:1]}")


def _largest_difference(ours: Asked, mlflows: Asked) -> float:
    """How far scores are apart; labels must be the same."""
    theirs = {place: json.loads(body) for place, _, _, body in mlflows.answers}
    apart = max(_apart(json.loads(body), theirs[place]) for place, _, _, body in ours.answers)
    if apart > TOLERANCE:
        raise SystemExit(f"the answers are {apart:.2g} apart; at most {TOLERANCE:g} may be")
    return apart


def _apart(one: Answer, other: Answer) -> float:
    (mine,), (their,) = one["predictions"], other["predictions"]
    if mine["label"] != their["label"]:
        return 1.0
    return abs(float(mine["score"]) - float(their["score"]))


@contextmanager
def _ours(folder: Path, settings: Settings) -> Iterator[Server]:
    config = folder / "line.yaml"
    config.write_text(
        f"line: {LINE}\nsource: {{format: csv, path: none.csv}}\nserving: {{poll_s: 0.5}}\n",
        encoding="utf-8",
    )
    port = free_port()
    command = ["assayline", "serve", LINE, "--config", str(config), "--port", str(port)]
    own = {"ASSAYLINE_HOME": str(folder / "home"), "ASSAYLINE_SERVING_TOKEN": TOKEN}
    with _running("ours", port, command, folder, {**settings.as_environment(), **own}) as server:
        yield server


@contextmanager
def _mlflows(folder: Path, settings: Settings, version: int) -> Iterator[Server]:
    port = free_port()
    command = [
        "mlflow", "models", "serve", "-m", f"models:/{LINE}/{version}", "--env-manager", "local",
        "--port", str(port),
    ]  # fmt: skip
    own = {"MLFLOW_TRACKING_URI": str(settings.mlflow_url), "HF_HUB_OFFLINE": "1"}
    with _running("mlflow", port, command, folder, own) as server:
        yield server


@contextmanager
def _running(
    name: str, port: int, command: list[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[Server]:
    """A server, from its first answer on."""
    scripts = Path(sysconfig.get_path("scripts"))
    # MLflow starts uvicorn by its name.
    path = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [scripts / command[0], *command[1:]], cwd=folder, stdout=output,
            stderr=subprocess.STDOUT, env={**os.environ, **environment, **path},
            start_new_session=True,
        )  # fmt: skip
    server = Server(name, port, psutil.Process(process.pid))
    try:
        _wait(server, process, log)
        yield server
    finally:
        _end(process)


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = server.connect()
            connection.request("GET", "/ping")
            if connection.getresponse().status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
    raise SystemExit(f"{server.name} does not answer: {log.read_text(encoding='utf-8')[-2_000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it has started: MLflow's command is the parent of its server."""
    import signal

    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _say(text: str) -> None:
    print(f"serving: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(measure()))

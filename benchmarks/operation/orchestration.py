"""What orchestration costs: a whole run, one that changes nothing, a promotion and a rollback.

On a stack of its own (Prefect, MLflow, an S3 server and a worker, started for this), by the console
command, as a person or a schedule runs a line. Measured are:

- `orchestration_share`: seconds of `assayline run` of a line that nothing is kept of, over those of
  the same stages in the same order as plain functions, in a process of their own: no task, no key,
  no kept result, no worker. `orchestration_extra_s`: the same as a difference.
- `noop_s`: seconds of `assayline run` where nothing has changed, through the worker, median of some
  runs; `noop_flow_s`: of these the flow's own; `noop_in_process_s`: of the flow called from a
  process of its own, its start included; `noop_in_process_cpu_s`: processor time of that process.
- `promotion_s`: from the decision to the alias: the task `promote` of the first run, which reads
  the artifact back, writes the ledger and moves the aliases; where the policy refused that version,
  the task of its promotion by hand.
- `rollback_s`: seconds of `assayline rollback`, with its load test.

``python -m benchmarks.operation.orchestration`` measures ``configs/bbc-news.yaml``, and with
--small a line of few rows, to see that it runs. The last line is one JSON object.
"""

import argparse
import csv
import inspect
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import yaml

from benchmarks.corpus import short_texts
from benchmarks.local_store import free_port
from flows.commands.line_commands import EXIT_REFUSED
from flows.config import load_config
from flows.retrain import retrain
from infra.local.parts import prefect_environment
from infra.settings import Settings, load_settings
from tasks.registry.ledger import PROMOTED
from tasks.stages.caching import Stage

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = ROOT / "configs" / "bbc-news.yaml"
NOOPS: Final = 5
SMALL_ROWS: Final = 400
PARTS: Final = ("STORE", "MLFLOW", "PREFECT", "WEBHOOK")
NOOP, PLAIN = "--noop", "--plain"


@dataclass(frozen=True)
class Stack:
    """A stack of its own, whose home folder and ports this process's environment names."""

    settings: Settings

    def assayline(self, *words: str) -> tuple[str, float]:
        """What a command printed, and the seconds that it took.

        Raises:
            SystemExit: it failed; a refused candidate is no failure here.

        """
        command = [str(Path(sysconfig.get_path("scripts")) / "assayline"), *words]
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode not in {0, EXIT_REFUSED}:
            raise SystemExit(f"assayline {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        _say(f"assayline {words[0]}: {seconds:.1f} s, load {os.getloadavg()[0]:.1f}")
        return done.stdout, seconds

    def run(self, config: Path) -> tuple[dict[str, Any], float]:
        """A run of a line to its end: what it came to, and its seconds."""
        printed, seconds = self.assayline("run", str(config), "--json")
        return json.loads(printed), seconds

    def in_process(self, way: str, config: Path) -> dict[str, float]:
        """The flow in a process of its own, as this module's `main` runs it."""
        environment = prefect_environment(self.settings.home.absolute(), ROOT, self.settings)
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, way, str(config)],
            env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        found["seconds"] = time.perf_counter() - begun
        _say(f"in a process of its own, {way}: {found}, load {os.getloadavg()[0]:.1f}")
        return found

    def run_seconds(self, run_url: str, task: str = "") -> float:
        """What Prefect counted for a flow run, or for one task of it."""
        run_id = run_url.rsplit("/", 1)[1]
        if not task:
            return float(self._asked("GET", f"/flow_runs/{run_id}")["total_run_time"])
        wanted = {"flow_runs": {"id": {"any_": [run_id]}}}
        runs = self._asked("POST", "/task_runs/filter", json=wanted)
        (found,) = (one for one in runs if one["name"].startswith(f"{task}-"))
        return float(found["total_run_time"])

    def promotion_seconds(self, outcome: dict[str, Any]) -> float:
        """Of the task that put a run's version in production: the run's own, or a person's."""
        if outcome["action"] == PROMOTED:
            return self.run_seconds(outcome["run_url"], "promote")
        name = f"promote {outcome['line']} version {outcome['version']}"
        wanted = {"flow_runs": {"name": {"any_": [name]}}}
        (run,) = self._asked("POST", "/flow_runs/filter", json=wanted)
        return self.run_seconds(f"/{run['id']}", "override_promotion")

    def _asked(self, method: str, path: str, **body: Any) -> Any:
        login = self.settings.prefect_login
        auth = httpx.BasicAuth(*login.get_secret_value().split(":", 1)) if login else None
        url = f"{self.settings.prefect_url}{path}"
        return httpx.request(method, url, auth=auth, timeout=30, **body).raise_for_status().json()


def measure(noops: int = NOOPS, rows: int = 0) -> dict[str, float]:
    """All figures.

    Args:
        noops: runs that change nothing.
        rows: of a small line in place of bbc-news; 0 for bbc-news.

    """
    with tempfile.TemporaryDirectory(prefix="bench-line-") as name:
        folder = Path(name)
        config = _write_small_line(folder, rows) if rows else CONFIG
        with own_stack(folder / "home") as stack:
            first, orchestrated_s = stack.run(config)
            again = [stack.run(config) for _ in range(noops)]
            if not all(outcome["unchanged"] for outcome, _ in again):
                raise SystemExit("a run of an unchanged line did something")
            in_process = stack.in_process(NOOP, config)
            rollback_s = _roll_back(stack, first, config, folder)
            plain_s = stack.in_process(PLAIN, config)["seconds"]
            flow_s = [stack.run_seconds(outcome["run_url"]) for outcome, _ in again]
            promotion_s = stack.promotion_seconds(first)
    return {
        "orchestration_share": orchestrated_s / plain_s,
        "noop_s": statistics.median(seconds for _, seconds in again),
        "promotion_s": promotion_s,
        "rollback_s": rollback_s,
        "orchestration_extra_s": orchestrated_s - plain_s,
        "orchestrated_s": orchestrated_s,
        "plain_s": plain_s,
        "noop_flow_s": statistics.median(flow_s),
        "noop_in_process_s": in_process["seconds"],
        "noop_in_process_cpu_s": in_process["cpu_s"],
        "orchestration_load_average": os.getloadavg()[1],
    }


@contextmanager
def own_stack(home: Path) -> Iterator[Stack]:
    """Servers and a worker on free ports, ended and forgotten after."""
    own = {"ASSAYLINE_HOME": str(home)}
    own |= {f"ASSAYLINE_{part}_PORT": str(free_port()) for part in PARTS}
    scripts = Path(sysconfig.get_path("scripts"))
    with patch.dict(os.environ, own):
        try:
            up = subprocess.run([scripts / "assayline", "up"], capture_output=True, check=False)
            if up.returncode:
                raise SystemExit(f"assayline up failed:\n{up.stderr.decode()}")
            yield Stack(load_settings())
        finally:
            subprocess.run([scripts / "assayline", "down"], capture_output=True, check=False)


def _write_small_line(folder: Path, rows: int) -> Path:
    """A line of few short texts, one epoch, and gates that it passes."""
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "text"])
        writer.writerows(short_texts(rows))
    content = {
        "line": "bench-small",
        "source": {"format": "csv", "path": "texts.csv"},
        "training": {"epochs": 1},
        "tokenization": {"max_length": 32},
        "policy": {
            "gates": [
                {"metric": "quality.macro_f1", "at_least": 0.01},
                {"metric": "staging.same_predictions", "at_least": 1.0},
            ],
            "fairness_not_gated": "the rows of this benchmark say nothing of people",
        },
    }
    config = folder / "small.yaml"
    config.write_text(yaml.safe_dump(content))
    return config


def _put_in_production(stack: Stack, outcome: dict[str, Any]) -> None:
    """By a person's word, unless the policy has."""
    if outcome["action"] != PROMOTED:
        number, reason = str(outcome["version"]), ("--reason", "a benchmark's")
        stack.assayline("promote", str(outcome["line"]), number, "--by", "bench", *reason)


def _roll_back(stack: Stack, first: dict[str, Any], config: Path, folder: Path) -> float:
    """Put a second version in production after the first, and time the way back."""
    _put_in_production(stack, first)
    other = yaml.safe_load(config.read_text(encoding="utf-8"))
    other["training"] = {**other["training"], "seed": 1, "epochs": 1}
    source = other["source"]
    if "package" not in source:
        source["path"] = str(config.parent / source["path"])
    changed = folder / "changed.yaml"
    changed.write_text(yaml.safe_dump(other))
    second, _ = stack.run(changed)
    _put_in_production(stack, second)
    return stack.assayline("rollback", str(second["line"]), "--by", "bench")[1]


def _run_flow(config: Path) -> None:
    """The flow, called; what it printed goes where errors go."""
    begun = time.perf_counter()
    retrain(config=load_config(config))
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"flow_s": time.perf_counter() - begun, "cpu_s": used.ru_utime + used.ru_stime}
    print(json.dumps(told))


def _run_plain(config: Path) -> None:
    """The stages of the flow in their order, as plain functions, for a line of another name."""

    def call(stage: Stage[Any, Any], *args: Any, **kwargs: Any) -> Any:
        return inspect.unwrap(stage.fn)(*args, **kwargs)

    checked = load_config(config)
    begun = time.perf_counter()
    with patch.object(Stage, "__call__", call):
        retrain.fn(config=checked.model_copy(update={"line": f"{checked.line}-plain"}))
    print(json.dumps({"flow_s": time.perf_counter() - begun}))


def _say(text: str) -> None:
    print(f"orchestration: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure; with --noop or --plain be one run, and tell what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few rows: to see that it runs")
    parser.add_argument(NOOP, type=Path, help=argparse.SUPPRESS)
    parser.add_argument(PLAIN, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.noop:
        _run_flow(chosen.noop)
    elif chosen.plain:
        _run_plain(chosen.plain)
    else:
        print(json.dumps(measure(1, SMALL_ROWS) if chosen.small else measure()))


if __name__ == "__main__":
    main()

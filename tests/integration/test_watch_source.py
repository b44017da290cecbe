"""New data starts one retraining, and a look at the same data none: on the whole stack."""

import csv
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.config import DataConfig
from flows.deployments import ensure_deployments
from flows.run_hooks import READING_LIMIT_S
from flows.watch_source import watch_source
from infra.errors import StackError
from infra.prefect_api import FINAL_STATES, FlowRun, PrefectApi
from tests.conftest import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# Its retrainings fail as soon as they have read the source: two rows are too few to train on.
LINE = "looked-at"
# Of this one they end before: its base model is not there.
WITHOUT_MODEL = "looked-at-in-vain"


def asked(stack: RunningStack, method: str, path: str, body: object = None) -> Any:
    answer = httpx.request(
        method, f"{stack.settings.prefect_url}{path}", json=body, auth=stack.login
    )
    answer.raise_for_status()
    return answer.json() if answer.content else None


def add_rows(folder: Path, *rows: tuple[str, str]) -> None:
    with (folder / "rows.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def folder(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of two lines over one file, one of which is looked at once a year by itself."""
    folder = tmp_path_factory.mktemp("looked-at")
    add_rows(folder, ("text", "label"), ("a", "x"), ("b", "y"))
    source = {"format": "csv", "path": "rows.csv"}
    settings = {
        LINE: {"watch_source": {"active": True, "cron": "7 7 7 7 *"}},
        WITHOUT_MODEL: {"base_model": {"reference": "./no-model"}},
    }
    for line, others in settings.items():
        path = folder / f"{line}.yaml"
        path.write_text(yaml.safe_dump({"line": line, "source": source, **others}))
        ensure_deployments(stack.settings, line, path)
    yield folder
    for line in settings:
        stack.assayline("forget", line)


def retrainings(stack: RunningStack, line: str) -> list[FlowRun]:
    return PrefectApi(stack.settings).flow_runs_tagged("retrain", line)


def until(met: Callable[[], object], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(StackError):  # of a server that is busy
            if met():
                return
        time.sleep(0.5)
    pytest.fail(f"not within {seconds:.0f} s")


def look(stack: RunningStack, line: str, at_once: int = 1) -> str:
    """Look so many times, wait until all that runs has ended, and give what the page says."""
    prefect_api = PrefectApi(stack.settings)
    deployment = prefect_api.deployments()[f"watch-source/{line}"]
    began = time.monotonic()
    runs = [prefect_api.start_run(deployment) for _ in range(at_once)]

    def states() -> list[str]:
        return [run.state.type for one in runs if (run := prefect_api.flow_run(one))]

    until(lambda: set(states()) <= FINAL_STATES)
    assert states() == ["COMPLETED"] * at_once
    print(f"{at_once} looks: {time.monotonic() - began:.1f} s")
    until(lambda: {run.state.type for run in retrainings(stack, line)} <= FINAL_STATES)
    shown = asked(stack, "GET", f"/artifacts/source-{line}/latest")
    assert shown["type"] == "table"
    return str(shown["description"])


def test_a_changed_file_starts_one_retraining_and_the_same_none(
    stack: RunningStack, folder: Path
) -> None:
    assert retrainings(stack, LINE) == []
    assert "a retraining is started" in look(stack, LINE)
    (first,) = retrainings(stack, LINE)
    assert set(first.tags) == {
        "assayline", LINE, "retrain", "new-data",
        f"line:{LINE}", "kind:retrain", "task-type:classification",
    }  # fmt: skip
    assert first.state.type == "FAILED"  # after it had read the source
    assert "nothing is started" in look(stack, LINE)
    assert len(retrainings(stack, LINE)) == 1

    add_rows(folder, ("c", "x"))
    said = look(stack, LINE, at_once=2)
    assert len(retrainings(stack, LINE)) == 2
    assert "the source is new" not in look(stack, LINE), said
    assert len(retrainings(stack, LINE)) == 2


def test_a_run_that_waits_to_begin_reads_the_new_source_anyway(
    stack: RunningStack, folder: Path
) -> None:
    """One that somebody planned for much later does not."""
    before = len(retrainings(stack, LINE))
    prefect_api = PrefectApi(stack.settings)
    deployment = prefect_api.deployments()[f"retrain/{LINE}"]
    path = f"/deployments/{deployment.id}/create_flow_run"
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    planned = asked(stack, "POST", path, {"state": later})
    add_rows(folder, ("d", "y"))
    assert prefect_api.about_to_begin(deployment) == []
    assert "a retraining is started" in look(stack, LINE)
    assert len(retrainings(stack, LINE)) == before + 1
    asked(stack, "DELETE", f"/flow_runs/{planned['id']}")


def test_a_retraining_that_never_read_the_source_is_tried_three_times(
    stack: RunningStack, folder: Path
) -> None:
    said = [look(stack, WITHOUT_MODEL) for _ in range(4)]
    assert [run.state.type for run in retrainings(stack, WITHOUT_MODEL)] == ["FAILED"] * 3
    assert all("a retraining is started" in one for one in said[:3]), said
    assert all("was started 3 times, and ended as FAILED" in one for one in said[3:]), said


def test_the_schedule_is_what_the_line_says(stack: RunningStack, folder: Path) -> None:
    def schedules(line: str) -> list[Any]:
        deployment = asked(stack, "GET", f"/deployments/name/watch-source/{line}")
        return [(one["active"], one["schedule"]["cron"]) for one in deployment["schedules"]]

    assert schedules(LINE) == [(True, "7 7 7 7 *")]
    assert schedules("bbc-news") == schedules(WITHOUT_MODEL) == [(False, "45 * * * *")]


def test_a_look_that_does_not_end_is_ended_and_starts_nothing(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The rows of this query have no end; in production the limit is that of the flow."""
    assert watch_source.timeout_seconds == READING_LIMIT_S
    monkeypatch.setenv("ASSAYLINE_HOME", str(stack.settings.home))
    query = (
        "with recursive n(i) as (select 1 union all select i + 1 from n) "
        "select 'a' as text, 'x' as label from n"
    )
    with closing(sqlite3.connect(tmp_path / "rows.db")) as made:
        made.execute("create table rows (text, label)")
    url = f"sqlite:///{tmp_path}/rows.db"
    config = DataConfig.model_validate(
        {"line": "without-end", "source": {"format": "sql", "url": url, "query": query}}
    )
    where = {
        PREFECT_API_URL: stack.settings.prefect_url, PREFECT_API_AUTH_STRING: ":".join(stack.login),
    }  # fmt: skip
    began = time.monotonic()
    with temporary_settings(where):
        state = watch_source.with_options(timeout_seconds=5)(config, return_state=True)
    assert state.name == "TimedOut", state
    assert time.monotonic() - began < 120
    runs = PrefectApi(stack.settings).flow_runs_named("watch source of without-end")
    # Of no deployment, and found by its tags all the same.
    tags = {"line:without-end", "kind:watch-source", "task-type:classification"}
    assert set(runs[0].tags) == tags

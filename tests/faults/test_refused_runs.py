"""Bad input through the whole product: one message, a failed flow run, nothing registered."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from infra.tracking import Tracking
from tests.conftest import RunningStack

GOOD = "text,label\n" + "".join(
    f"text number {n} about {topic},{topic}\n" for n in range(60) for topic in ("cats", "dogs")
)


def write_line(folder: Path, rows: bytes | None, **changes: object) -> Path:
    """A line named broken, over these bytes as its CSV file."""
    if rows is not None:
        (folder / "rows.csv").write_bytes(rows)
    source = {"format": "csv", "path": "rows.csv"}
    path = folder / "broken.yaml"
    # The words of the topics are in the texts on purpose.
    labels = {"spurious": {"refuse_from": None}}
    content = {"line": "broken", "source": source, "label_checks": labels} | changes
    path.write_text(yaml.safe_dump(content))
    return path


def one_message(stack: RunningStack, config: Path) -> str:
    """The error of a run that must fail, checked for all that every failure must keep to."""
    done = stack.assayline("run", str(config))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error: ") == 1
    assert "broken" not in Tracking(stack.settings).lines()
    return done.stderr


def latest_state(stack: RunningStack, deployment: str) -> dict[str, str]:
    """The state of the newest retraining of a line; others of its deployments are scheduled."""
    wanted = {
        "flows": {"name": {"any_": ["retrain"]}},
        "deployments": {"name": {"any_": [deployment]}},
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": 1,
    }
    url = f"{stack.settings.prefect_url}/flow_runs/filter"
    found = httpx.post(url, json=wanted, auth=stack.login).json()
    state: dict[str, str] = found[0]["state"]
    return state


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        pytest.param(None, {}, ["rows.csv"], id="missing file"),
        pytest.param(
            GOOD.replace("dogs", "cats").encode(), {}, ["labels: at least 2; seen 1"],
            id="one class", marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_bad_data_fails_the_flow_run_with_one_message(
    stack: RunningStack,
    tmp_path: Path,
    rows: bytes | None,
    changes: dict[str, object],
    said: list[str],
) -> None:
    message = one_message(stack, write_line(tmp_path, rows, **changes))
    for words in said:
        assert words in message
    state = latest_state(stack, "broken")
    assert state["name"] == "Failed"
    assert message.removeprefix("error: ").splitlines()[0] in state["message"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainning": {}}, ["trainning: unknown setting", "did you mean training?"]),
        ({"training": {"epoch": 3}}, ["training.epoch", "did you mean epochs?"]),
        ({"training": {"epochs": 0, "learning_rate": -1}}, ["training.epochs", "learning_rate"]),
        ({"line": "Not A Name"}, ["line", "Not A Name"]),
        ({"task_type": "poetry"}, ["task_type", "classification"]),
        (
            {"policy": {"gates": [{"metric": "fairness.age.accuracy_difference", "at_most": 0.1}]}},
            ["policy", "at_least"],
        ),
    ],
)
def test_wrong_settings_are_refused_whole_before_anything_runs(
    stack: RunningStack, tmp_path: Path, changes: dict[str, object], said: list[str]
) -> None:
    message = one_message(stack, write_line(tmp_path, GOOD.encode(), **changes))
    for words in said:
        assert words in message


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (Path.is_file, "no settings file"),
        (lambda path: path.write_text("line: [unclosed"), "no readable YAML"),
        (lambda path: path.write_text("- a list"), "must hold settings"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "no readable YAML"),
    ],
)
def test_a_file_that_holds_no_settings_is_named(
    stack: RunningStack, tmp_path: Path, write: Callable[[Path], object], said: str
) -> None:
    config = tmp_path / "line.yaml"
    write(config)
    message = one_message(stack, config)
    assert said in message
    assert str(config) in message


@pytest.mark.parametrize("command", [["rollback", "nobody"], ["report", "nobody"]])
def test_commands_on_a_line_that_does_not_exist(stack: RunningStack, command: list[str]) -> None:
    done = stack.assayline(*command)
    assert done.returncode == 1
    assert "nobody" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["bbc-news", "broken"])
def test_a_run_without_a_prefect_server_is_one_message(
    stack: RunningStack, tmp_path: Path, line: str
) -> None:
    shipped = Path(__file__).parents[2] / "configs" / "bbc-news.yaml"
    config = shipped if line == "bbc-news" else write_line(tmp_path, GOOD.encode())
    done = stack.assayline("run", str(config), PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "the Prefect server at http://127.0.0.1:9/api does not answer" in done.stderr

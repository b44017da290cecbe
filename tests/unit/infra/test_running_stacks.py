"""Which stack a command finds, from which folder, and what it says where that is not clear."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.errors import SettingsError, StackError
from infra.running_stacks import MARK, no_longer, remember, running_stacks, stack_of
from infra.settings import (
    PART_VARIABLES,
    PROJECT,
    choose_home,
    external_parts,
    home_folder,
    load_settings,
    load_stack_settings,
)

Supervise = Callable[[Path], "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with no stack, in an empty folder."""
    for variables in PART_VARIABLES.values():
        for variable in variables.values():
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("ASSAYLINE_HOME")
    monkeypatch.delenv("ASSAYLINE_PROJECT", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    return tmp_path / "state" / "assayline" / "stacks"


@pytest.fixture
def supervise() -> Iterator[Supervise]:
    """Start a process of a stack, as supervisord is one."""
    started: list[subprocess.Popen[bytes]] = []

    def start(home: Path) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: str(home)})
        started.append(process)
        # For a moment after exec, Linux shows no environment of a new process.
        deadline = time.monotonic() + 10
        while stack_of(process.pid) != home and time.monotonic() < deadline:
            time.sleep(0.01)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_stack_that_runs_is_found_from_any_folder(
    tmp_path: Path, state: Path, supervise: Supervise
) -> None:
    home = tmp_path / "elsewhere" / ".assayline"
    assert home_folder() == Path.cwd() / ".assayline"
    remember(home, PROJECT, supervise(home).pid)
    assert home_folder() == load_settings().home == home
    (record,) = state.iterdir()
    assert record.stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    no_longer(home)
    assert home_folder() == Path.cwd() / ".assayline"


def test_a_folder_of_ones_own_comes_before_a_stack_that_runs_elsewhere(
    tmp_path: Path, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "elsewhere" / ".assayline"
    remember(home, PROJECT, supervise(home).pid)
    (tmp_path / "here" / ".assayline").mkdir()
    assert home_folder() == tmp_path / "here" / ".assayline"
    (tmp_path / "here" / "below" / ".assayline").mkdir()
    assert home_folder() == tmp_path / "here" / "below" / ".assayline"
    Path(".env").write_text("ASSAYLINE_HOME=from-file\n", encoding="utf-8")
    assert home_folder() == Path.cwd() / "from-file"
    monkeypatch.setenv("ASSAYLINE_HOME", "/from/environment")
    assert home_folder() == Path("/from/environment")
    choose_home(Path("from-option"))
    assert home_folder() == Path.cwd() / "from-option"
    with pytest.raises(SettingsError, match=r"--home .*\.env is a file; name the folder"):
        choose_home(Path(".env"))


def test_of_two_that_run_one_must_be_named(tmp_path: Path, supervise: Supervise) -> None:
    for name in ("one", "other"):
        remember(tmp_path / name, PROJECT, supervise(tmp_path / name).pid)
    with pytest.raises(SettingsError, match="2 stacks run, and nothing here says which") as refused:
        load_settings()
    assert f"--home {tmp_path / 'one'}" in str(refused.value)
    assert f"--home {tmp_path / 'other'}" in str(refused.value)
    with pytest.raises(SettingsError, match="2 stacks run"):
        load_stack_settings()
    assert load_settings(tmp_path / "one").home == tmp_path / "one"


def test_a_stack_of_another_project_is_not_taken(tmp_path: Path, supervise: Supervise) -> None:
    home = tmp_path / "elsewhere" / ".assayline"
    remember(home, tmp_path, supervise(home).pid)
    assert [stack.home for stack in running_stacks(tmp_path)] == [home]
    assert home_folder() == Path.cwd() / ".assayline"


def test_what_a_crash_leaves_is_passed_over_and_removed_by_the_next_start(
    tmp_path: Path, state: Path, supervise: Supervise
) -> None:
    gone = supervise(tmp_path / "gone")
    remember(tmp_path / "gone", PROJECT, gone.pid)
    remember(tmp_path / "reused", PROJECT, os.getpid())  # a pid that is some other program's by now
    remember(tmp_path / "reused too", PROJECT, supervise(tmp_path / "another").pid)
    gone.kill()
    gone.wait()
    assert running_stacks(PROJECT) == []
    assert home_folder() == Path.cwd() / ".assayline"
    remember(tmp_path / "new", PROJECT, supervise(tmp_path / "new").pid)
    assert len(list(state.iterdir())) == 1


def test_a_record_of_another_machine_is_left_alone(
    tmp_path: Path, state: Path, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "another")
        remember(tmp_path / "one", PROJECT, supervise(tmp_path / "one").pid)
    assert running_stacks(PROJECT) == []
    remember(tmp_path / "other", PROJECT, supervise(tmp_path / "other").pid)
    assert len(list(state.iterdir())) == 2


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00", '{"home": 3}'])
def test_a_broken_record_stops_nothing(state: Path, text: str) -> None:
    state.mkdir(parents=True)
    (state / "broken.json").write_text(text, encoding="utf-8")
    assert running_stacks(PROJECT) == []
    assert home_folder() == Path.cwd() / ".assayline"


def test_that_it_cannot_be_recorded_is_said(tmp_path: Path, state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.touch()
    with pytest.raises(StackError, match="will not find this stack without --home"):
        remember(tmp_path, PROJECT, os.getpid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_the_folder_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    theirs = tmp_path / "here" / ".assayline"
    theirs.mkdir()
    assert home_folder() == theirs
    os.chown(theirs, 65534, 65534)
    assert home_folder() == Path.cwd() / ".assayline"


def test_the_settings_beside_the_home_folder_hold_from_any_folder(
    tmp_path: Path, supervise: Supervise
) -> None:
    home = tmp_path / "elsewhere" / ".assayline"
    home.mkdir(parents=True)
    (home.parent / ".env").write_text(
        "MLFLOW_TRACKING_URI=https://mlflow.example\nASSAYLINE_STORE_PORT=20001\n", encoding="utf-8"
    )
    remember(home, PROJECT, supervise(home).pid)
    assert load_settings().mlflow_url == "https://mlflow.example"
    assert load_stack_settings().store_port == 20001
    assert external_parts(home) == {"mlflow"}
    Path(".env").write_text("MLFLOW_TRACKING_URI=https://other.example\n", encoding="utf-8")
    assert load_settings().mlflow_url == "https://other.example"


def test_a_working_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    Path.cwd().rmdir()
    with pytest.raises(SettingsError, match="the working directory is gone"):
        home_folder()
    os.chdir(tmp_path)

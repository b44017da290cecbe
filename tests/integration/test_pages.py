"""Every command and snippet of the README and of docs/architecture.md, run as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from flows.commands.cli import app
from flows.config import load_config
from infra.settings import load_settings, load_stack_settings
from tasks.registry.fairness_gates import gates_fairness
from tests.conftest import SCRIPTS, RunningStack
from tests.integration.test_retrain import GATES, write_config, write_reviews
from tests.pages import ROOT, commands, make_commands, shell_lines, snippets

# Text is what a command prints.
LANGUAGES = {"sh", "yaml", "python", "toml", "mermaid", "text"}
LINE = "reviews-of-the-pages"  # other tests on the same stack make versions of `reviews`
# What a page writes where a user has something of their own.
PLACEHOLDERS = {
    "CONFIG": "reviews.yaml", "path/to/reviews.yaml": "reviews.yaml", "LINE": LINE,
    "reviews": LINE, "bbc-news": LINE, "FOLDER": ".assayline", "VERSION": "1",
    "FILE": "mended.parquet", "RUN": f"retrain {LINE}", "RUN_OR_LINE": LINE,
    "POLICY": "policy.yaml", "V1": "1", "[V2]": "1",
}  # fmt: skip
OPTIONS = {
    "--reason": "tried", "--by": "Ada", "--name": "Ada", "--at": "2026-01-01",
    "--since": "2026-01-01",
}  # fmt: skip
# They would end the servers of this test; tests/integration/test_stack.py runs them.
OF_THE_STACK = {"assayline up", "assayline down", "assayline open"}
# The line's one version is in production, there is none to go back to, and no run goes on or waits:
# the message says so.
REFUSED = {
    "approve": "waits for approval",
    "promote": "is in production already",
    "rollback": "has no previous version",
    "cancel": "has ended already",
}


def test_every_snippet_says_what_it_is_in() -> None:
    assert {snippet.language for snippet in snippets()} <= LANGUAGES


@pytest.mark.parametrize("line", make_commands())
def test_make_knows_the_target(line: str) -> None:
    words = shlex.split(line)
    words = [re.sub(r"CONFIG=.*", "CONFIG=reviews.yaml", word) for word in words]
    shown = subprocess.run(
        [words[0], "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    for command in re.findall(r"bin/assayline (.*)", shown.stdout):
        app.parse_args(shlex.split(command), print_error=False, exit_on_error=False)


def test_what_is_exported_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exports = " ".join(
        line.removeprefix("export ") for line in shell_lines() if line.startswith("export ")
    )
    values = dict(word.split("=", 1) for word in shlex.split(exports))
    assert values
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(tmp_path)
    both = settings.model_dump(mode="json") | load_stack_settings().model_dump(mode="json")
    read = {str(value) for value in both.values()}
    store = (settings.store_access_key_id, settings.store_secret_access_key)
    read |= {one.get_secret_value() for one in (*store, settings.prefect_login) if one}
    assert set(values.values()) <= read


def test_settings_snippets_are_settings_of_a_line(tmp_path: Path) -> None:
    shown = [yaml.safe_load(one.text) for one in snippets() if one.language == "yaml"]
    whole = [content for content in shown if "line" in content]
    assert whole
    (policy_file,) = [content for content in shown if "gates" in content]
    shown.remove(policy_file)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "strict.yaml").write_text(yaml.safe_dump(policy_file))
    for content in shown:
        path = tmp_path / "line.yaml"
        # Several sources stand in place of the one.
        left_out = {"source"} if "sources" in content else set()
        line = {key: value for key, value in whole[0].items() if key not in left_out}
        path.write_text(yaml.safe_dump(line | content), encoding="utf-8")
        policy = load_config(path).policy
        # A policy that asks nothing of groups, and says not why, promotes nothing.
        asked = (*policy.gates, *policy.fairness_where_decidable)
        assert gates_fairness(asked) or policy.fairness_not_gated, content


@pytest.mark.parametrize("command", commands())
def test_the_console_knows_the_command(command: str) -> None:
    _, name, *arguments = filled(command)
    assert app[name]
    if arguments or command in shell_lines():
        app.parse_args([name, *arguments], print_error=False, exit_on_error=False)


def filled(command: str) -> list[str]:
    """The words of a command with what a user would put in its places."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
    for place, word in enumerate(words[:-1]):
        if word in OPTIONS:
            words[place + 1] = OPTIONS[word]
    return words


@pytest.fixture(scope="module")
def folder(stack: RunningStack) -> Path:
    """A user's folder, in which the commands run: reviews.csv, reviews.yaml, mended.parquet."""
    write_reviews(stack.folder / "reviews.csv")
    write_config(stack.folder, line=LINE)
    (stack.folder / "policy.yaml").write_text(yaml.safe_dump({"gates": GATES}), encoding="utf-8")
    mended = {
        "row_id": ["0" * 64], "text": ["A row that somebody mended by hand."],
        "label": ["tech"], "country": ["uk"],
    }  # fmt: skip
    pq.write_table(pa.table(mended), stack.folder / "mended.parquet")
    return stack.folder


@pytest.fixture(scope="module")
def in_production(stack: RunningStack, folder: Path) -> None:
    """Version 1 of the line."""
    first = stack.assayline("run", "reviews.yaml")
    assert first.returncode == 0, first.stdout + first.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("in_production")
def test_the_commands_do_what_the_pages_say(stack: RunningStack) -> None:
    told = {tuple(filled(command)) for command in commands() if command not in OF_THE_STACK}
    whole = [words for words in told if len(words) > 2 or words[1] == "status"]
    # A row that is taken back in changes the data, and a line that is forgotten cannot be run.
    last = ("forget", "readmit")
    for words in sorted(whole, key=lambda words: (*(words[1] == name for name in last), words)):
        done = stack.assayline(*words[1:])
        said = done.stdout + done.stderr
        assert "Traceback" not in said, words
        if words[1] in REFUSED:
            assert (done.returncode, said.count("error: ")) == (1, 1), said
            assert REFUSED[words[1]] in said
        else:
            assert done.returncode == 0, said


@pytest.mark.slow
@pytest.mark.usefixtures("in_production")
def test_the_model_is_used_as_the_readme_shows(stack: RunningStack) -> None:
    readme = [one for one in snippets() if one.page == "README.md"]
    (program,) = [one.text for one in readme if one.language == "python"]
    program = program.replace("http://127.0.0.1:15000", str(stack.settings.mlflow_url))
    program = program.replace("models:/bbc-news@", f"models:/{LINE}@")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=stack.folder, env=dict(stack.service_environment),
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "label" in done.stdout
    (line,) = [one for one in shell_lines() if "get_model_dependencies" in one]
    line = line.replace("http://127.0.0.1:15000", str(stack.settings.mlflow_url))
    needs = subprocess.run(
        ["bash", "-c", line.replace("models:/bbc-news@", f"models:/{LINE}@")], cwd=stack.folder,
        env={**stack.service_environment, "PATH": f"{SCRIPTS}:/usr/bin:/bin"},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert needs.returncode == 0, needs.stderr
    named = Path(needs.stdout.strip().splitlines()[-1]).read_text(encoding="utf-8")
    assert "mlflow==" in named
    assert "transformers==" in named

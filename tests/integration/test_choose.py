"""`assayline choose` on the whole stack: the table, what is left out, and exit codes."""

import json
import shutil
from pathlib import Path

import httpx
import pytest
import yaml

from infra.store import ObjectStore
from tasks.registry.ledger import read_ledger
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import write_config, write_topics

RUN_S = 600
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * RUN_S)]

LINE = "topics-chosen"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A line with a copy of its base model, one that is broken, and one that is not at hand."""
    folder = tmp_path_factory.mktemp("chosen")
    write_topics(folder / "topics.csv")
    shutil.copytree(tiny_model, folder / "models" / "copy")
    shutil.copytree(tiny_model, folder / "models" / "broken")
    (folder / "models" / "broken" / "model.safetensors").write_bytes(b"nothing")
    return write_config(
        folder, "line.yaml", tiny_model, line=LINE,
        splits={"train": 0.4, "validation": 0.3, "test": 0.3},
        evaluation={"margin": 0.2, "repeats": 4_000},
        choose={"candidates": ["models/copy", "models/broken", "hfl/rbt3"],
                "machine_hour_cost": 3.0},
    )  # fmt: skip


def test_the_choice_is_shown_and_nothing_is_promoted(
    stack: RunningStack, config: Path, tiny_model: Path
) -> None:
    done = stack.assayline("choose", str(config), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    copy = str(config.parent / "models" / "copy")
    assert f"{tiny_model} (the line's)" in done.stdout
    assert f"{copy} is recommended" in done.stdout or f"{tiny_model} is recommended" in done.stdout
    assert "hfl/rbt3: not at hand: " in done.stdout
    assert "broken: base model" in done.stdout
    assert "no test row was read" in done.stdout
    assert read_ledger(ObjectStore(stack.settings), LINE) == ()
    shown = httpx.post(
        f"{stack.settings.prefect_url}/artifacts/latest/filter",
        json={"artifacts": {"key": {"any_": [f"base-models-{LINE}"]}}},
        auth=stack.login,
    ).json()
    assert len(shown) == 1
    assert copy.rsplit("/", 1)[1] in shown[0]["data"]


def test_a_script_gets_json_and_kept_probes(
    stack: RunningStack, config: Path, tiny_model: Path
) -> None:
    """Named behind the file, other candidates take the place of the file's."""
    copy = config.parent / "models" / "copy"
    done = stack.assayline("choose", str(config), str(copy), "--json", timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert {one["name"] for one in found["candidates"]} == {str(copy), str(tiny_model)}
    assert {one["standing"] for one in found["candidates"]} == {"best", "as good"}
    assert all(one["training_cost"] > 0 for one in found["candidates"])
    again = stack.assayline("choose", str(config), str(copy), "--json", timeout_s=RUN_S)
    # A kept probe has the time that it took then.
    assert {one["row_s"] for one in json.loads(again.stdout)["candidates"]} == {
        one["row_s"] for one in found["candidates"]
    }


def test_where_none_can_be_taken_the_command_fails(stack: RunningStack, config: Path) -> None:
    path = config.with_name("none.yaml")
    content = yaml.safe_load(config.read_text())
    path.write_text(yaml.safe_dump(content | {"tokenization": {"max_length": 65}}))
    done = stack.assayline("choose", str(path), timeout_s=RUN_S)
    assert done.returncode == 1
    assert "none of the base models can be taken" in done.stderr
    assert "it takes at most 64 tokens, and tokenization.max_length is 65" in done.stderr


def test_a_line_without_candidates_is_told_how_to_name_some(
    stack: RunningStack, config: Path
) -> None:
    content = yaml.safe_load(config.read_text())
    del content["choose"]
    path = config.with_name("without.yaml")
    path.write_text(yaml.safe_dump(content))
    done = stack.assayline("choose", str(path))
    assert done.returncode == 1
    assert "has no section `choose`" in done.stderr


def test_a_base_model_that_is_not_at_hand_is_replaced(stack: RunningStack, config: Path) -> None:
    """The line's own is then a row with its reason, and the rows are made without it."""
    content = yaml.safe_load(config.read_text())
    path = config.with_name("absent.yaml")
    path.write_text(yaml.safe_dump(content | {"base_model": {"reference": "hfl/rbt3"}}))
    copy = str(config.parent / "models" / "copy")
    done = stack.assayline("choose", str(path), copy, timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{copy} is recommended: it is the only one" in done.stdout
    assert "hfl/rbt3: not at hand" in done.stdout

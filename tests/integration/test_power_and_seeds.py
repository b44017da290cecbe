"""A line that is trained twice, and what its gates can decide, through the console command."""

import json
from pathlib import Path

import pytest

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.measured_version import ESTIMATES_FILE, read_estimates
from tasks.registry.looks import read_looks
from tests.conftest import RunningStack
from tests.integration.test_retrain import write_config, write_reviews

LINE = "twice"
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.6},
    {"metric": "recipe.macro_f1", "at_least": 0.1},
    {"metric": "fairness.country.accuracy_difference", "at_most": 0.4},
    {"metric": "fairness.country.equalized_odds_difference", "at_most": 0.9},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(LINE)
    write_reviews(folder / "reviews.csv")
    return write_config(
        folder, f"{LINE}.yaml", line=LINE, evaluation={"seeds": 2}, policy={"gates": GATES}
    )


def of_json(
    stack: RunningStack, *arguments: str, codes: tuple[int, ...] = (0,)
) -> dict[str, object]:
    done = stack.assayline(*arguments, "--json")
    assert done.returncode in codes, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_before_training_both_commands_tell_what_the_rows_can_decide(
    stack: RunningStack, config: Path
) -> None:
    checked = stack.assayline("check-data", str(config))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for said in ("with what probability each gate passes", "taken for granted"):
        assert said in checked.stdout
    # Each country has about seventeen test rows of a topic, and thirty are asked.
    assert "equalized_odds_difference (at most 0.9) can pass no candidate" in checked.stdout
    assert "fewer than 30 are not judged" in checked.stdout
    planned = of_json(stack, "run", str(config), "--dry-run")
    power = {one["metric"]: one for one in planned["forecast"]["power"]}  # type: ignore[index]
    assert set(power) == {gate["metric"] for gate in GATES[:-1]}
    assert power["quality.macro_f1"]["basis"] == "planned"


def test_two_trainings_tell_of_the_recipe_and_the_candidate_is_the_first(
    stack: RunningStack, config: Path
) -> None:
    # One gate can be passed by nobody, as was foretold.
    decided = of_json(stack, "run", str(config), codes=(4,))
    gates = {one["metric"]: one for one in decided["judgement"]["gates"]}  # type: ignore[index]
    assert gates["recipe.macro_f1"]["verdict"] == "pass"
    assert gates["fairness.country.equalized_odds_difference"]["verdict"] == "undetermined"
    power = {one["metric"]: one for one in decided["judgement"]["power"]}  # type: ignore[index]
    assert power["quality.macro_f1"]["basis"] == "measured"
    tracking = Tracking(stack.settings)
    first, second = read_looks(LINE, store=ObjectStore(stack.settings), tracking=tracking)
    assert first.look is not None
    assert second.look is not None
    assert (first.look.recipe, second.look.recipe) == ("", first.look.weights_sha256)
    assert sorted(tracking.versions(LINE)) == [1]
    kept = tracking.file_of_version(LINE, 1, ESTIMATES_FILE)
    assert kept is not None
    told = {one.name: one for one in read_estimates(1, kept).estimates}
    assert told["recipe.macro_f1"].value == gates["recipe.macro_f1"]["value"]
    assert tracking.file_of_version(LINE, 1, "nothing.json") is None
    page = stack.assayline("report", LINE, "--json")
    html = Path(json.loads(page.stdout)["file"]).read_text(encoding="utf-8")
    for said in ("What these rows can decide", "one of 2 trainings of its recipe", "The recipe"):
        assert said in html
    again = stack.assayline("run", str(config))
    assert "nothing changed since the last run" in again.stdout

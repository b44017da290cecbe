"""How false passes are counted, and that the worlds are what they say, in a few draws."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.verdicts import Estimate, undetermined
from tests.simulation.__main__ import SCENARIOS, main
from tests.simulation.creep_worlds import (
    CHAMPION_ALONE,
    DECAY,
    MARGIN,
    START,
    WITH_ANCHOR,
    year,
)
from tests.simulation.fairness_worlds import FAIRNESS
from tests.simulation.scenarios import Scenario, Tally, exceeds, run


def estimate(low: float, high: float) -> Estimate:
    return Estimate("a.b", (low + high) / 2, 9, ((low, high),), "drawn")


def test_an_interval_beyond_the_truth_is_a_false_pass_on_its_side() -> None:
    tally = Tally()
    for low, high in ((0.2, 0.4), (0.3, 0.4), (0.0, 0.1), (0.1, 0.25)):
        tally.add(estimate(low, high), 0.25)
    tally.add(undetermined("a.b", 9, "why"), 0.25)
    assert (tally.trials, tally.undetermined, tally.too_high, tally.too_low) == (5, 1, 1, 1)
    assert tally.width == pytest.approx(0.55)
    both = tally.plus(tally)
    assert (both.trials, both.too_high, both.worst_share) == (10, 2, 0.2)


def test_more_false_passes_than_chance_explains_are_told() -> None:
    assert not exceeds(Tally(trials=1_000, too_high=40))
    assert exceeds(Tally(trials=1_000, too_high=42))
    assert exceeds(Tally(trials=1_000, too_low=42))


def test_a_world_that_makes_no_such_estimate_is_no_proof() -> None:
    world = Scenario("a world", {"a.b": 0.0, "a.c": 0.0}, lambda _: [estimate(0.0, 1.0)])
    with pytest.raises(ValueError, match=r"a world: \['a\.c'\] are not estimated once"):
        run(world, 3, 0)


@pytest.mark.parametrize(
    ("asked", "why"), [(["no such world"], "no world's name holds"), (["--trials", "0"], "once")]
)
def test_a_simulation_of_nothing_does_not_end_well(
    asked: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["simulation", *asked])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_world_has_what_it_promises(scenario: Scenario) -> None:
    """Each estimate is made, and lies near its truth: by a wide margin in units of its interval."""
    made = {one.name: one for one in scenario.estimates(np.random.default_rng(0))}
    for name, truth in scenario.truths.items():
        if made[name].value is not None:
            low, high = made[name].ladder[-1]
            assert low - (high - low) <= truth <= high + (high - low), name


def test_rows_of_an_author_drawn_one_by_one_would_pass_falsely() -> None:
    """The fault that drawing clusters mends, in thirty draws."""
    (world,) = (one for one in FAIRNESS if one.name == "row scores of 20 clusters of 10")
    name = "fairness.x.row_score_difference"
    by_cluster = run(world, 30, 0)[name]
    assert by_cluster.too_high + by_cluster.too_low <= 2
    blind = replace(world, estimates=lambda random: _by_row(world, random))
    by_row = run(blind, 30, 0)[name]
    assert by_row.too_high + by_row.too_low >= 5


def test_small_losses_add_up_by_the_champions_gate_and_not_by_the_anchors() -> None:
    """The planted fault: 52 candidates, each 0.0008 worse than production, in one year."""
    alone, anchored = (
        year(np.random.default_rng(1), gates) for gates in (CHAMPION_ALONE, WITH_ANCHOR)
    )
    assert (alone.promoted, alone.accuracy) == (52, pytest.approx(START - 52 * DECAY))
    assert alone.false_passes == alone.decisions > 20
    assert anchored.false_passes == 0
    assert anchored.accuracy > START - MARGIN


def _by_row(world: Scenario, random: np.random.Generator) -> list[Estimate]:
    """The same rows, taken one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.simulation.fairness_worlds.in_clusters", lambda _: None)
        return list(world.estimates(random))

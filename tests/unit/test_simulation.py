"""How false passes are counted, and that the worlds are what they say, in a few draws."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.canary.sequential import lower_end, upper_end
from tasks.verdicts import Estimate, undetermined
from tests.simulation.__main__ import SCENARIOS, main
from tests.simulation.canary_worlds import (
    LEVEL,
    LOOKS,
    WORLDS,
    CanaryWorld,
    decided,
    first_look,
)
from tests.simulation.creep_worlds import (
    CHAMPION_ALONE,
    DECAY,
    MARGIN,
    START,
    WITH_ANCHOR,
    year,
)
from tests.simulation.fairness_worlds import FAIRNESS
from tests.simulation.scenarios import Misses, Scenario, Tally, exceeds, is_silent, run

# In which an estimate must be told that need not be told in each.
DRAWS = 10


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


def test_later_looks_are_counted_at_their_own_levels() -> None:
    """Of a ladder of 20 rungs look 2 is judged on the sixth, and look 5 beyond the last."""
    ladder = tuple((0.5 - k / 100, 0.5 + k / 100) for k in range(1, 21))
    tally = Tally()
    for truth in (0.5, 0.535, 0.6, 0.9):
        tally.add(Estimate("a.b", 0.5, 9, ladder), truth)
    assert (tally.too_high, tally.too_low) == (0, 3)
    assert {look: misses.too_low for look, misses in tally.at_looks.items()} == {
        1: 3, 2: 2, 3: 1, 5: 1,
    }  # fmt: skip
    assert tally.plus(tally).at_looks[3].told == 8
    assert (tally.worst_at(2), tally.worst_at(4)) == (0.5, None)
    short = Tally()
    short.add(Estimate("a.b", 0.5, 9, ladder[:3]), 0.9)
    assert (short.worst_at(1), short.worst_at(2)) == (1.0, None)


@pytest.mark.parametrize(("look", "most"), [(1, 28), (2, 13), (3, 8), (5, 5)])
def test_a_later_look_may_pass_falsely_as_often_as_its_level_says(look: int, most: int) -> None:
    for seen, is_told in ((most, False), (most + 1, True)):
        tally = Tally(trials=1_000, at_looks={look: Misses(1_000, too_high=seen)})
        assert exceeds(tally) is is_told


def test_what_is_never_told_though_its_rows_should_tell_it_fails() -> None:
    world = Scenario("a world", {"a.b": 0.0}, lambda _: [undetermined("a.b", 9, "why")])
    tally = run(world, 3, 0)["a.b"]
    assert is_silent(world, "a.b", tally)
    assert not is_silent(replace(world, untold=frozenset({"a.b"})), "a.b", tally)
    assert not is_silent(world, "a.b", replace(tally, undetermined=2))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_world_has_what_it_promises(scenario: Scenario) -> None:
    """Each estimate is told, and lies near its truth: by a wide margin in units of its interval."""
    draws = (scenario.estimates(np.random.default_rng(draw)) for draw in range(DRAWS))
    waited = set(scenario.truths)
    for draw in draws:
        made = {one.name: one for one in draw}
        for name in [name for name in waited if made[name].value is not None]:
            low, high = made[name].ladder[-1]
            truth = scenario.truths[name]
            assert low - (high - low) <= truth <= high + (high - low), name
            waited.remove(name)
        if not waited - scenario.untold:
            break
    assert not waited - scenario.untold


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


@pytest.mark.parametrize("world", [WORLDS[1], WORLDS[5]], ids=lambda world: world.name)
def test_a_simulated_canary_is_decided_where_its_ends_are(world: CanaryWorld) -> None:
    """As a run decides, by the ends; the worlds ask for less, and save the time of the ends."""
    looks = np.arange(0, len(LOOKS), 25)
    for increase in (0.0, 8 * world.limit):
        drawn = world.draw(np.random.default_rng(3), increase)
        stopped, passed = decided(drawn, world.limit, LEVEL)
        told = np.zeros((2, len(LOOKS)), dtype=bool)
        told[0, looks] = lower_end(drawn.at(looks), LEVEL) > world.limit
        told[1, looks] = upper_end(drawn.at(looks), LEVEL) <= world.limit
        step = 25 * (LOOKS[1] - LOOKS[0])
        for by_ends, found in ((first_look(told[0]), stopped), (first_look(told[1]), passed)):
            assert bool(by_ends) == bool(found)
            assert found <= by_ends < found + step or not by_ends

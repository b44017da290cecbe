"""What several trainings come to: by hand, by another library, and in worlds of known truth."""

import numpy as np
import pytest
from scipy import stats

from tasks.evaluation.recipe import recipe_metric, with_recipe
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.evaluation import Scores
from tasks.resampling import estimate_of_proportion
from tasks.verdicts import MAX_FAMILY, Estimate, exact, undetermined
from tests.simulation.recipe_worlds import RECIPES
from tests.simulation.scenarios import run
from tests.unit.registry.test_policy import scores
from tests.unit.test_power import normal


def test_without_error_by_the_rows_it_is_the_interval_of_student() -> None:
    values = [0.964, 0.966, 0.976, 0.971]
    told = recipe_metric("macro_f1", [exact("quality.macro_f1", v, 625) for v in values])
    for share in (1, 3, MAX_FAMILY):
        wanted = stats.t.interval(1 - 0.05 / share, 3, np.mean(values), stats.sem(values))
        assert told.estimate.ladder[share - 1] == pytest.approx(wanted)
    assert told.estimate.name == "recipe.macro_f1"
    assert told.estimate.value == pytest.approx(np.mean(values))
    assert (told.by_seed, told.row_error) == (tuple(values), 0.0)
    assert told.seed_deviation == pytest.approx(np.std(values, ddof=1))


def test_of_models_that_are_alike_it_is_the_interval_by_the_rows() -> None:
    one = Estimate("quality.f1", 0.9, 60, ((0.8, 0.95),) * MAX_FAMILY, "drawn")
    told = recipe_metric("f1", [one, one, one])
    assert told.estimate.ladder[0] == pytest.approx((0.8, 0.95))
    assert (told.estimate.n, told.seed_deviation) == (60, 0.0)


def test_both_causes_widen_the_interval_and_neither_twice() -> None:
    told = recipe_metric("f1", [normal("quality.f1", v, 0.01, 60) for v in (0.90, 0.92)])
    assert told.row_error == pytest.approx(0.01)
    by_seeds = stats.t.ppf(0.975, 1) * 0.01
    reach = np.hypot(1.96 * 0.01, by_seeds)
    assert told.estimate.ladder[0] == pytest.approx((0.91 - reach, 0.91 + reach), abs=1e-4)


def test_what_one_model_does_not_tell_nobody_tells() -> None:
    nothing = undetermined("quality.f1", 4, "4 rows are too few")
    for others, reason in (
        ([nothing], "4 rows are too few"),
        ([None], "one of the models does not tell it"),
        ([], "one of the models does not tell it"),
    ):
        told = recipe_metric("f1", [normal("quality.f1", 0.9, 0.01, 60), *others])
        assert (told.estimate.value, told.estimate.reason) == (None, reason)


def of(accuracy: float, f1: float) -> Scores:
    made = scores()
    own = (
        normal("quality.accuracy", accuracy, 0.01, 600),
        normal("quality.f1.a", f1, 0.01, 300),
        normal("champion.accuracy_gain", 0.1, 0.01, 600),
    )
    return type(made)(**{**vars(made), "estimates": own})


def test_the_candidate_stays_the_candidate() -> None:
    candidate = of(0.90, 0.5)
    told = with_recipe(candidate, [of(0.94, 0.6)], (7, 8), ("a" * 64, "b" * 64))
    assert told.estimates[:3] == candidate.estimates
    assert [one.name for one in told.estimates[3:]] == ["recipe.accuracy"]
    assert told.artifact == candidate.artifact
    assert told.recipe is not None
    assert told.recipe.seeds == (7, 8)
    assert [one.by_seed for one in told.recipe.metrics] == [(0.90, 0.94)]


def test_another_number_of_seeds_asks_nothing_else_of_the_candidate() -> None:
    one, five = EvaluationSettings(), EvaluationSettings(seeds=5)
    assert one.of_test_rows == five.of_test_rows == one
    assert one.of_one_model == five.of_one_model
    assert not five.of_one_model.slices.search


@pytest.mark.parametrize("world", RECIPES[:3], ids=lambda world: world.name)
def test_a_gate_at_the_truth_of_a_recipe_is_seldom_passed(world: object) -> None:
    tally = run(world, 200, 1)["recipe.accuracy"]  # type: ignore[arg-type]
    assert tally.undetermined == 0
    assert tally.too_high <= 10
    assert tally.too_low <= 10


def test_the_interval_of_one_model_does_not_hold_its_recipe() -> None:
    """What the recipe's interval mends: that of a single model knows nothing of its seed."""
    random, rows, truth = np.random.default_rng(2), 2_000, 0.9
    own = random.binomial(rows, np.clip(random.normal(truth, 0.015, 400), 0, 1))
    told = [estimate_of_proportion("quality.accuracy", int(hits), rows) for hits in own]
    missed = [not one.ladder[0][0] <= truth <= one.ladder[0][1] for one in told]
    assert np.mean(missed) > 0.3
    by_three = [recipe_metric("accuracy", told[k : k + 3]).estimate for k in range(0, 399, 3)]
    missed = [not one.ladder[0][0] <= truth <= one.ladder[0][1] for one in by_three]
    assert np.mean(missed) < 0.05

"""Epsilon against the exact one where a formula gives it, and the noise that a target asks for."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from infra.errors import SettingsError
from tasks.training.privacy.accounting import Mechanism, noise_of
from tasks.training.privacy.spending import check_accountant, private_training
from tasks.training.privacy_settings import DifferentialPrivacySettings
from tasks.training.settings import TrainingSettings
from tests.unit.training.test_private_steps import rows_of

ERROR = 0.03  # of the composed distribution, twice the accountant's own and some more


def exact_gaussian(noise: float, delta: float) -> float:
    """Epsilon of one Gaussian mechanism of sensitivity 1 (Balle and Wang 2018, theorem 8)."""

    def delta_at(epsilon: float) -> float:
        first = stats.norm.cdf(1 / (2 * noise) - epsilon * noise)
        return float(first - np.exp(epsilon) * stats.norm.cdf(-1 / (2 * noise) - epsilon * noise))

    return float(optimize.brentq(lambda epsilon: delta_at(epsilon) - delta, 0, 600))


def exact_subsampled(noise: float, rate: float, delta: float) -> float:
    """Epsilon of one step with Poisson sampling, by integrating both orders of the hockey stick."""

    def density(x: float, *, with_row: bool) -> float:
        plain = stats.norm.pdf(x, 0, noise)
        return float((1 - rate) * plain + rate * stats.norm.pdf(x, 1, noise) if with_row else plain)

    def delta_at(epsilon: float) -> float:
        def excess(x: float, *, first: bool) -> float:
            above = density(x, with_row=first) - np.exp(epsilon) * density(x, with_row=not first)
            return max(0.0, above)

        ends = (-12 * noise, 12 * noise + 1)
        return max(
            integrate.quad(lambda x, f=first: excess(x, first=f), *ends, limit=500)[0]
            for first in (True, False)
        )

    return float(optimize.brentq(lambda epsilon: delta_at(epsilon) - delta, 1e-6, 50, xtol=1e-4))


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1), (4.0, 10), (20.0, 100)])
def test_all_rows_in_each_step_is_one_gaussian_mechanism(noise: float, steps: int) -> None:
    found = Mechanism(1.0, steps, 1e-5).epsilon(noise)
    exact = exact_gaussian(noise / steps**0.5, 1e-5)
    assert exact <= found <= exact + ERROR


@pytest.mark.parametrize(("noise", "rate"), [(1.0, 0.1), (2.0, 0.5), (0.7, 0.05)])
def test_one_step_of_a_sample_is_what_integration_gives(noise: float, rate: float) -> None:
    found = Mechanism(rate, 1, 1e-3).epsilon(noise)
    exact = exact_subsampled(noise, rate, 1e-3)
    assert exact - 1e-3 <= found <= exact + ERROR


def test_it_is_less_than_by_renyi_divergence() -> None:
    from opacus.accountants import RDPAccountant

    renyi = RDPAccountant()
    renyi.history = [(1.1, 0.02, 500)]
    found = Mechanism(0.02, 500, 1e-5).epsilon(1.1)
    assert 0.5 * renyi.get_epsilon(1e-5) < found < renyi.get_epsilon(1e-5)


def test_of_almost_no_noise_a_bound_is_told_at_once() -> None:
    """To compose such a loss took two minutes and six gigabytes, and gave infinity."""
    found = Mechanism(0.08, 156, 1e-5).epsilon(0.1)
    assert 1_000 < found < 10_000
    assert Mechanism(1.0, 10_000, 1e-5).epsilon(5.0) >= exact_gaussian(5.0 / 100, 1e-5) > 100


def test_more_steps_and_less_noise_spend_more_and_none_nothing() -> None:
    one = Mechanism(0.05, 200, 1e-5)
    assert one.epsilon(1.0) > one.epsilon(1.5) > one.epsilon(4.0)
    assert Mechanism(0.05, 400, 1e-5).epsilon(1.0) > one.epsilon(1.0)
    assert Mechanism(0.05, 0, 1e-5).epsilon(1.0) == 0.0


@pytest.mark.parametrize(
    "target",
    [pytest.param(0.5, marks=pytest.mark.slow), 3.0, pytest.param(8.0, marks=pytest.mark.slow)],
)
def test_the_noise_of_a_target_is_the_least(target: float) -> None:
    mechanism = Mechanism(0.05, 100, 1e-5)
    noise = noise_of(DifferentialPrivacySettings(target_epsilon=target), mechanism)
    assert mechanism.epsilon(noise) <= target
    assert mechanism.epsilon(noise * 0.99) > target


def test_a_target_that_no_noise_keeps_is_told() -> None:
    with pytest.raises(SettingsError, match=r"target_epsilon is 0.001, and 100 steps"):
        noise_of(DifferentialPrivacySettings(target_epsilon=1e-3), Mechanism(1.0, 100, 1e-5))


def test_delta_is_below_one_row(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [f"r{n}" for n in range(50)])
    asked = DifferentialPrivacySettings(target_epsilon=3, delta=0.02)
    with pytest.raises(SettingsError, match=r"is 0.02, and there are 50 .* below 0.02"):
        private_training(TrainingSettings(differential_privacy=asked), rows)


def test_what_is_spent_goes_by_the_steps_that_were_taken(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [f"r{n}" for n in range(50)])
    asked = DifferentialPrivacySettings(target_epsilon=3, delta=1e-3)
    settings = TrainingSettings(differential_privacy=asked, batch_size=8, epochs=4)
    private = private_training(settings, rows)
    assert private
    whole, half = private.spent(28), private.spent(14)
    assert 2.9 < whole.epsilon <= 3 < 2 * half.epsilon < 2 * whole.epsilon
    assert (whole.rows, whole.steps, whole.sample_rate) == (50, 28, 0.16)
    assert private.steps.rows_expected == 8
    assert private_training(TrainingSettings(), rows) is None


def test_a_missing_accountant_is_told_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opacus", None)
    monkeypatch.setattr("tasks.training.privacy.spending.find_spec", lambda _: None)
    asked = TrainingSettings(differential_privacy=DifferentialPrivacySettings(target_epsilon=3))
    check_accountant(TrainingSettings())
    with pytest.raises(SettingsError, match=r"install assayline\[privacy\]"):
        check_accountant(asked)
    monkeypatch.setitem(sys.modules, "opacus.accountants", None)
    with pytest.raises(SettingsError, match=r"install assayline\[privacy\]"):
        Mechanism(0.1, 1, 1e-5).epsilon(1.0)

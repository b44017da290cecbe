"""What the steps of a training with differential privacy come to, and the noise that they need.

A step takes each row with probability q (Poisson sampling) and adds noise of standard deviation
sigma to the sum of clipped gradients. Privacy loss random variables of many such steps are composed
numerically (Gopi, Lee and Wutschitz 2021, arXiv:2106.02848), by Opacus. Neighbouring data sets
differ in one row that is added or removed.
"""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.errors import SettingsError

if TYPE_CHECKING:
    from tasks.training.privacy_settings import DifferentialPrivacySettings

logger = logging.getLogger(__name__)

# Of the noise that is looked for, relative to the least.
_NOISE_TOLERANCE: Final = 1e-3
# Beyond these either nothing is private any more, or nothing is learned.
_LEAST_NOISE: Final = 0.1
_MOST_NOISE: Final = 1000.0
# Error in epsilon of the composed distribution, which is added to it.
_EPSILON_ERROR: Final = 0.01


@dataclass(frozen=True)
class Mechanism:
    """The steps of one training.

    Attributes:
        sample_rate: probability with which a row is in a step.
        steps: how many there are.
        delta: probability with which epsilon may not hold.

    """

    sample_rate: float
    steps: int
    delta: float

    def epsilon(self, noise_multiplier: float) -> float:
        """Upper end of the privacy loss for this noise; 0 without steps.

        Raises:
            SettingsError: the `privacy` extra is not installed.

        """
        if self.steps == 0:
            return 0.0
        with _told_once():
            from opacus.accountants import PRVAccountant

            accountant = PRVAccountant()
            accountant.history = [(noise_multiplier, self.sample_rate, self.steps)]
            spent = accountant.get_epsilon(
                self.delta, eps_error=_EPSILON_ERROR, delta_error=self.delta / 1000
            )
        return float(spent)

    def least_noise(self, target_epsilon: float) -> float:
        """The least noise multiplier whose epsilon is at most the target, to 0.1%.

        Raises:
            SettingsError: no noise that leaves anything to learn does; or the extra is missing.

        """
        low, high = _LEAST_NOISE, 1.0
        while not self._keeps(high, target_epsilon):
            low, high = high, 2 * high
            if high > _MOST_NOISE:
                raise SettingsError(
                    "training.differential_privacy.target_epsilon is "
                    f"{target_epsilon:g}, and {self.steps:,} steps with a row in "
                    f"{self.sample_rate:.3g} of them do not keep within it under any noise; raise "
                    "it, lower training.epochs, or train on more rows"
                )
        while high / low > 1 + _NOISE_TOLERANCE:
            middle = math.sqrt(low * high)
            if self._keeps(middle, target_epsilon):
                high = middle
            else:
                low = middle
        return high

    def _keeps(self, noise_multiplier: float, target_epsilon: float) -> bool:
        spent = self.epsilon(noise_multiplier)
        return math.isfinite(spent) and spent <= target_epsilon


def noise_of(settings: "DifferentialPrivacySettings", mechanism: Mechanism) -> float:
    """The noise multiplier that is set, or that the target asks for.

    Raises:
        SettingsError: there is none; or the extra is missing.

    """
    if settings.noise_multiplier is not None:
        return settings.noise_multiplier
    assert settings.target_epsilon is not None  # noqa: S101 - one of both, by the settings
    return mechanism.least_noise(settings.target_epsilon)


@contextmanager
def _told_once() -> Iterator[None]:
    """Opacus's imports, whose absence is told as a setting, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != "opacus":
                raise
            raise SettingsError(
                "training.differential_privacy needs Opacus, which counts what is spent; install "
                "assayline[privacy], or leave the setting out"
            ) from error

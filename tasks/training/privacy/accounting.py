"""What the steps of a training with differential privacy come to, and the noise that they need.

A step takes each row with probability q (Poisson sampling) and adds noise of standard deviation
sigma to the sum of clipped gradients. Privacy loss random variables of many such steps are composed
numerically (Gopi, Lee and Wutschitz 2021, arXiv:2106.02848), by Opacus. Neighbouring data sets
differ in one row that is added or removed.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.errors import SettingsError

if TYPE_CHECKING:
    from tasks.training.privacy_settings import DifferentialPrivacySettings

# Error in epsilon of the composed distribution, which is added to it.
_EPSILON_ERROR: Final = 0.01
# The noise that is looked for spends at least this share of the target.
_SPENT_SHARE: Final = 0.99
# Beyond this a row is not protected, and to compose its loss takes gigabytes and minutes.
_PRECISE_UP_TO: Final = 100.0


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

        Where the bound by Renyi divergence (Mironov, Talwar and Zhang 2019, arXiv:1908.10530) is
        above 100, it is told as it is.

        Raises:
            SettingsError: the `privacy` extra is not installed.

        """
        if self.steps == 0:
            return 0.0
        with _opacus_explained():
            from opacus.accountants import PRVAccountant, RDPAccountant

            renyi, exact = RDPAccountant(), PRVAccountant()
            renyi.history = exact.history = [(noise_multiplier, self.sample_rate, self.steps)]
            bound = float(renyi.get_epsilon(self.delta))
            if bound > _PRECISE_UP_TO:
                return bound
            return float(exact.get_epsilon(self.delta, eps_error=_EPSILON_ERROR))

    def least_noise(self, target_epsilon: float) -> float:
        """The least noise multiplier whose epsilon is at most the target, and at least 99% of it.

        Raises:
            SettingsError: no noise keeps within the target; or the extra is missing.

        """
        with _opacus_explained():
            from opacus.accountants.utils import get_noise_multiplier

            try:
                noise: float | None = float(
                    get_noise_multiplier(
                        target_epsilon=target_epsilon,
                        target_delta=self.delta,
                        sample_rate=self.sample_rate,
                        steps=self.steps,
                        accountant="prv",
                        epsilon_tolerance=(1 - _SPENT_SHARE) * target_epsilon,
                        eps_error=_EPSILON_ERROR,
                    )
                )
            except ValueError:  # no noise is enough
                noise = None
        if noise is None or not self.epsilon(noise) <= target_epsilon:  # which NaN is not, either
            raise SettingsError(
                f"training.differential_privacy.target_epsilon is {target_epsilon:g}, and "
                f"{self.steps:,} steps with a row in {self.sample_rate:.3g} of them do not keep "
                "within it under any noise; raise it, lower training.epochs, or train on more rows"
            )
        return noise


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
def _opacus_explained() -> Iterator[None]:
    """Turn a missing Opacus into one message, and keep its warnings to itself."""
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

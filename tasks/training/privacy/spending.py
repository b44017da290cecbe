"""From the settings of a training to its noisy steps, and to what these have spent in the end."""

import logging
import math
from dataclasses import dataclass, replace
from importlib.util import find_spec

from infra.errors import SettingsError
from tasks.records.training import Privacy
from tasks.training.batching import TokenizedRows
from tasks.training.privacy.accounting import Mechanism, noise_of
from tasks.training.privacy.noisy_steps import NoisySteps
from tasks.training.privacy.sampling import PoissonSampler
from tasks.training.settings import TrainingSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PrivateTraining:
    """A training with differential privacy.

    Attributes:
        sampler: draws the rows of each step.
        steps: make their gradients.
        mechanism: of all steps that it may take.

    """

    sampler: PoissonSampler
    steps: NoisySteps
    mechanism: Mechanism

    def spent(self, steps_taken: int) -> Privacy:
        """What so many steps come to, those before a resumption included.

        Epochs that were not kept count: which one is kept depends on all of them.
        """
        taken = replace(self.mechanism, steps=steps_taken)
        return Privacy(
            epsilon=taken.epsilon(self.steps.noise_multiplier),
            delta=taken.delta,
            noise_multiplier=self.steps.noise_multiplier,
            clip_norm=self.steps.clip_norm,
            sample_rate=taken.sample_rate,
            steps=steps_taken,
            rows=self.sampler.row_count,
        )


def check_accountant(settings: TrainingSettings) -> None:
    """Tell at once that what counts privacy loss is not installed.

    Raises:
        SettingsError: it is asked for and missing.

    """
    if settings.differential_privacy is not None and find_spec("opacus") is None:
        raise SettingsError(
            "training.differential_privacy is set, and Opacus, which counts what is spent, is not "
            "installed; install assayline[privacy], or leave the setting out"
        )


def private_training(settings: TrainingSettings, rows: TokenizedRows) -> PrivateTraining | None:
    """What draws and makes the steps of a training with differential privacy; None without.

    Raises:
        SettingsError: delta is too large for so many rows, or no noise keeps within the target.

    """
    asked = settings.differential_privacy
    if asked is None:
        return None
    sampler = PoissonSampler(rows, settings.batch_size, settings.seed)
    count = sampler.row_count
    if asked.delta * count >= 1:
        right = 10.0 ** math.floor(-math.log10(count) - 1)
        raise SettingsError(
            f"training.differential_privacy.delta is {asked.delta:g}, and there are {count:,} "
            f"training rows: one of them could be told whole; set it below {1 / count:.2g}, "
            f"{right:g} say"
        )
    mechanism = Mechanism(sampler.sample_rate, settings.epochs * len(sampler), asked.delta)
    noise = noise_of(asked, mechanism)
    steps = NoisySteps(asked.clip_norm, noise, sampler.sample_rate * count)
    logger.info(
        "differential privacy: noise of %.3f times the clipping norm %g in %s steps, with each of "
        "%s rows in a step with probability %.3g: epsilon %.3f at delta %g",
        noise, asked.clip_norm, f"{mechanism.steps:,}", f"{count:,}", mechanism.sample_rate,
        mechanism.epsilon(noise), asked.delta,
    )  # fmt: skip
    return PrivateTraining(sampler, steps, mechanism)

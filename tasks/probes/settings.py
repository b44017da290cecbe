"""Settings of the probes that a line asks for."""

from pydantic import Field

from infra.settings_models import SettingsModel
from tasks.probes.harm.settings import HarmSettings
from tasks.probes.language_bias.settings import LanguageBiasSettings
from tasks.probes.leave_one_domain_out.settings import LeaveOneDomainOutSettings
from tasks.probes.memory.settings import MemorySettings
from tasks.probes.out_of_distribution.settings import OutOfDistributionSettings
from tasks.probes.robustness.settings import RobustnessSettings


class ProbeSettings(SettingsModel):
    """Which probes are made of the trained model, beside its evaluation."""

    robustness: RobustnessSettings | None = Field(
        default=None,
        description="What small changes of the test texts do to the answers; without it, that is "
        "not probed. `{}` takes all defaults.",
    )
    language_bias: LanguageBiasSettings | None = Field(
        default=None,
        description="Which stereotypes a language model shows on published sentences and "
        "questions; without it, that is not probed.",
    )
    out_of_distribution: OutOfDistributionSettings | None = Field(
        default=None,
        description="Whether a classifier tells out-of-distribution texts, from a file of yours, "
        "from its own; without it, that is not probed. Of classification. See docs/abstention.md.",
    )
    leave_one_domain_out: LeaveOneDomainOutSettings | None = Field(
        default=None,
        description="How models do on a source, a group's rows or a span of time that they did not "
        "learn: trained once more without each, and held against the candidate on its test rows; "
        "without it, that is not probed. `{}` takes the sources of the line.",
    )
    memory: MemorySettings | None = Field(
        default=None,
        description="What it remembers of its training rows: whether a row was learned, planted "
        "secrets, and what it writes word for word; without it, that is not probed. `{}` asks the "
        "first alone.",
    )
    harm: HarmSettings | None = Field(
        default=None,
        description="What a model that writes should not write: terms of a lexicon, personal data "
        "and secrets in its texts to prompts of yours, and refusals where it should answer or the "
        "other way round; without it, that is not probed.",
    )

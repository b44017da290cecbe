"""Settings of the probes that a line asks for."""

from pydantic import Field

from infra.settings_models import SettingsModel
from tasks.probes.robustness.settings import RobustnessSettings


class ProbeSettings(SettingsModel):
    """Which probes are made of the trained model, beside its evaluation."""

    robustness: RobustnessSettings | None = Field(
        default=None,
        description="What small changes of the test texts do to the answers; without it, that is "
        "not probed. `{}` takes all defaults.",
    )

"""Settings of the look at a line's source between its retrainings."""

from pydantic import Field

from infra.settings_models import SettingsModel


class WatchSourceSettings(SettingsModel):
    """When the line's source is looked at, so that new data is trained on."""

    active: bool = Field(
        default=False,
        description="Whether `watch-source/LINE` looks at the source by itself: it fingerprints "
        "the source as a retraining does at its start, and starts `retrain/LINE` where it is "
        "another one than the newest retraining read. Started by hand it looks in any case.",
    )
    cron: str = Field(
        default="45 * * * *",
        pattern=r"^\S+( \S+){4}$",
        description="When it looks, as a cron line in UTC: minute, hour, day of the month, month, "
        "day of the week.",
    )

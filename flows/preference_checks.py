"""What of a line that learns from preferences can be refused before its models are looked up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid

if TYPE_CHECKING:
    from flows.config import RetrainConfig


def wrong_preference(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """What other settings of a line whose models learn against a reference leave no room for.

    Args:
        config: the line's settings.

    """
    if are_valid(config, "base_model") and config.base_model.scratch:
        yield WrongSetting(
            ("base_model", "scratch"),
            "base_model.scratch builds a model that has learned nothing, and models of task_type "
            f"{config.task_type} are held against the one that they begin with; name a base model "
            "that answers already, such as one that was tuned to instructions",
            "scratch",
        )

"""What of a line's pruning can be refused as its settings are read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.task_types.networks import why_no_compression

if TYPE_CHECKING:
    from flows.config import RetrainConfig


def wrong_pruning(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """What other settings of the line leave no room for.

    Args:
        config: the line's settings, with pruning.

    """
    if why := why_no_compression(config.task_type, "pruning"):
        yield WrongSetting(("pruning",), why, config.task_type)
    if are_valid(config, "training") and config.training.differential_privacy is not None:
        yield WrongSetting(
            ("pruning",),
            "what is cut away is told by training rows, without noise, and the recovery learns "
            "them again, so that the weights would tell more of a row than "
            "training.differential_privacy says; leave pruning out",
            "with training.differential_privacy",
        )

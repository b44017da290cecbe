"""What of a line would tell of its training rows beside weights that are trained privately."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid

if TYPE_CHECKING:
    from flows.config import RetrainConfig


def wrong_privacy(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """Settings under which the epsilon of the weights would not be what it says."""
    at = ("training", "differential_privacy")
    if are_valid(config, "distillation") and config.distillation is not None:
        yield WrongSetting(
            at,
            "the line learns from a teacher, which may have learned the same rows without noise; "
            "leave distillation out, or train the teacher privately and this line without",
            "with distillation",
        )
    if are_valid(config, "augmentation") and config.augmentation is not None:
        yield WrongSetting(
            at,
            "augmentation makes several training rows of one, and each would count by itself; "
            "leave augmentation out",
            "with augmentation",
        )
    if are_valid(config, "base_model") and config.base_model.scratch:
        yield WrongSetting(
            at,
            "base_model.scratch builds a tokenizer out of the training rows, without noise; name "
            "a base model, or build it from other rows in a line of its own",
            "with base_model.scratch",
        )
    if are_valid(config, "sweep") and config.sweep is not None:
        yield WrongSetting(
            at,
            "the line's sweep takes one of many trainings on the same rows, and which one it takes "
            "tells of them beyond epsilon; leave the sweep out, or choose on other rows",
            "with sweep",
        )

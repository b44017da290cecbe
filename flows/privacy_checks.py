"""What of a line would tell of its training rows beside weights that are trained privately."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from infra.settings_models import WrongSetting, are_valid

if TYPE_CHECKING:
    from flows.config import RetrainConfig

# Why the epsilon of the weights would not be what it says, by the section that is set beside.
_OTHER_WAYS: Final[Mapping[str, str]] = {
    "distillation": "the line learns from a teacher, which may have learned the same rows without "
    "noise; leave distillation out, or train the teacher privately and this line without",
    "augmentation": "augmentation makes several training rows of one, and each would count by "
    "itself; leave augmentation out",
    "sweep": "the line's sweep takes one of many trainings on the same rows, and which one it "
    "takes tells of them beyond epsilon; leave the sweep out, or choose on other rows",
}
_SCRATCH: Final = (
    "base_model.scratch builds a tokenizer out of the training rows, without noise; name a base "
    "model, or build it from other rows in a line of its own"
)


def wrong_privacy(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """Settings under which the epsilon of the weights would not be what it says."""
    at = ("training", "differential_privacy")
    for section, why in _OTHER_WAYS.items():
        if are_valid(config, section) and getattr(config, section) is not None:
            yield WrongSetting(at, why, f"with {section}")
    if are_valid(config, "base_model") and config.base_model.scratch:
        yield WrongSetting(at, _SCRATCH, "with base_model.scratch")

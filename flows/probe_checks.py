"""What of a line's probes can be refused before anything is trained."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.probes.robustness.rows import why_not_attacked, why_not_probed
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.task_types.labels.abstention import why_no_softmax
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.text_likelihood import why_no_likelihood

if TYPE_CHECKING:
    from flows.config import RetrainConfig

_AT = ("probes", "robustness")
_BIAS = ("probes", "language_bias")
_FAR = ("probes", "out_of_distribution")


def wrong_robustness(
    config: "RetrainConfig", robustness: RobustnessSettings
) -> Iterator[WrongSetting]:
    """Task types whose models cannot be asked about changed rows.

    Args:
        config: the line's settings.
        robustness: of these.

    """
    shape = shape_of(config.task_type)
    if why := why_not_probed(shape):
        yield WrongSetting(
            _AT,
            f"probes.robustness is not for task_type {config.task_type}: {why}; leave it out",
            config.task_type,
        )
    elif are_valid(robustness, "attack") and robustness.attack and (why := why_not_attacked(shape)):
        yield WrongSetting(
            (*_AT, "attack"),
            f"probes.robustness.attack is not for task_type {config.task_type}: {why}; leave it "
            "out",
            config.task_type,
        )


def wrong_language_bias(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """Task types whose models say of no text how likely it is.

    Args:
        config: the line's settings, with this probe.

    """
    if why := why_no_likelihood(config.task_type):
        yield WrongSetting(
            _BIAS,
            f"probes.language_bias is not for task_type {config.task_type}: {why}; leave it out",
            config.task_type,
        )


def wrong_out_of_distribution(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """Task types whose models have no logits of one label a row.

    Args:
        config: the line's settings, with this probe.

    """
    if why := why_no_softmax(config.task_type):
        yield WrongSetting(
            _FAR, f"probes.out_of_distribution: {why}; leave it out", config.task_type
        )

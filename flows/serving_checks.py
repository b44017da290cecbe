"""What of a line's serving can be refused as its settings are read."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.records.explanation import BY_CAPTUM, OF_TORCH
from tasks.task_types.labels.explained_numbers import why_no_explanation
from tasks.task_types.row_shapes import shape_of

if TYPE_CHECKING:
    from flows.config import RetrainConfig

_PAIR = 2


def wrong_serving(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """Entities for a line which has no use for them, and explanations that nobody can give.

    Args:
        config: the line's settings.

    """
    if not are_valid(config, "serving"):
        return
    yield from _wrong_entities(config)
    yield from _wrong_explanations(config)


def _wrong_entities(config: "RetrainConfig") -> Iterator[WrongSetting]:
    if config.serving.entities is None:
        return
    named = config.serving.entities.line
    if len(shape_of(config.task_type).entities) != _PAIR:
        yield WrongSetting(
            ("serving", "entities"),
            f"serving.entities names a line that finds entities, and a row of task_type "
            f"{config.task_type} marks no pair of them; leave it out",
            config.task_type,
        )
    elif named == config.line:
        yield WrongSetting(
            ("serving", "entities", "line"),
            f"serving.entities.line is {named!r}, this line itself, which finds no entities; name "
            "a line of task type tagging",
            named,
        )


def _wrong_explanations(config: "RetrainConfig") -> Iterator[WrongSetting]:
    explanations = config.serving.explanations
    if explanations is None:
        return
    if why := why_no_explanation(config.task_type):
        yield WrongSetting(
            ("serving", "explanations"), f"{why}; leave serving.explanations out", config.task_type
        )
        return
    place, method = ("serving", "explanations", "method"), explanations.method
    if method in BY_CAPTUM and find_spec("captum") is None:
        yield WrongSetting(
            place,
            f"{method} is by Captum, and the package captum is not installed; install "
            "assayline[explanation], or set method to occlusion",
            method,
        )
    if method in OF_TORCH and are_valid(config, "compression") and config.compression is not None:
        yield WrongSetting(
            place,
            f"serving.explanations.method is {method}, which asks for gradients or attention, and "
            "compression leaves neither; set method to occlusion",
            method,
        )

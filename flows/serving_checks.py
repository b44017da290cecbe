"""What of a line's serving can be refused as its settings are read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.task_types.row_shapes import shape_of

if TYPE_CHECKING:
    from flows.config import RetrainConfig

_PAIR = 2


def wrong_serving(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """A line that finds entities for another one which has no use for them.

    Args:
        config: the line's settings.

    """
    if not are_valid(config, "serving") or config.serving.entities is None:
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

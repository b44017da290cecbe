"""What of a line's augmentation can be refused before its rows are read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.errors import SettingsError
from infra.settings_models import WrongSetting, are_valid
from tasks.augmentation.methods import attribute_labels, told_of_attribute, why_not
from tasks.augmentation.settings import METHOD_NAMES, AugmentationSettings
from tasks.task_types.row_shapes import shape_of

if TYPE_CHECKING:
    from flows.config import RetrainConfig

_SWAPS = ("augmentation", "counterfactual", "swaps")


def wrong_augmentation(
    config: "RetrainConfig", augmentation: AugmentationSettings
) -> Iterator[WrongSetting]:
    """Methods after whose changes the labels of the line's rows would not hold.

    Args:
        config: the line's settings.
        augmentation: of these.

    """
    if not are_valid(augmentation, *METHOD_NAMES):
        return
    shape = shape_of(config.task_type)
    for method, _ in augmentation.chosen:
        if why := why_not(method, shape):
            yield WrongSetting(
                ("augmentation", method),
                f"augmentation.{method} is not for task_type {config.task_type}: {why}; leave it "
                "out",
                config.task_type,
            )
    if augmentation.swaps:
        yield from _wrong_swaps(config, augmentation.swaps)


def _wrong_swaps(config: "RetrainConfig", swaps: tuple[str, ...]) -> Iterator[WrongSetting]:
    """Lists whose words tell the label, and a label that is declared to be a group."""
    shape = shape_of(config.task_type)
    labels = tuple(config.contract.labels or ()) if are_valid(config.contract, "labels") else ()
    try:
        found = attribute_labels(swaps, labels)
    except SettingsError as error:
        yield WrongSetting(_SWAPS, str(error), list(swaps))
        return
    for name, same in found.items():
        yield WrongSetting(_SWAPS, told_of_attribute(name, same), name)
    column = shape.answered.name if shape.answered else ""
    named = getattr(config.source, "columns", {}).get(column, column)
    groups = set(config.source.group_columns)
    if groups & {column, named}:
        yield WrongSetting(
            ("augmentation", "counterfactual"),
            f"the label is the column {named!r}, which source.group_columns names as a protected "
            "attribute: a row about somebody else would need another label; leave counterfactual "
            "out",
            named,
        )

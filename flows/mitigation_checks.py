"""What of a line's mitigation can be refused as its settings are read."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from infra.settings_models import WrongSetting, are_valid
from tasks.mitigation.settings import MitigationSettings, ReweighingSettings
from tasks.task_types.learner import LEARNERS
from tasks.task_types.row_shapes import shape_of

if TYPE_CHECKING:
    from flows.config import RetrainConfig

_AT: Final = ("mitigation", "reweighing")
# Why the weights would not be what they say, by the section that is set beside.
_NOT_BESIDE: Final[Mapping[str, str]] = {
    "augmentation": "augmentation makes training rows of which nobody said whose they are, so that "
    "group and label would not be independent among all rows; leave one of the two out",
    "distillation": "the line learns from a teacher's answers, too, which know nothing of the "
    "weights; leave one of the two out",
    "sweep": "trials of the sweep count every row once, so that the point that is taken would not "
    "be what runs then; leave mitigation out of the line whose settings are tried",
}


def wrong_mitigation(
    config: "RetrainConfig", mitigation: MitigationSettings
) -> Iterator[WrongSetting]:
    """What other settings of the line leave no room for.

    Args:
        config: the line's settings.
        mitigation: of these.

    """
    if not are_valid(mitigation, "reweighing") or mitigation.reweighing is None:
        return
    yield from _wrong_task_type(config)
    for section, why in _NOT_BESIDE.items():
        if are_valid(config, section) and getattr(config, section) is not None:
            yield WrongSetting(_AT, why, f"with {section}")
    if are_valid(config, "training") and config.training.differential_privacy is not None:
        yield WrongSetting(
            _AT,
            "the weight of a row follows from all training rows, without noise, so that the model "
            "would tell more of a row than training.differential_privacy says; leave reweighing "
            "out",
            "with training.differential_privacy",
        )
    if are_valid(mitigation.reweighing, "attribute"):
        yield from _wrong_attribute(config, mitigation.reweighing)


def _wrong_task_type(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """Task types whose rows have not one label each, or whose loss takes no weights."""
    learns = "row_weights" in LEARNERS.load(config.task_type).methods
    if learns and shape_of(config.task_type).has_one_class:
        return
    known = [name for name in LEARNERS.names if "row_weights" in LEARNERS.load(name).methods]
    yield WrongSetting(
        _AT,
        f"rows are weighed by group and label where each has one label, which is of "
        f"{', '.join(known)}, and the task_type is {config.task_type}; leave reweighing out",
        config.task_type,
    )


def _wrong_attribute(
    config: "RetrainConfig", reweighing: ReweighingSettings
) -> Iterator[WrongSetting]:
    """An attribute that nothing assesses: what its weights do would be seen by nobody."""
    if not are_valid(config, "fairness") or not are_valid(
        config.fairness, "identity_attributes", "groups"
    ):
        return
    known = config.fairness.single_attributes(config.source.group_columns)
    if reweighing.attribute not in known:
        yield WrongSetting(
            (*_AT, "attribute"),
            f"nothing assesses it, so that nobody would see what its weights do; assessed are "
            f"{', '.join(known) or 'none'}: name one of these, or add it to source.group_columns "
            "or fairness.identity_attributes",
            reweighing.attribute,
        )
    elif reweighing.attribute in _label_columns(config):
        yield WrongSetting(
            (*_AT, "attribute"),
            "it is the column of the label, which cannot be independent of itself; name another",
            reweighing.attribute,
        )


def _label_columns(config: "RetrainConfig") -> set[str]:
    """The label's column, as rows have it and as the source does."""
    own = shape_of(config.task_type).label_column or ""
    return {own, getattr(config.source, "columns", {}).get(own, own)}

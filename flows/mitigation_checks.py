"""What of a line's mitigation can be refused as its settings are read."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from infra.settings_models import SettingsModel, WrongSetting, are_valid
from tasks.mitigation.settings import METHODS, MitigationSettings
from tasks.task_types.learner import LEARNERS
from tasks.task_types.row_shapes import shape_of

if TYPE_CHECKING:
    from flows.config import RetrainConfig

# Why a method would not do what it says, by the section that is set beside.
_NOT_BESIDE: Final[Mapping[str, str]] = {
    "augmentation": "augmentation makes training rows of which nobody said whose they are, so that "
    "mitigation would pass them over; leave one of the two out",
    "distillation": "the line learns from a teacher's answers, too, which mitigation does not "
    "reach; leave one of the two out",
    "sweep": "trials of the sweep are trained without mitigation, so that the point that is taken "
    "would not be what runs then; leave mitigation out of the line whose settings are tried",
}


def wrong_mitigation(
    config: "RetrainConfig", mitigation: MitigationSettings
) -> Iterator[WrongSetting]:
    """What other settings of the line leave no room for.

    Args:
        config: the line's settings.
        mitigation: of these.

    """
    for method in METHODS:
        if are_valid(mitigation, method) and getattr(mitigation, method) is not None:
            yield from _wrong_method(config, method, getattr(mitigation, method))


def _wrong_method(
    config: "RetrainConfig", method: str, settings: SettingsModel
) -> Iterator[WrongSetting]:
    at = ("mitigation", method)
    yield from _wrong_task_type(config, method)
    for section, why in _NOT_BESIDE.items():
        if are_valid(config, section) and getattr(config, section) is not None:
            yield WrongSetting(at, why, f"with {section}")
    if are_valid(config, "training"):
        yield from _wrong_training(config, method)
    if are_valid(settings, "attribute"):
        yield from _wrong_attribute(config, method, str(getattr(settings, "attribute", "")))


def _wrong_training(config: "RetrainConfig", method: str) -> Iterator[WrongSetting]:
    if config.training.differential_privacy is not None:
        yield WrongSetting(
            ("mitigation", method),
            f"what {method} does follows from all training rows, without noise, so that the model "
            "would tell more of a row than training.differential_privacy says; leave "
            f"{method} out",
            "with training.differential_privacy",
        )
    if method == "inlp" and are_valid(config, "pruning", "probes"):
        yield from _wrong_after_training(config)
    if method == "group_dro" and config.training.class_weights == "balanced":
        yield WrongSetting(
            ("mitigation", method),
            "its groups are of a label each, and what they weigh would be weighed by label again; "
            "leave training.class_weights out",
            "with training.class_weights: balanced",
        )


def _wrong_after_training(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """What would train the last layer again, or without what was taken out."""
    if config.pruning is not None:
        yield WrongSetting(
            ("mitigation", "inlp"),
            "what pruning leaves is trained on, last layer and all, and would learn again what was "
            "taken out of it; leave one of the two out",
            "with pruning",
        )
    if config.probes.memory is not None and config.probes.memory.shadows:
        yield WrongSetting(
            ("mitigation", "inlp"),
            "shadow models keep the last layer that they were trained with, and would not answer "
            "as the candidate does; set probes.memory.shadows to 0, or leave inlp out",
            "with probes.memory.shadows",
        )


def _wrong_task_type(config: "RetrainConfig", method: str) -> Iterator[WrongSetting]:
    """Task types whose rows have not one label each, or whose loss takes no weights."""
    learns = "row_weights" in LEARNERS.load(config.task_type).methods
    if learns and shape_of(config.task_type).has_one_class:
        return
    known = [name for name in LEARNERS.names if "row_weights" in LEARNERS.load(name).methods]
    yield WrongSetting(
        ("mitigation", method),
        f"{method} goes by group and label where each row has one label, which is of "
        f"{', '.join(known)}, and the task_type is {config.task_type}; leave {method} out",
        config.task_type,
    )


def _wrong_attribute(
    config: "RetrainConfig", method: str, attribute: str
) -> Iterator[WrongSetting]:
    """An attribute that nothing assesses: what its weights do would be seen by nobody."""
    if not are_valid(config, "fairness") or not are_valid(
        config.fairness, "identity_attributes", "groups"
    ):
        return
    known = config.fairness.single_attributes(config.source.group_columns)
    at = ("mitigation", method, "attribute")
    if attribute not in known:
        yield WrongSetting(
            at,
            f"nothing assesses it, so that nobody would see what its weights do; assessed are "
            f"{', '.join(known) or 'none'}: name one of these, or add it to source.group_columns "
            "or fairness.identity_attributes",
            attribute,
        )
    elif attribute in _label_columns(config):
        yield WrongSetting(
            at,
            "it is the column of the label, which cannot be independent of itself; name another",
            attribute,
        )


def _label_columns(config: "RetrainConfig") -> set[str]:
    """The label's column, as rows have it and as the source does."""
    own = shape_of(config.task_type).label_column or ""
    return {own, getattr(config.source, "columns", {}).get(own, own)}

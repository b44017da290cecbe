"""What of a line's probes can be refused before anything is trained."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.probes.harm.settings import HarmSettings
from tasks.probes.leave_one_domain_out.settings import (
    FAMILY,
    SOURCE,
    LeaveOneDomainOutSettings,
)
from tasks.probes.memory.row_loss_types import why_no_row_loss
from tasks.probes.memory.settings import MemorySettings
from tasks.probes.robustness.rows import why_not_attacked, why_not_probed
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.sources.settings import MixedSource
from tasks.task_types.canary_texts import why_no_canaries
from tasks.task_types.labels.abstention import why_no_softmax
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.text_likelihood import why_no_likelihood
from tasks.task_types.written_answers import why_no_refusals, why_nothing_written

if TYPE_CHECKING:
    from flows.config import RetrainConfig

_AT = ("probes", "robustness")
_BIAS = ("probes", "language_bias")
_FAR = ("probes", "out_of_distribution")
_MEMORY = ("probes", "memory")
_HARM = ("probes", "harm")
_DOMAINS = ("probes", FAMILY)
# What makes a candidate that shadow models are not made by.
_NOT_OF_SHADOWS = ("augmentation", "distillation", "pruning")
# Why a model without a domain would not be made as the candidate is, by the section beside.
_NOT_WITHOUT_A_DOMAIN = {
    "augmentation": "augmentation makes training rows of those of the domain, too",
    "distillation": "the line learns from a teacher, which may have learned the domain",
    "pruning": "what is cut away follows from all rows",
    "compression": "the model without the domain would not be compressed",
    "mitigation": "the weight of a row follows from all training rows",
}


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


def wrong_leave_one_domain_out(
    config: "RetrainConfig", settings: LeaveOneDomainOutSettings
) -> Iterator[WrongSetting]:
    """Columns that say no domain of the line's rows, and ways to make another candidate.

    Args:
        config: the line's settings.
        settings: of these.

    """
    for section, why in _NOT_WITHOUT_A_DOMAIN.items():
        if are_valid(config, section) and getattr(config, section) is not None:
            yield WrongSetting(
                _DOMAINS, f"{why}; leave {section} out, or probe a line without it",
                f"with {section}",
            )  # fmt: skip
    if are_valid(settings, "column") and settings.column == SOURCE:
        yield from _wrong_sources(config, settings)
    elif are_valid(settings, "column") and settings.column not in config.source.group_columns:
        known = ", ".join(config.source.group_columns) or "none"
        yield WrongSetting(
            (*_DOMAINS, "column"),
            f"it is no column that rows are kept with; right would be one of source.group_columns "
            f"({known}), or {SOURCE} in a line with several sources",
            settings.column,
        )


def _wrong_sources(
    config: "RetrainConfig", settings: LeaveOneDomainOutSettings
) -> Iterator[WrongSetting]:
    if not isinstance(config.source, MixedSource):
        yield WrongSetting(
            (*_DOMAINS, "column"),
            f"it is {SOURCE}, and the line has one source: nothing would be left to learn from; "
            "name several under sources, or one of source.group_columns here",
            SOURCE,
        )
        return
    if are_valid(settings, "span") and settings.span:
        yield WrongSetting(
            (*_DOMAINS, "span"),
            "names of sources are no dates; leave it out, or name a column of dates",
            settings.span,
        )
        return
    known = config.source.parts
    for place, value in enumerate(settings.values if are_valid(settings, "values") else ()):
        if value not in known:
            yield WrongSetting(
                (*_DOMAINS, "values", place),
                f"it is none of the sources, which are {', '.join(known)}",
                value,
            )


def wrong_memory(config: "RetrainConfig", memory: MemorySettings) -> Iterator[WrongSetting]:
    """Task types whose rows have no loss of their own, and parts that are not for all others.

    Args:
        config: the line's settings.
        memory: of these.

    """
    task_type = config.task_type
    if why := why_no_row_loss(task_type):
        yield WrongSetting(
            _MEMORY, f"probes.memory is not for task_type {task_type}: {why}; leave it out",
            task_type,
        )  # fmt: skip
        return
    parts = {"canaries": why_no_canaries(task_type), "overlap": why_nothing_written(task_type)}
    for part, why in parts.items():
        if why and are_valid(memory, part) and getattr(memory, part) is not None:
            yield WrongSetting(
                (*_MEMORY, part),
                f"probes.memory.{part} is not for task_type {task_type}: {why}; leave it out",
                task_type,
            )
    if are_valid(config, "compression") and config.compression is not None:
        yield WrongSetting(
            _MEMORY,
            "probes.memory asks for the loss that training has, and the network of an ONNX file "
            "has none; leave compression out, or probe a line without it",
            "with compression",
        )
    if are_valid(memory, "shadows") and memory.shadows:
        yield from _wrong_shadows(config)


def wrong_harm(config: "RetrainConfig", harm: HarmSettings) -> Iterator[WrongSetting]:
    """Task types whose models write no text, or answer no requests.

    Args:
        config: the line's settings.
        harm: of these.

    """
    task_type = config.task_type
    if why := why_nothing_written(task_type):
        yield WrongSetting(
            _HARM, f"probes.harm is not for task_type {task_type}: {why}; leave it out", task_type
        )
    elif are_valid(harm, "refusals") and harm.refusals and (why := why_no_refusals(task_type)):
        yield WrongSetting(
            (*_HARM, "refusals"),
            f"probes.harm.refusals is not for task_type {task_type}: {why}; leave it out",
            task_type,
        )


def _wrong_shadows(config: "RetrainConfig") -> Iterator[WrongSetting]:
    for section in _NOT_OF_SHADOWS:
        if are_valid(config, section) and getattr(config, section) is not None:
            yield WrongSetting(
                (*_MEMORY, "shadows"),
                f"shadow models learn halves of the training rows by themselves, and {section} "
                "would give them more of a row than its half; set probes.memory.shadows to 0, or "
                f"leave {section} out",
                f"with {section}",
            )

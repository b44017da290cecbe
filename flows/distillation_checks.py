"""What of a line's distillation can be refused before its teacher is looked up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.task_types.soft_labels import SOFT_LABELS, why_no_distillation
from tasks.tokenization.settings import DEFAULT_REFERENCE, ScratchSettings
from tasks.training.distillation.settings import OWN_ALIASES, DistillationSettings

if TYPE_CHECKING:
    from flows.config import RetrainConfig


def wrong_distillation(
    config: "RetrainConfig", distillation: DistillationSettings
) -> Iterator[WrongSetting]:
    """What other settings of the line leave no room for.

    Args:
        config: the line's settings.
        distillation: of these.

    """
    if why := why_no_distillation(config.task_type):
        yield WrongSetting(("distillation",), why, config.task_type)
    elif are_valid(distillation, "sequence_level", "hidden_states"):
        yield from _wrong_lesson(config.task_type, distillation)
    if are_valid(config, "pruning") and are_valid(distillation, "hidden_states"):
        yield from _cut_layers(config, distillation)
    if are_valid(distillation, "teacher"):
        yield from _wrong_teacher(config, distillation)
    if are_valid(distillation, "student_layers"):
        yield from _wrong_base(config, distillation)


def _wrong_lesson(task_type: str, distillation: DistillationSettings) -> Iterator[WrongSetting]:
    """What models of a task type cannot learn from a teacher."""
    if distillation.sequence_level and not SOFT_LABELS.load(task_type).writes:
        writing = [name for name in SOFT_LABELS.names if SOFT_LABELS.load(name).writes]
        yield WrongSetting(
            ("distillation", "sequence_level"),
            f"the student learns texts that its teacher writes, which is of {', '.join(writing)}, "
            f"and the task_type is {task_type}; leave sequence_level out",
            distillation.sequence_level,
        )
    if distillation.hidden_states and not SOFT_LABELS.load(task_type).has_states:
        known = [name for name in SOFT_LABELS.names if SOFT_LABELS.load(name).has_states]
        yield WrongSetting(
            ("distillation", "hidden_states"),
            f"they are of {', '.join(known)}, whose models are one stack of layers below their "
            f"answers, and the task_type is {task_type}; leave hidden_states out",
            task_type,
        )


def _cut_layers(
    config: "RetrainConfig", distillation: DistillationSettings
) -> Iterator[WrongSetting]:
    """A model whose layers are cut has no longer those that are compared."""
    pruning = config.pruning
    if distillation.hidden_states and pruning and pruning.layers:
        yield WrongSetting(
            ("distillation", "hidden_states"),
            f"the student learns its teacher's hidden states layer by layer, and pruning.layers "
            f"takes {pruning.layers} of them away before it recovers; keep one of the two",
            pruning.layers,
        )


def _wrong_teacher(
    config: "RetrainConfig", distillation: DistillationSettings
) -> Iterator[WrongSetting]:
    teacher = distillation.teacher
    if teacher.line == config.line and teacher.alias in OWN_ALIASES:
        yield WrongSetting(
            ("distillation", "teacher", "line"),
            f"the teacher is {teacher.alias} of {teacher.line}, this line itself: a promoted "
            "student would teach the next one. Name another line, or an alias of your own that "
            f"you set in MLflow on the version that shall teach; {', '.join(sorted(OWN_ALIASES))} "
            "are moved by the line",
            teacher.line,
        )


def _wrong_base(
    config: "RetrainConfig", distillation: DistillationSettings
) -> Iterator[WrongSetting]:
    base = config.base_model
    named = base.reference if base.reference != DEFAULT_REFERENCE else base.gguf_file
    if distillation.student_layers and (named or base.scratch):
        seen = repr(named) if named else "a model that is built from scratch"
        yield WrongSetting(
            ("distillation", "student_layers"),
            f"the student begins with layers {list(distillation.student_layers)} of its teacher, "
            f"and base_model names {seen}; keep one of the two",
            list(distillation.student_layers),
        )
    elif base.scratch:
        yield from _own_tokenizer(base.scratch)


def _own_tokenizer(scratch: ScratchSettings) -> Iterator[WrongSetting]:
    """What of a student that is built from scratch its teacher has settled."""
    for name in ("vocab_size", "tokenizer", "lowercase"):
        if not are_valid(scratch, name):
            continue
        seen = getattr(scratch, name)
        if seen != ScratchSettings.model_fields[name].default:
            yield WrongSetting(
                ("base_model", "scratch", name),
                "a student that is built from scratch reads by its teacher's tokenizer, since soft "
                f"labels are answers to the student's own tokens; leave {name} out",
                seen,
            )

"""What of a line's distillation can be refused before its teacher is looked up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.task_types.soft_labels import why_no_distillation
from tasks.tokenization.settings import DEFAULT_REFERENCE
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
    if are_valid(distillation, "teacher"):
        yield from _wrong_teacher(config, distillation)
    if are_valid(distillation, "student_layers"):
        yield from _wrong_base(config, distillation)


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
        yield WrongSetting(
            ("distillation",),
            "base_model.scratch trains a tokenizer of its own, and soft labels are the teacher's "
            "answers to the student's tokens, which it would not know; name a base_model with the "
            "teacher's tokenizer, or its layers in distillation.student_layers",
            "scratch",
        )

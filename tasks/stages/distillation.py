"""The teacher of a line, the layers that its student takes, and what it says of the rows."""

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records.data import DataReport
from tasks.records.distillation import Asked, Teacher
from tasks.records.lesson import SoftLabels
from tasks.records.training import BaseModel, Tokens
from tasks.stages.caching import cached_stage, look_up
from tasks.tokenization.settings import TokenizationSettings
from tasks.training.distillation.settings import DistillationSettings


@look_up
def pin_teacher(
    settings: DistillationSettings,
    base: BaseModel | None,
    task_type: str,
    tokenization: TokenizationSettings,
    labels: tuple[str, ...] | None,
    sizes: tuple[int, int] | None = None,
) -> Teacher:
    """Look up the teacher as it is now, and hold it against the line."""
    from tasks.registry.teacher import teacher_of
    from tasks.training.distillation.teacher import Student
    from tasks.training.distillation.teacher import pin_teacher as pin

    teacher = settings.teacher
    registered = None
    if teacher.line is not None:
        store, tracking = open_store(), open_tracking()
        registered = teacher_of(teacher.line, teacher.alias, store=store, tracking=tracking)
    lengths = tokenization.max_length, tokenization.max_target_length
    student = Student(task_type, base, lengths[0], labels, lengths[1], sizes)
    return pin(settings, registered, student)


@look_up
def check_teacher_labels(teacher: Teacher, data: DataReport) -> None:
    """Hold the teacher's labels against those of the rows."""
    from tasks.training.distillation.teacher import check_labels

    check_labels(teacher, data.labels)


@cached_stage()
def take_layers(teacher: Teacher, layers: tuple[int, ...], task_type: str) -> BaseModel:
    """Make a base model of some of the teacher's layers."""
    from tasks.training.distillation.student import take_layers as take

    return take(open_store(), teacher, layers, task_type)


@cached_stage(gpu=True)
def ask_teacher(tokens: Tokens, teacher: Teacher, task_type: str, asked: Asked) -> SoftLabels:
    """Ask the teacher about every training example, once."""
    from tasks.training.distillation.soft_labels import write_soft_labels

    return write_soft_labels(open_store(), tokens, teacher, task_type, asked)

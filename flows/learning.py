"""What a model starts from and learns from: a candidate's, and that of each trial of a sweep."""

from flows.config import RetrainConfig
from tasks.records.distillation import Teacher
from tasks.records.lesson import Lesson
from tasks.records.training import BaseModel, Tokens
from tasks.stages.distillation import ask_teacher, pin_teacher, take_layers
from tasks.stages.tokenization import pin_base_model


def find_models(config: RetrainConfig) -> tuple[BaseModel | None, Teacher | None]:
    """What training starts from, None where that is yet to be built, and whom it learns from."""
    settings, task_type = config.distillation, config.task_type
    layers = settings.student_layers if settings else None
    pretrained = None if layers else pin_base_model(config.base_model)
    if settings is None:
        return pretrained, None
    teacher = pin_teacher(
        settings, pretrained, task_type, config.tokenization.max_length, config.contract.labels
    )
    return (take_layers(teacher, layers, task_type) if layers else pretrained), teacher


def lesson_of(config: RetrainConfig, tokens: Tokens, teacher: Teacher | None) -> Lesson | None:
    """What the candidate learns from beside the labels."""
    settings = config.distillation
    if settings is None or teacher is None:
        return None
    labels = ask_teacher(tokens, teacher, config.task_type, settings.temperature)
    return Lesson(labels, settings.temperature, settings.weight)

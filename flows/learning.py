"""What a model starts from and learns from: a candidate's, and that of each trial of a sweep."""

from flows.config import RetrainConfig
from tasks.records.distillation import Teacher
from tasks.records.lesson import Lesson, Reference
from tasks.records.training import BaseModel, Tokens
from tasks.stages.distillation import ask_teacher, pin_teacher, take_layers
from tasks.stages.preference import ask_reference, pin_reference
from tasks.stages.tokenization import pin_base_model
from tasks.task_types.reference_answers import reads_reference


def find_models(config: RetrainConfig) -> tuple[BaseModel | None, Teacher | None]:
    """What training starts from, None where that is yet to be built, and whom it learns from."""
    settings, task_type = config.distillation, config.task_type
    layers = settings.student_layers if settings else None
    pretrained = None if layers else pin_base_model(config.base_model)
    if pretrained:
        reference_of(config, pretrained)  # what is wrong with it is said before rows are read
    if settings is None:
        return pretrained, None
    teacher = pin_teacher(
        settings, pretrained, task_type, config.tokenization.max_length, config.contract.labels
    )
    return (take_layers(teacher, layers, task_type) if layers else pretrained), teacher


def reference_of(config: RetrainConfig, base: BaseModel) -> BaseModel | None:
    """The model that the candidate is held against while it learns; None of most task types."""
    if not reads_reference(config.task_type):
        return None
    settings, length = config.training.on_preferences, config.tokenization.max_length
    return pin_reference(settings, base, config.task_type, length)


def lesson_of(
    config: RetrainConfig, tokens: Tokens, base_model: BaseModel, teacher: Teacher | None
) -> Lesson | Reference | None:
    """What the candidate learns from beside the labels, or is held against."""
    if reference := reference_of(config, base_model):
        return ask_reference(tokens, reference, config.task_type)
    settings = config.distillation
    if settings is None or teacher is None:
        return None
    labels = ask_teacher(tokens, teacher, config.task_type, settings.temperature)
    return Lesson(labels, settings.temperature, settings.weight)

"""What a model starts from and learns from: a candidate's, and that of each trial of a sweep."""

from dataclasses import replace

from flows.config import RetrainConfig
from tasks.records.back_translation import Translators
from tasks.records.distillation import Asked, Teacher
from tasks.records.lesson import Lesson, Reference
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.stages.back_translation import find_translated_languages, pin_translators
from tasks.stages.distillation import ask_teacher, pin_teacher, take_layers
from tasks.stages.preference import ask_reference, pin_reference
from tasks.stages.pruning import check_prunable, prune
from tasks.stages.tokenization import build_student, check_layers_licence, licensed_base_model
from tasks.stages.training import train
from tasks.task_types.reference_answers import reads_reference
from tasks.task_types.soft_labels import SOFT_LABELS
from tasks.training.settings import TrainingSettings


def find_models(config: RetrainConfig) -> tuple[BaseModel | None, Teacher | None]:
    """What training starts from, None where that is yet to be built, and whom it learns from."""
    settings, task_type = config.distillation, config.task_type
    layers = settings.student_layers if settings else None
    pretrained = None if layers else licensed_base_model(config.base_model)
    if pretrained:
        # What is wrong with it is said before rows are read.
        reference_of(config, pretrained)
        check_can_be_cut(config, pretrained)
    if settings is None:
        return pretrained, None
    scratch = config.base_model.scratch
    teacher = pin_teacher(
        settings, pretrained, task_type, config.tokenization, config.contract.labels,
        (scratch.layers, scratch.hidden_size) if scratch else None,
    )  # fmt: skip
    if pretrained:
        return pretrained, teacher
    if scratch:
        student = build_student(teacher.model, config.base_model)
    else:
        folder = settings.teacher.folder
        licence = check_layers_licence(folder, config.base_model) if folder else ""
        student = take_layers(teacher, layers or (), task_type)
        student = replace(student, licence=licence or teacher.model.licence)
    check_can_be_cut(config, student)
    return student, teacher


def find_translators(config: RetrainConfig) -> Translators | None:
    """Whom training rows are translated by; None where the line asks for no such rows."""
    if config.augmentation is None or config.augmentation.back_translation is None:
        return None
    return find_translated_languages(pin_translators(config.augmentation.back_translation))


def check_can_be_cut(config: RetrainConfig, base: BaseModel) -> None:
    """Refuse a base model of which pruning would leave nothing that can be loaded."""
    if config.pruning is not None:
        check_prunable(base, config.task_type, config.pruning)


def pruned(
    config: RetrainConfig,
    trained: Weights,
    tokens: Tokens,
    training: TrainingSettings,
    lesson: Lesson | Reference | None,
) -> Weights:
    """A trained model without what matters least in it, trained on; itself where nothing is cut."""
    if config.pruning is None:
        return trained
    task_type = config.task_type
    small = prune(trained, tokens, task_type, config.pruning)
    recovery = config.pruning.recovery(training)
    recovered = train(config.line, tokens, small.model, task_type, recovery, lesson)
    return replace(recovered, pruning=small.pruning)


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
    asked = Asked(
        settings.temperature,
        outputs=settings.weight > 0,
        writes=settings.sequence_level,
        layers=tuple(theirs for _, theirs in teacher.compared),
        rounds=config.training.epochs if SOFT_LABELS.load(config.task_type).drawn else 1,
    )
    labels = ask_teacher(tokens, teacher, config.task_type, asked)
    ours = tuple(own for own, _ in teacher.compared)
    weight = settings.hidden_states.weight if settings.hidden_states else 0.0
    return Lesson(labels, settings.temperature, settings.weight, ours, weight)

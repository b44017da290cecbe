"""The teacher by the digests of its files, and whether the line's model can learn from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.base_models import Fingerprint, fingerprint, locate, locate_pinned
from infra.errors import BaseModelError, SettingsError
from infra.transformers_logs import quiet_transformers
from tasks.records.distillation import RegisteredTeacher, Teacher
from tasks.records.evaluation import Champion
from tasks.records.training import BaseModel
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.soft_labels import SOFT_LABELS, why_no_distillation
from tasks.task_types.tokenizers import load_tokenizer, longest_text, vocabulary_digest
from tasks.training.distillation.settings import DistillationSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig

LABELS_SHOWN: Final = 8


@dataclass(frozen=True)
class Student:
    """What is known of a student before anything of it is made.

    Attributes:
        task_type: what it is for.
        base: what it begins with; None where that are layers of its teacher.
        max_length: tokens that it reads.
        labels: its label set; None where only the data will tell.

    """

    task_type: str
    base: BaseModel | None
    max_length: int
    labels: tuple[str, ...] | None


def pin_teacher(
    settings: DistillationSettings, registered: RegisteredTeacher | None, student: Student
) -> Teacher:
    """Find the teacher, take the digests of its files, and hold it against its student.

    Args:
        settings: of the distillation.
        registered: the version that they name; None where they name a folder.
        student: of the line.

    Raises:
        SettingsError: the student cannot learn from it; the message names all that is wrong.
        BaseModelError: its files are missing or incomplete, or those of the base model changed.
        StoreError: the store cannot be reached, or holds other weights than were registered.

    """
    reference, revision = _place(settings, registered)
    folder = locate(reference, revision)
    found = fingerprint(folder)
    model = BaseModel(reference, revision, found.sha256, found.tokenizer_sha256)
    with quiet_transformers():
        config = _config(folder)
        teacher = Teacher(
            model, registered.version if registered else Champion(f"the folder {reference}", 0, ""),
            _labels(config, student.task_type), int(getattr(config, "num_hidden_layers", 0)),
        )  # fmt: skip
        wrong = list(_wrong(settings, registered, teacher, student, folder, config))
    if wrong:
        raise SettingsError(f"{teacher.name} cannot teach this line: {'; '.join(wrong)}")
    return teacher


def check_labels(teacher: Teacher, labels: tuple[str, ...]) -> None:
    """Hold the teacher's labels against those of the line's rows, once these are known.

    Raises:
        SettingsError: they are others.

    """
    if wrong := _other_labels(teacher, labels):
        raise SettingsError(f"{teacher.name} cannot teach this line: {wrong}")


def _place(
    settings: DistillationSettings, registered: RegisteredTeacher | None
) -> tuple[str, str | None]:
    if registered:  # the weights that the version was made of, at an address of their digest
        return registered.version.weights_uri, registered.version.weights_sha256
    return settings.teacher.folder or "", None


def _config(folder: Path) -> "PretrainedConfig":
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"{folder}/config.json cannot be loaded: {error}") from error


def _labels(config: Any, task_type: str) -> tuple[str, ...]:
    if shape_of(task_type).label_column is None:
        return ()
    return tuple(str(label) for _, label in sorted(config.id2label.items()))


def _wrong(
    settings: DistillationSettings,
    registered: RegisteredTeacher | None,
    teacher: Teacher,
    student: Student,
    folder: Path,
    config: "PretrainedConfig",
) -> Iterator[str]:
    """All that keeps the student from learning, each with the setting, the value and a way out."""
    if other_task := _other_task(registered, student.task_type, config):
        yield other_task
        return  # the rest would follow from it
    if student.labels is not None and (labels := _other_labels(teacher, student.labels)):
        yield labels
    if student.base and (tokens := _other_tokens(folder, student.base)):
        yield tokens
    missing = [layer for layer in settings.student_layers or () if layer >= teacher.layers]
    if missing:
        yield (
            f"distillation.student_layers names {missing}, and it has {teacher.layers} layers; "
            f"right would be some of 0 to {teacher.layers - 1}"
        )
    longest = longest_text(folder, load_tokenizer(folder))
    if student.max_length > longest:
        yield (
            f"tokenization.max_length is {student.max_length}, and it takes at most {longest} "
            f"tokens; set it to {longest} or less"
        )


def _other_task(
    registered: RegisteredTeacher | None, task_type: str, config: "PretrainedConfig"
) -> str:
    """Why a model is of another task type than its student; empty where it is of the same."""
    if why := why_no_distillation(task_type):
        return why
    if registered and registered.task_type != task_type:
        return (
            f"distillation.teacher names a model of task type {registered.task_type}, and the "
            f"line is of {task_type}; name one of {task_type}"
        )
    soft = SOFT_LABELS.load(task_type)
    classes = _classes_of(soft.auto_class, config)
    made_as = [str(name) for name in config.architectures or ()]
    lacking = [name for name in soft.needed_in_config if not hasattr(config, name)]
    seen = ""
    if not classes.intersection(made_as):
        seen = f"is a {' or '.join(made_as) or 'model that does not say of which kind'}"
    elif getattr(config, "problem_type", None) not in {None, soft.problem_type}:
        seen = f"has the problem_type {config.problem_type}"
    elif lacking:
        seen = f"has no {' and no '.join(lacking)} in its config.json"
    if not seen:
        return ""
    wanted = [" or ".join(sorted(classes)) or f"one that {soft.auto_class} knows"]
    wanted += [f"problem_type {soft.problem_type}"] if soft.problem_type else []
    return (
        f"distillation.teacher {seen}, and the line is of {task_type}; right would be a trained "
        f"model of {task_type} ({', '.join(wanted)})"
    )


def _classes_of(auto_class: str, config: "PretrainedConfig") -> set[str]:
    """Classes of transformers that models of this configuration have with such a head."""
    import transformers

    mapping = getattr(transformers, auto_class)._model_mapping  # noqa: SLF001 - nothing public says
    found = mapping.get(type(config), ())
    return {one.__name__ for one in (found if isinstance(found, tuple) else (found,))}


def _other_labels(teacher: Teacher, labels: tuple[str, ...]) -> str:
    if not labels or set(labels) == set(teacher.labels):
        return ""
    return (
        f"its labels are {_listed(teacher.labels)}, and the line's (contract.labels, or those of "
        f"the rows) are {_listed(labels)}; right would be the same set"
    )


def _listed(labels: tuple[str, ...]) -> str:
    more = f" and {len(labels) - LABELS_SHOWN} more" if len(labels) > LABELS_SHOWN else ""
    return ", ".join(sorted(labels)[:LABELS_SHOWN]) + more


def _other_tokens(folder: Path, base: BaseModel) -> str:
    """Why the teacher cannot read the student's tokens; empty where it can."""
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    own = locate_pinned(base.reference, base.revision, pinned)
    ours, theirs = vocabulary_digest(own), vocabulary_digest(folder)
    if ours == theirs:
        return ""
    return (
        f"it reads texts by another tokenizer (vocabulary {theirs[:12]}) than base_model "
        f"{base.reference!r} ({ours[:12]}), and soft labels are its answers to the student's own "
        "tokens; name a base_model with its tokenizer, or take its layers "
        "(distillation.student_layers)"
    )

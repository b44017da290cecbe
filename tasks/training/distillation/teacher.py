"""The teacher by the digests of its files, and whether the line's model can learn from it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
        base: what it begins with; None where that are layers of its teacher, or random weights.
        max_length: tokens that it reads.
        max_target_length: tokens that it writes; 0: max_length.
        sizes: layers and width of random weights; None where it begins otherwise.
        labels: its label set; None where only the data will tell.

    """

    task_type: str
    base: BaseModel | None
    max_length: int
    labels: tuple[str, ...] | None
    max_target_length: int = 0
    sizes: tuple[int, int] | None = None


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
    licence = registered.licence if registered else ""
    model = BaseModel(reference, revision, found.sha256, found.tokenizer_sha256, licence)
    with quiet_transformers():
        config = _config(folder)
        depth, width = sizes_of(config)
        teacher = Teacher(
            model, registered.version if registered else Champion(f"the folder {reference}", 0, ""),
            _labels(config, student.task_type), depth, width,
        )  # fmt: skip
        teacher = replace(teacher, compared=_compared(settings, teacher, student))
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


def sizes_of(config: "PretrainedConfig") -> tuple[int, int]:
    """Layers of a model's stack, and the width of their hidden states; 0 where it does not say."""
    text = config.get_text_config()
    layers, width = (int(getattr(text, name, 0)) for name in ("num_hidden_layers", "hidden_size"))
    return layers, width


def _sizes_of_student(
    settings: DistillationSettings, teacher: Teacher, student: Student
) -> tuple[int, int]:
    if student.sizes:
        return student.sizes
    if student.base is None:
        return len(settings.student_layers or ()), teacher.width
    return sizes_of(_config(_folder_of(student.base)))


def _compared(
    settings: DistillationSettings, teacher: Teacher, student: Student
) -> tuple[tuple[int, int], ...]:
    """Layers of student and teacher whose hidden states are compared; none where they are not.

    The teacher's is at the same share of its depth: ``g(m) = m N / M`` of TinyBERT's uniform map.
    """
    asked, (depth, _) = settings.hidden_states, _sizes_of_student(settings, teacher, student)
    if asked is None or not depth:
        return ()
    own = range(depth + 1) if asked.layers is None else asked.layers
    return tuple((layer, (2 * layer * teacher.layers + depth) // (2 * depth)) for layer in own)


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
    if student.base and (tokens := _other_tokens(folder, student.base, student.task_type)):
        yield tokens
    if settings.hidden_states and (other := _not_one_stack(config, student)):
        yield other
    else:
        yield from _other_sizes(settings, teacher, student)
    missing = [layer for layer in settings.student_layers or () if layer >= teacher.layers]
    if missing:
        yield (
            f"distillation.student_layers names {missing}, and it has {teacher.layers} layers; "
            f"right would be some of 0 to {teacher.layers - 1}"
        )
    longest = longest_text(folder, load_tokenizer(folder))
    writes = SOFT_LABELS.load(student.task_type).writes
    for name in ("max_length", "max_target_length") if writes else ("max_length",):
        if (length := getattr(student, name)) > longest:
            yield (
                f"tokenization.{name} is {length}, and it takes at most {longest} tokens; set it "
                f"to {longest} or less"
            )


def _not_one_stack(config: "PretrainedConfig", student: Student) -> str:
    """Why there are no layers of one stack to compare; empty where there are."""
    configs = [config, *([_config(_folder_of(student.base))] if student.base else [])]
    for one in configs:
        if one.is_encoder_decoder or not sizes_of(one)[0]:
            return (
                "distillation.hidden_states compares the layers of one stack, and a model of type "
                f"{one.model_type} has an encoder and a decoder, or does not say how many layers "
                "it has; leave hidden_states out"
            )
    return ""


def _other_sizes(
    settings: DistillationSettings, teacher: Teacher, student: Student
) -> Iterator[str]:
    """Why vectors of both models cannot be compared number by number."""
    states = settings.hidden_states
    depth, width = _sizes_of_student(settings, teacher, student)
    asked = "distillation.hidden_states" if states else ""
    if SOFT_LABELS.load(student.task_type).same_width and settings.weight:
        asked = f"task_type {student.task_type}"
    if asked and width != teacher.width:
        yield (
            f"{asked} compares vectors of one width, and its hidden states have {teacher.width} "
            f"numbers where those of base_model have {width}; name a base_model of width "
            f"{teacher.width}, or take its layers (distillation.student_layers)"
            + ("" if asked.startswith("task_type") else ", or leave hidden_states out")
        )
    if states and (above := [layer for layer in states.layers or () if layer > depth]):
        yield (
            f"distillation.hidden_states.layers names {above}, and the student has {depth} layers; "
            f"right would be some of 0 to {depth}"
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


def _folder_of(base: BaseModel) -> Path:
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    return locate_pinned(base.reference, base.revision, pinned)


def _other_tokens(folder: Path, base: BaseModel, task_type: str) -> str:
    """Why the teacher cannot read the student's tokens; empty where it can."""
    own = _folder_of(base)
    ours, theirs = vocabulary_digest(own), vocabulary_digest(folder)
    if ours == theirs:
        return _other_masks(folder, own) if SOFT_LABELS.load(task_type).drawn else ""
    return (
        f"it reads texts by another tokenizer (vocabulary {theirs[:12]}) than base_model "
        f"{base.reference!r} ({ours[:12]}), and soft labels are its answers to the student's own "
        "tokens; name a base_model with its tokenizer, or take its layers "
        "(distillation.student_layers)"
    )


def _other_masks(folder: Path, own: Path) -> str:
    """Why two tokenizers of one vocabulary would not hide the same words in the same way."""
    ours, theirs = (
        (len(one), one.mask_token_id, sorted(one.all_special_ids))
        for one in map(load_tokenizer, (own, folder))
    )
    if ours == theirs:
        return ""
    return (
        f"its tokenizer has {theirs[0]:,} tokens, the mask {theirs[1]} and the special tokens "
        f"{theirs[2]}, and that of base_model {ours[0]:,}, {ours[1]} and {ours[2]}, so that they "
        "would not read the same masked words; copy its tokenizer files to the base_model"
    )

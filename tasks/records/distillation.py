"""What a student learns from: its teacher, and what that says of the training rows."""

from dataclasses import dataclass

from infra.store import Artifact
from tasks.records.evaluation import Champion
from tasks.records.training import BaseModel


@dataclass(frozen=True)
class Teacher:
    """A trained model that a student learns from, by digest.

    Attributes:
        model: its files; of a registered version the weights in the store that it was made of.
        version: as a candidate is compared with it; of a folder with the version 0, and without
            rows that it was trained on.
        labels: what each of its outputs stands for, in their order; none where they have no names.
        layers: of its stack of layers.

    """

    model: BaseModel
    version: Champion
    labels: tuple[str, ...]
    layers: int

    @property
    def name(self) -> str:
        """In words, for messages and pages."""
        return self.version.name


@dataclass(frozen=True)
class RegisteredTeacher:
    """A registered version that an alias names, and what its registration says of it.

    Attributes:
        version: as a candidate is compared with it.
        task_type: what it is for.

    """

    version: Champion
    task_type: str


@dataclass(frozen=True)
class SoftLabels:
    """What a teacher says of every training example, in the order of the tokens.

    Attributes:
        shards: Arrow files, one behind the other; each with row_id and the columns that the task
            type keeps of the teacher's outputs.
        teacher: the teacher in words.
        teacher_sha256: digest of its configuration and weights.
        rows: examples.

    """

    shards: tuple[Artifact, ...]
    teacher: str
    teacher_sha256: str
    rows: int


@dataclass(frozen=True)
class Lesson:
    """What a training learns from beside its labels.

    Attributes:
        soft_labels: of the training examples.
        temperature: by which the logits of both models are divided before they are compared.
        weight: share of the soft loss; the hard one has the rest.

    """

    soft_labels: SoftLabels
    temperature: float
    weight: float

"""What a training learns from beside its labels."""

from dataclasses import dataclass

from infra.store import Artifact


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

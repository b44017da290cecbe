"""What a training learns from beside its labels, or is held against."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.store import Artifact
from tasks.records.training import BaseModel


@dataclass(frozen=True)
class SoftLabels:
    """What a teacher says of every training example, in the order of the tokens.

    Attributes:
        shards: Arrow files, one behind the other; each with row_id and the columns that the task
            type keeps of the teacher's outputs.
        teacher: the teacher in words.
        teacher_sha256: digest of its configuration and weights.
        rows: examples.
        rounds: how often each example was drawn anew, as masked words are; the shards of a round
            stand behind those of the one before.

    """

    shards: tuple[Artifact, ...]
    teacher: str
    teacher_sha256: str
    rows: int
    rounds: int = 1


@dataclass(frozen=True)
class Lesson:
    """What a training learns from beside its labels.

    Attributes:
        soft_labels: of the training examples.
        temperature: by which the logits of both models are divided before they are compared.
        weight: share of the soft loss; the hard one has the rest.
        layers: of the student whose hidden states are compared with those that are kept, in their
            order, 0 for the embeddings; none where they are not.
        states_weight: factor of the loss on them, which is added.

    """

    soft_labels: SoftLabels
    temperature: float
    weight: float
    layers: tuple[int, ...] = ()
    states_weight: float = 0.0

    @property
    def shards(self) -> Mapping[str, tuple[Artifact, ...]]:
        """What stands beside the examples of a split; nothing is said of validation rows."""
        return {"train": self.soft_labels.shards}


@dataclass(frozen=True)
class Reference:
    """A reference model, and what it holds of every example, in the order of the tokens.

    Attributes:
        model: by the digests of its files.
        train: Arrow files, one behind the other, each with row_id and what the task type keeps.
        validation: likewise.
        rows: examples of both.

    """

    model: BaseModel
    train: tuple[Artifact, ...]
    validation: tuple[Artifact, ...]
    rows: int

    @property
    def shards(self) -> Mapping[str, tuple[Artifact, ...]]:
        """What stands beside the examples of a split."""
        return {"train": self.train, "validation": self.validation}

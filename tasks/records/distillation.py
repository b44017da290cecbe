"""Whom a student learns from."""

from dataclasses import dataclass

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
        width: of its hidden states; 0 where the configuration does not say.
        compared: of each pair of hidden states that are compared, the layer of the student and
            that of this model, 0 for the embeddings; none where they are not.

    """

    model: BaseModel
    version: Champion
    labels: tuple[str, ...]
    layers: int
    width: int = 0
    compared: tuple[tuple[int, int], ...] = ()

    @property
    def name(self) -> str:
        """In words, for messages and pages."""
        return self.version.name


@dataclass(frozen=True)
class Asked:
    """What a teacher is asked about each training example.

    Attributes:
        temperature: of the loss on its outputs.
        outputs: whether these are asked for.
        writes: whether it first writes the text that the student learns, in place of the row's.
        layers: whose hidden states are asked for, 0 for the embeddings.
        rounds: how often an example whose collation draws something is drawn anew; each draw is
            asked about.

    """

    temperature: float
    outputs: bool = True
    writes: bool = False
    layers: tuple[int, ...] = ()
    rounds: int = 1


@dataclass(frozen=True)
class RegisteredTeacher:
    """A registered version that an alias names, and what its registration says of it.

    Attributes:
        version: as a candidate is compared with it.
        task_type: what it is for.
        licence: of the base model that it was made of, which its own line accepted; empty where
            its files state none.

    """

    version: Champion
    task_type: str
    licence: str = ""

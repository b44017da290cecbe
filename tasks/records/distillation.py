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

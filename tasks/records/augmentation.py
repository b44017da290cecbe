"""New training rows, each made of one there was."""

from dataclasses import dataclass

from infra.store import Artifact


@dataclass(frozen=True)
class ChangedText:
    """A row and what was made of it, each by its start."""

    before: str
    after: str


@dataclass(frozen=True)
class MethodRows:
    """What one method came to.

    Attributes:
        method: its name, as in the settings.
        share: of the training rows that were to be made.
        asked: rows that this is.
        made: rows that are learned from.
        left_out: rows that were made, or could not be, by reason.
        examples: some of those that are learned from.

    """

    method: str
    share: float
    asked: int
    made: int
    left_out: dict[str, int]
    examples: tuple[ChangedText, ...] = ()


@dataclass(frozen=True)
class Augmentation:
    """The new rows of a line, which are learned from beside its training rows.

    Attributes:
        artifact: Parquet sorted by row_id: row_id (SHA-256 of what the model reads), split (all
            train), the columns of the task type, cluster (of the parent, where it has one),
            parent_id (row_id of the training row that it was made of) and method.
        rows: of it.
        parents: training rows that at least one of them was made of.
        training_rows: that there were before.
        methods: in the order in which they made rows.
        translators: the versions that back-translated, in words; empty where none did.

    """

    artifact: Artifact
    rows: int
    parents: int
    training_rows: int
    methods: tuple[MethodRows, ...]
    translators: str = ""

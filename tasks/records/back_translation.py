"""Training texts that were translated into another language and back."""

from dataclasses import dataclass

from infra.store import Artifact


@dataclass(frozen=True)
class Translator:
    """A registered version of a translation line, by the digest of its weights.

    Attributes:
        line: name of the registered model.
        version: in MLflow.
        weights: those that it was made of.
        data: the clean rows that it was trained on; None where nothing says which.
        max_length: tokens of a text that it reads.
        target_length: tokens that it writes at most.

    """

    line: str
    version: int
    weights: Artifact
    data: Artifact | None
    max_length: int
    target_length: int

    @property
    def name(self) -> str:
        """In words, for messages and pages."""
        return f"version {self.version} of {self.line}"


@dataclass(frozen=True)
class Translators:
    """The two that translate there and back.

    Attributes:
        to: reads the line's language.
        back: writes it.
        language: the one that is read and written, as ISO 639-1 code; empty where the rows of
            neither tell it.
        between: the other one, likewise.

    """

    to: Translator
    back: Translator
    language: str = ""
    between: str = ""

    @property
    def name(self) -> str:
        """In words, for pages and tags."""
        return f"{self.to.name} and {self.back.name}"


@dataclass(frozen=True)
class BackTranslations:
    """What the two made of training texts.

    Attributes:
        artifact: Parquet in the order in which rows are drawn: row_id, text (as it was read),
            between, back (both null where a translator could not read or write the whole) and
            reason (why no new row may be made of it; empty where one may).
        rows: of it.
        translators: who made them.

    """

    artifact: Artifact
    rows: int
    translators: Translators

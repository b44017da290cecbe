"""Which source a retraining read, and what a look at the source of a line came to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceUse:
    """The source that a retraining read.

    Attributes:
        sha256: of the `SourceVersion`.
        files: that it was made of, with those that were taken back in.
        size_bytes: of all of them.
        run: the Prefect flow run that read it; empty outside of one.
        at: when, ISO 8601 in UTC.

    """

    line: str
    sha256: str
    files: int
    size_bytes: int
    run: str
    at: str


@dataclass(frozen=True)
class SourceLook:
    """What a look at the source of a line came to.

    Attributes:
        now: the source as it is.
        used: that the newest retraining read; None where none is known.
        run: the retraining that this look started, or that reads this source anyway; empty where
            none is called for.
        is_started: whether this look started it.
        note: one sentence.

    """

    line: str
    now: SourceUse
    used: SourceUse | None
    run: str
    is_started: bool
    note: str

    @property
    def is_new(self) -> bool:
        """Whether the source is another one than the newest retraining read."""
        return self.used is None or self.used.sha256 != self.now.sha256

"""What small changes of the test texts do to a candidate's answers."""

from dataclasses import dataclass, field

from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate


@dataclass(frozen=True)
class MovedAnswer:
    """A row whose answer is another after a change.

    Attributes:
        row_id: of the test row.
        before: the answer to the text as it is.
        after: the answer to the changed text.
        text_before: excerpt around the first change.
        text_after: the same of the changed text.
        shift: how far the score moves.

    """

    row_id: str
    before: str
    after: str
    text_before: str
    text_after: str
    shift: float


@dataclass(frozen=True)
class Perturbed:
    """One kind of change at one strength.

    Attributes:
        kind: its name.
        does: what it does, in words.
        strength: share of words, characters or places; None of a kind without one.
        keeps_answer: whether the right answer stays, so that there are gates on it.
        changed: test rows that it changed before the cut, on which the numbers rest.
        same_tokens: of these, rows that the model reads as before; their answer cannot move.
        tried: test rows that were looked at.
        flip_rate: share of the changed rows whose answer is another; of a kind that may change the
            right answer as well.
        score_shift: mean over them of how far the score moves.
        drops: how much worse the leading metrics are than on the same rows as they are; empty where
            the right answer may be another.
        moved: some of the rows that flip, farthest first.

    """

    kind: str
    does: str
    strength: float | None
    keeps_answer: bool
    changed: int
    same_tokens: int
    tried: int
    flip_rate: Estimate
    score_shift: Estimate
    drops: tuple[Estimate, ...] = ()
    moved: tuple[MovedAnswer, ...] = ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All of its numbers."""
        return (self.flip_rate, self.score_shift, *self.drops)


@dataclass(frozen=True)
class Attack:
    """A search for the worst small change of rows that the model gets right.

    Attributes:
        rows: that were attacked.
        queries: texts that the model was asked in all.
        queries_per_row: that it might be asked for one row.
        max_changed: share of a row's words that could be changed.
        flip_rate: share of the rows for which a change was found that moves the answer: at least so
            many can be moved, since a longer search may find more.
        changed_words: mean share of the words changed, over the rows that moved; None without any.
        moved: some of these.

    """

    rows: int
    queries: int
    queries_per_row: int
    max_changed: float
    flip_rate: Estimate
    changed_words: float | None
    moved: tuple[MovedAnswer, ...] = ()


@dataclass(frozen=True)
class Robustness:
    """The robustness probes of a candidate.

    Attributes:
        rows: test rows that there are.
        asked: changed texts that the model was asked about, those of the attack apart.
        data_sha256: digest of the clean rows that the test rows are of.
        seed: of all that was drawn.
        probed: each kind at each strength.
        attack: None where none was asked for.
        on: day of the probes, in UTC.

    """

    rows: int
    asked: int
    data_sha256: str
    seed: int
    probed: tuple[Perturbed, ...]
    attack: Attack | None = None
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        found = (estimate for one in self.probed for estimate in one.estimates)
        return (*found, *((self.attack.flip_rate,) if self.attack else ()))

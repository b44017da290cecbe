"""Golden sets and behaviour suites: rows of the user's own that no model learns from."""

from dataclasses import dataclass
from typing import Literal

from infra.store import Artifact
from tasks.records.data import Snapshot, SourceFile
from tasks.records.evaluation import SliceResult
from tasks.verdicts import Estimate

# The setting below evaluation that names it, and the family of its estimates.
GoldenKind = Literal["golden", "behaviour"]


@dataclass(frozen=True)
class GoldenFiles:
    """What a golden set is made of, as it was found."""

    kind: GoldenKind
    name: str
    files: tuple[SourceFile, ...]


@dataclass(frozen=True)
class GoldenSet:
    """An immutable copy of a golden set.

    Attributes:
        snapshot: its rows, all of the split test.
        functionality_column: of a behaviour suite, the group column that holds what a row tries;
            empty otherwise.
        rows_by_functionality: of a behaviour suite, by what they try.

    """

    kind: GoldenKind
    name: str
    snapshot: Snapshot
    functionality_column: str = ""
    rows_by_functionality: tuple[tuple[str, int], ...] = ()

    @property
    def setting(self) -> str:
        """The setting that names it."""
        return f"evaluation.{self.kind}.{self.name}"

    @property
    def family(self) -> str:
        """The first parts of its estimates' names."""
        return f"{self.kind}.{self.name}"


@dataclass(frozen=True)
class GoldenSets:
    """All golden sets and behaviour suites of a line."""

    sets: tuple[GoldenSet, ...]


@dataclass(frozen=True)
class FailedCase:
    """A row of a behaviour suite whose answer is not the expected one.

    Attributes:
        text: the start of what the model read.
        expected: what it should have answered.
        answered: what it did.

    """

    text: str
    expected: str
    answered: str


@dataclass(frozen=True)
class FunctionalityResult:
    """How the candidate does on the rows that try one thing.

    Attributes:
        pass_rate: share of rows whose answer is the expected one.
        champion: the same share of the champion; None where there is none to ask.
        failed: a few rows that do not pass.

    """

    name: str
    rows: int
    pass_rate: Estimate
    champion: float | None
    failed: tuple[FailedCase, ...]


@dataclass(frozen=True)
class GoldenSetScores:
    """What the candidate and the champion say of one golden set or behaviour suite.

    Attributes:
        artifact: Parquet with a row each, as `Scores.artifact` has them.
        duplicates_dropped: rows that are equal to an earlier one in every column.
        estimates: golden.NAME.METRIC and golden.NAME.METRIC_gain, golden.NAME.slice.*; of a suite
            behaviour.NAME.pass_rate and behaviour.NAME.FUNCTIONALITY.pass_rate.
        champion_note: why the champion is not compared; empty where it is.
        functionalities: of a suite, worst first.
        left_out_note: which rows the champion is not compared on, since it was trained on them;
            empty where it is compared on all.

    """

    kind: GoldenKind
    name: str
    artifact: Artifact
    rows: int
    duplicates_dropped: int
    estimates: tuple[Estimate, ...]
    champion_version: int | None
    champion_note: str
    slices: tuple[SliceResult, ...] = ()
    functionalities: tuple[FunctionalityResult, ...] = ()
    left_out_note: str = ""


@dataclass(frozen=True)
class GoldenScores:
    """What was measured on all golden sets and behaviour suites."""

    sets: tuple[GoldenSetScores, ...]

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Those of all sets."""
        return tuple(estimate for one in self.sets for estimate in one.estimates)

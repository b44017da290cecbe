"""What the trials of a sweep come to, and which of them is taken."""

from dataclasses import dataclass, field
from typing import Any

from infra.store import Artifact
from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate


@dataclass(frozen=True)
class ValidationScores:
    """How a trained model does on the validation rows; no test row is read.

    Attributes:
        artifact: Parquet, one row a validation row: row_id, row_score from 0 to 1.
        rows: validation rows.
        estimates: quality.*, with intervals.
        size_bytes: of all files of the model.

    """

    artifact: Artifact
    rows: int
    estimates: tuple[Estimate, ...]
    size_bytes: int


@dataclass(frozen=True)
class WorstGroup:
    """The group with the lowest mean row score among those of rows enough.

    Attributes:
        group: as attribute.group; empty where no group has rows enough.
        score: mean row score of its rows, 0 to 1; None likewise.
        rows: of the group.

    """

    group: str
    score: float | None
    rows: int


@dataclass(frozen=True)
class Timing:
    """How fast a model answers, measured in turns with another one.

    Attributes:
        latency_ms: median over turns of the milliseconds a row, texts to answers.
        ratio: its time over the other model's for the same rows, with Student's t of paired
            timings; exactly 1 of the model itself.

    """

    latency_ms: float = field(metadata=NOT_IDENTITY)
    ratio: Estimate = field(metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Measurement:
    """A number with the ends of its 95% interval; both the number itself where it is exact."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep, finished.

    Attributes:
        number: from 1, in the order in which they were finished.
        settings: the values that were tried, by dotted name.
        reason: why it came to nothing; empty where it came to numbers.
        quality: in the sweep's metric, over validation rows; the mean over its seeds.
        worst_group: its mean row score, and its name as attribute.group; None where no group has
            rows enough.
        latency: its time over the reference trial's, and `latency_ms` the milliseconds a row.
        size_bytes: of the model's files.
        training_s: seconds of one training, the mean over its seeds.
        weights_sha256: digest of each seed's weights.
        run_ids: MLflow run of each training.

    """

    number: int
    settings: dict[str, Any]
    reason: str = ""
    quality: Measurement | None = None
    worst_group: tuple[float, str] | None = None
    latency: Measurement | None = None
    latency_ms: float = 0.0
    size_bytes: int = 0
    training_s: float = 0.0
    weights_sha256: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class SweepResult:
    """All trials of a sweep, and what they say.

    Attributes:
        line: the model line.
        study: its name in the database of sweeps.
        metric: that quality is measured in.
        greater_is_better: whether more of it is better.
        rows: validation rows that quality rests on.
        planned: trials that were asked for.
        trials: finished ones, by number.
        front: numbers of the trials that no other is as good as in all and better than in one.
        best: number of the trial of the best quality; None where all came to nothing.
        taken: number of the trial that the policy takes; None likewise.
        rule: by which it is taken, in words.
        machine_hour_cost: money an hour; None where cost is told in hours.
        note: why fewer trials than planned were made; empty where they were made.

    """

    line: str
    study: str
    metric: str
    greater_is_better: bool
    rows: int
    planned: int
    trials: tuple[Trial, ...]
    front: tuple[int, ...]
    best: int | None
    taken: int | None
    rule: str
    machine_hour_cost: float | None = None
    note: str = ""

    @property
    def told(self) -> tuple[Trial, ...]:
        """The trials that came to numbers."""
        return tuple(one for one in self.trials if one.quality is not None)

    def cost_of(self, trial: Trial) -> float:
        """What one training of a trial costs: money, or hours of the machine."""
        return trial.training_s / 3600 * (self.machine_hour_cost or 1.0)


@dataclass(frozen=True)
class SweepOutcome:
    """What a run of a sweep came to.

    Attributes:
        settings: the taken point as a line's file has it, as YAML.
        page_uri: the page in the store.
        page_url: where MLflow shows it.

    """

    result: SweepResult
    settings: str
    settings_uri: str
    page_uri: str
    page_url: str

    @property
    def taken_settings(self) -> dict[str, Any]:
        """The taken point, by dotted name."""
        result = self.result
        return next(dict(one.settings) for one in result.trials if one.number == result.taken)

"""What a window of recorded rows came to, and what the windows of a line came to together."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.store import Artifact
from tasks.verdicts import Verdict


@dataclass(frozen=True)
class WatchedVersion:
    """The version in production, and what its windows are compared with.

    Attributes:
        version: number in the MLflow registry, under the line's name.
        weights_sha256: digest of the weights that it was made of.
        clean: the clean rows that it was made with; without an address where nothing says so.
        scores: what it answered to the held-out rows when it was evaluated; likewise.

    """

    line: str
    version: int
    weights_sha256: str
    task_type: str
    labels: tuple[str, ...]
    clean: Artifact
    scores: Artifact


@dataclass(frozen=True)
class WindowCheck:
    """What one check says of a window.

    Attributes:
        name: of drift ``drift.*``, of answers ``predictions.*``; of labels that came the metric of
            the gate, for example ``quality.macro_f1``.
        effect: what the number measures.
        rule: the limit in words, for example ``below 0.1`` or ``at least 0.8``.
        value: None where it cannot be told.
        low: lower end of its interval; high: its upper end.
        p_value: of no difference; None where the interval alone is judged.
        rows: of the window that it rests on.
        reason: one sentence.
        rows_needed: of the window, that would tell if the effect is what it seems; None where the
            check is settled or no number of rows nearby would.

    """

    name: str
    effect: str
    rule: str
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    rows: int
    verdict: Verdict
    reason: str
    rows_needed: int | None = None


@dataclass(frozen=True)
class MonitoredValue:
    """A number over the labels that came, with its interval at 95%; value None with the reason."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    reason: str = ""


@dataclass(frozen=True)
class LabelledRows:
    """Quality and fairness of a window, by the labels that had come when they were measured.

    People label what they choose to, so these rows are a selected sample of the window's.

    Attributes:
        waited_hours: after the window's end, up to which labels counted.
        feedback_rows: that came in these hours, of any window.
        rows: of the window with a label of the line's label set, at most as many as are read.
        unknown_labels: rows of the window whose label is not of the label set.
        checks: one for each gate of the policy on quality.* and fairness.* with a threshold.
        values: what was measured.
        note: why nothing was, or what is to be known of it; empty where there is nothing.

    """

    waited_hours: int
    feedback_rows: int
    rows: int
    unknown_labels: int
    checks: tuple[WindowCheck, ...]
    values: tuple[MonitoredValue, ...]
    note: str = ""


@dataclass(frozen=True)
class Window:
    """What the recorded rows of some hours came to; written once, and never judged again.

    Attributes:
        start: of its first hour, UTC.
        hours: its length.
        version: the one in production when it was judged; weights_sha256, data_sha256 and
            scores_sha256: of what it is and of what it is compared with.
        settings_sha256: of the settings that decide what its checks say: of the monitor, and of
            the gates and how they are measured.
        rows: recorded in the window, by role; rows of scored batches as ``scored``.
        rows_of_version: those that this version answered.
        rows_read: of which the inputs were compared, at most ``monitor.max_rows``.
        unreadable: rows whose inputs or answer are not what the task type has.
        level: that a check's p-value must lie below for the window to count against it.
        label_shares: (when evaluated, in the window) by label.
        mean_confidence: (when evaluated, in the window); None where answers have no score.
        median_length: of the inputs in characters (of the training rows, in the window).
        latency_p95_ms: of requests; None where there were none.
        checks: of inputs and answers.
        verdict: fail if a check fails, pass if all pass, else undetermined.
        labelled: by the labels that had come when the window was judged; measured again later, see
            `WatchedWindow`.
        unanswered: rows that this version was asked and did not answer.
        empty_answers: (when evaluated, in the window) share of the answers that hold nothing, where
            the model writes them; None where it does not.

    """

    line: str
    start: datetime
    hours: int
    version: int
    weights_sha256: str
    data_sha256: str
    scores_sha256: str
    settings_sha256: str
    rows: dict[str, int]
    rows_of_version: int
    rows_read: int
    unreadable: int
    level: float
    label_shares: dict[str, tuple[float, float]]
    mean_confidence: tuple[float, float] | None
    median_length: tuple[float, float] | None
    latency_p95_ms: float | None
    checks: tuple[WindowCheck, ...]
    verdict: Verdict
    labelled: LabelledRows
    unanswered: int = 0
    empty_answers: tuple[float, float] | None = None

    @property
    def end(self) -> datetime:
        """Of its last hour, UTC."""
        return self.start + timedelta(hours=self.hours)


@dataclass(frozen=True)
class WatchedWindow:
    """A window with the newest count of the labels that came for it."""

    window: Window
    labelled: LabelledRows

    @property
    def checks(self) -> tuple[WindowCheck, ...]:
        """Of inputs and answers, and of labels as they are known now."""
        return (*self.window.checks, *self.labelled.checks)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that fail."""
        return tuple(check.name for check in self.checks if check.verdict is Verdict.FAIL)

    @property
    def verdict(self) -> Verdict:
        """Fail if any check fails, of labels too; else what inputs and answers say."""
        return Verdict.FAIL if self.failed else self.window.verdict


@dataclass(frozen=True)
class Alarm:
    """That checks failed in so many of the last windows.

    Attributes:
        start: of the window that completed it.
        version: in production.
        checks: names of the checks.
        sentence: the same in words.

    """

    line: str
    start: datetime
    version: int
    checks: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Monitored:
    """What a run of the monitor came to.

    Attributes:
        version: in production; None where there is none, and then nothing was done.
        judged: windows that this run judged, by their start, as ISO 8601.
        measured_again: windows whose labels this run counted again.
        skipped: windows that were too old to be caught up with.
        verdict: of the newest window, with its labels; None where there is none.
        alarms: that this run raised, in words.
        page_url: of the page in MLflow; page_uri: in the store; empty where there is none.
        note: one sentence.

    """

    line: str
    version: int | None
    judged: tuple[str, ...] = ()
    measured_again: tuple[str, ...] = ()
    skipped: int = 0
    verdict: Verdict | None = None
    alarms: tuple[str, ...] = ()
    page_url: str = ""
    page_uri: str = ""
    note: str = ""


def as_hour(moment: datetime) -> str:
    """A window's start, as people and addresses have it: ``2026-11-28T05:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:00Z")

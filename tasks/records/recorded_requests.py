"""What is kept of served requests and of feedback on them: Parquet in the store, by hour.

``requests/LINE/YYYY/MM/DD/HH/WRITER-SEQUENCE.parquet`` holds one row for each row of a request, and
``feedback/LINE/YYYY/MM/DD/HH/WRITER-SEQUENCE.parquet`` one for each row that somebody said the true
label of. The hour (UTC) is that of ``received_at``. WRITER is drawn anew by each process that
serves, and SEQUENCE counts its files, so that no two processes write the same object; an object is
put whole and never changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

# What the version that answered is to the line.
Role = Literal["production", "shadow", "canary"]

_Key = TypeVar("_Key")
REQUESTS: Final = "requests"
FEEDBACK: Final = "feedback"
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """One row of a request, with its answer.

    Attributes:
        request_id: of the request, as the answer's header X-Request-Id names it.
        row: its place in the request, from 0.
        received_at: when the request came, UTC.
        version: number of the version that answered, in the MLflow registry.
        weights_sha256: digest of the weights that it was made of.
        role: what the version is to the line.
        inputs: JSON object, column to value; personal data is redacted.
        answer: the answer as JSON, redacted likewise; ``null`` where there is none.
        confidence: the answer's score; None where it has none.
        latency_ms: milliseconds from the request's arrival to its last answer or failure; from when
            the version was asked, where another one had been asked before: in shadow, and of
            production in place of a candidate.
        error: what became of a row that was not answered: ``failed`` (the model cannot answer it)
            or ``unanswered`` (not in time, or its process ended); empty where it was.

    """

    request_id: str
    row: int
    received_at: datetime
    version: int
    weights_sha256: str
    role: Role
    inputs: str
    answer: str
    confidence: float | None
    latency_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """What somebody said of one row of a request.

    Attributes:
        request_id: of the request; nothing checks that it was recorded.
        row: its place in the request, from 0.
        label: the true label as JSON; personal data is redacted.
        received_at: when the feedback came, UTC.
        by: who said so, as the sender names them; empty where nobody is named.

    """

    request_id: str
    row: int
    label: str
    received_at: datetime
    by: str


class SaidLabel(NamedTuple):
    """A label that somebody gave to a row; of several, the greatest is the newest.

    Attributes:
        received_at: when, UTC.
        label: as JSON.
        uri: of the object that holds it; place: of its row there, from 1.

    """

    received_at: datetime
    label: str
    uri: str
    place: int

    @classmethod
    def read(
        cls, received_at: datetime | None, label: str | None, uri: str, place: int
    ) -> "SaidLabel":
        """What an object holds, where both may be missing."""
        return cls(received_at or _LONG_AGO, label or "", uri, place)


def counts(by: str | None, names: Sequence[str]) -> bool:
    """Whether what a sender said is to be believed.

    Args:
        by: as feedback names its sender.
        names: whose feedback counts; none: everybody's.

    """
    return not names or by in names


def keep_newest(newest: dict[_Key, SaidLabel], key: _Key, said: SaidLabel) -> None:
    """Keep what was said last of each row, in whatever order it is read.

    Of two labels of one moment the greater text counts.
    """
    newest[key] = max(said, newest.get(key, said))


@cache
def requests_schema() -> "pa.Schema":
    """The columns of recorded requests: the fields of `RecordedRow`."""
    import pyarrow as pa

    return pa.schema(
        [
            ("request_id", pa.string()),
            ("row", pa.int32()),
            ("received_at", pa.timestamp("us", "UTC")),
            ("version", pa.int32()),
            ("weights_sha256", pa.string()),
            ("role", pa.string()),
            ("inputs", pa.string()),
            ("answer", pa.string()),
            ("confidence", pa.float64()),
            ("latency_ms", pa.float64()),
            ("error", pa.string()),
        ]
    )


# Columns that came later, and what a row of an object that lacks one holds there.
ADDED_LATER: Final = {"error": ""}


@cache
def feedback_schema() -> "pa.Schema":
    """The columns of feedback: the fields of `FeedbackRow`."""
    import pyarrow as pa

    return pa.schema(
        [
            ("request_id", pa.string()),
            ("row", pa.int32()),
            ("label", pa.string()),
            ("received_at", pa.timestamp("us", "UTC")),
            ("by", pa.string()),
        ]
    )


def hour_folder(kind: str, line: str, moment: datetime) -> tuple[str, ...]:
    """Where the records of an hour lie in the artifacts bucket.

    Args:
        kind: `REQUESTS`, `FEEDBACK` or `SCORED` (the index of scored batches).
        line: that was asked.
        moment: any of the hour, with its time zone.

    """
    return (kind, line, *moment.astimezone(UTC).strftime("%Y/%m/%d/%H").split("/"))


def hours_between(since: datetime, until: datetime) -> Iterator[datetime]:
    """The hours, UTC, that hold what was received in a span of time.

    Args:
        since: with its time zone.
        until: likewise; its own hour is left out where it just begins.

    """
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour < until:
        yield hour
        hour += timedelta(hours=1)

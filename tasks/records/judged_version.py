"""A version with all that it was judged by, as it is kept for who decides on it later."""

import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from tasks.records.evaluation import Champion, Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores
from tasks.records.registry import Judgement, Report, Staged, Version


@dataclass(frozen=True)
class JudgedVersion:
    """A registered version, what was measured of it, and what its policy said.

    Attributes:
        champion: whom it was compared with; None where there was none.
        staged: how it served; None where its evidence did not get that far.
        golden: of golden sets and behaviour suites; None where the line has none.

    """

    version: Version
    judgement: Judgement
    report: Report
    champion: Champion | None
    staged: Staged | None
    scores: Scores
    fairness: Fairness
    golden: GoldenScores | None


def to_bytes(judged: JudgedVersion) -> bytes:
    """The record as JSON; the same bytes for the same record."""
    return json.dumps(asdict(judged), sort_keys=True, ensure_ascii=False).encode()


def from_bytes(content: bytes) -> JudgedVersion:
    """What `to_bytes` wrote.

    Raises:
        ValueError: it is nothing of the kind.

    """
    return TypeAdapter(JudgedVersion).validate_json(content)

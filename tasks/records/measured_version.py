"""The numbers of a version with their intervals, as a file of its MLflow run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import TypeAdapter

from tasks.verdicts import Estimate

ESTIMATES_FILE: Final = "estimates.json"


@dataclass(frozen=True)
class MeasuredVersion:
    """What is known of a version of a line.

    Attributes:
        version: its number.
        rows: of the test split that it was measured on.
        estimates: with their intervals.

    """

    version: int
    rows: int
    estimates: tuple[Estimate, ...]


def estimates_bytes(rows: int, estimates: Sequence[Estimate]) -> bytes:
    """The numbers as JSON; the same bytes for the same numbers."""
    told = {"rows": rows, "estimates": [asdict(estimate) for estimate in estimates]}
    return json.dumps(told, sort_keys=True, ensure_ascii=False).encode()


def read_estimates(version: int, content: bytes) -> MeasuredVersion:
    """What `estimates_bytes` wrote.

    Raises:
        ValueError: it is nothing of the kind.

    """
    told = json.loads(content)
    if not isinstance(told, dict) or not {"rows", "estimates"} <= told.keys():
        raise ValueError("it holds no rows and estimates")
    estimates = TypeAdapter(tuple[Estimate, ...]).validate_python(told["estimates"])
    return MeasuredVersion(version, int(told["rows"]), estimates)

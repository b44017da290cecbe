"""What a step of the check finds, written line by line, so that a step that is cut off keeps it."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

# skipped: it could be checked elsewhere, as on a GPU. lacking: the product has no such way.
Verdict = Literal["pass", "fail", "skipped", "lacking"]
SHOWN: Final[dict[Verdict, str]] = {
    "pass": "PASS", "fail": "FAIL", "skipped": "SKIPPED", "lacking": "N.A.",
}  # fmt: skip
ERROR_CHARS: Final = 300


@dataclass(frozen=True)
class Check:
    """Whether something is right, and what was seen."""

    name: str
    verdict: Verdict
    said: str


@dataclass(frozen=True)
class Figure:
    """Something that was measured, or a word for what was found; it decides no verdict.

    Attributes:
        goal: what it should come to, in words; empty where nothing was asked.

    """

    name: str
    value: float | str | bool
    unit: str = ""
    goal: str = ""


class Report:
    """Where a step writes what it finds."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, name: str, *, right: bool, said: str) -> None:
        """Something that must be right."""
        self._write(Check(name, "pass" if right else "fail", said))

    def close(self, name: str, found: float, expected: float, *, share: float) -> None:
        """A number that must be another one, up to a share of that one; no number is never."""
        apart = abs(found - expected) / max(abs(expected), 1e-12)
        said = f"{found:.7g} and {expected:.7g}: {apart:.1e} apart, at most {share:.0e}"
        self.check(name, right=apart <= share, said=said)

    def at_most(self, name: str, found: float, limit: float) -> None:
        """A difference that may not be larger; no number is too large."""
        self.check(name, right=found <= limit, said=f"{found:.2e}, at most {limit:.0e}")

    def skip(self, name: str, why: str) -> None:
        """Something that cannot be checked here."""
        self._write(Check(name, "skipped", why))

    def lacks(self, name: str, why: str) -> None:
        """Something that the product cannot do."""
        self._write(Check(name, "lacking", why))

    def figure(self, name: str, value: float | str, unit: str = "", goal: str = "") -> None:
        """Something that was measured."""
        if isinstance(value, float) and not math.isfinite(value):
            value = str(value)  # JSON has no such number
        self._write(Figure(name, value, unit, goal))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part of a step whose error is a failed check, and hides no other part."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # it is told, and fails the run
            words = (str(error).strip().splitlines() or [""])[0][:ERROR_CHARS]
            self.check(name, right=False, said=f"{type(error).__name__}: {words}")

    def _write(self, finding: Check | Figure) -> None:
        kind = type(finding).__name__.lower()
        line = json.dumps({"kind": kind, **asdict(finding)}, allow_nan=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_findings(path: Path) -> tuple[list[Check], list[Figure]]:
    """What a step wrote, up to its last whole line."""
    checks: list[Check] = []
    figures: list[Figure] = []
    if not path.exists():
        return checks, figures
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        values = json.loads(line)
        if values.pop("kind") == "check":
            checks.append(Check(**values))
        else:
            figures.append(Figure(**values))
    return checks, figures

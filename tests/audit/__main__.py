"""Audit the code with bandit, and the pinned packages against known vulnerabilities.

``python -m tests.audit --tools FOLDER [--advisories FILE]``; `make audit` installs the tools and
calls it. Exit codes: 0 all was checked and nothing found; 1 something was found; 3 nothing was
found in what could be checked, and some packages could not be.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from tests.audit.advisories import read_advisories, vulnerabilities

ROOT: Final = Path(__file__).parents[2]
CODE: Final = ("flows", "tasks", "infra", "benchmarks")
# pip-audit asks these, PyPI first, since a package may be unknown to one of them.
SERVICES: Final = ("pypi", "osv")
SERVICE_TIMEOUT_S: Final = 600
SHOWN: Final = 8
EXIT_FOUND, EXIT_NOT_ALL_CHECKED = 1, 3


@dataclass
class Audit:
    """What is known of the pinned packages.

    Attributes:
        pinned: version by name.
        found: ids of advisories by name, for each package that was checked.
        unchecked: why the last service that was asked did not check a package, by name.

    """

    pinned: dict[str, str]
    found: dict[str, set[str]] = field(default_factory=dict)
    unchecked: dict[str, str] = field(default_factory=dict)

    def add(self, report: str) -> None:
        """Add what pip-audit reports as JSON."""
        for one in json.loads(report)["dependencies"]:
            if "skip_reason" in one:
                self.unchecked[canonicalize_name(one["name"])] = one["skip_reason"]
            else:
                known = self.found.setdefault(canonicalize_name(one["name"]), set())
                known.update(advisory["id"] for advisory in one["vulns"])

    @property
    def missing(self) -> dict[str, str]:
        """Packages that nobody checked, each with the reason."""
        return {
            name: self.unchecked.get(name, "no service answered")
            for name in self.pinned
            if name not in self.found
        }


def read_pins(constraints: Path) -> dict[str, str]:
    """Version by canonical name of a constraints file of exact pins."""
    lines = (line.partition("#")[0].strip() for line in constraints.read_text().splitlines())
    pins = (line.split("==", 1) for line in lines if line)
    return {canonicalize_name(name): version for name, version in pins}


def ask_services(audit: Audit, tools: Path, constraints: Path) -> None:
    """Ask each service about what none before it has checked."""
    for service in SERVICES:
        if audit.missing:
            asked = subprocess.run(
                [
                    tools / "pip-audit", "-r", constraints, "--no-deps", "--disable-pip",
                    "-s", service, "-f", "json", "--progress-spinner", "off",
                ],
                capture_output=True, text=True, timeout=SERVICE_TIMEOUT_S, check=False,
            )  # fmt: skip
            if asked.stdout.strip():
                audit.add(asked.stdout)
            else:
                last = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
                print(f"{service}: cannot be asked ({last[:200]})")


def ask_list(audit: Audit, advisories: Path) -> None:
    """Look every pin up in an exported list."""
    known = read_advisories(advisories)
    for name, version in audit.pinned.items():
        audit.found.setdefault(name, set()).update(vulnerabilities(name, version, known))


def check_code(tools: Path) -> bool:
    """Whether bandit finds nothing; what it finds is printed."""
    command = [tools / "bandit", "-q", "-c", "pyproject.toml", "-r", *CODE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    clean = done.returncode == 0
    if not clean:
        print(done.stdout or done.stderr)
    print(f"bandit: {'nothing found' if clean else 'see above'} in {', '.join(CODE)}")
    return clean


def show(audit: Audit) -> None:
    """What was found, and what could not be checked."""
    for name, ids in sorted(audit.found.items()):
        if ids:
            print(f"{name} {audit.pinned.get(name, '')}: {', '.join(sorted(ids))}")
    vulnerable = sum(bool(ids) for ids in audit.found.values())
    checked = len(audit.pinned) - len(audit.missing)
    print(f"{checked} of {len(audit.pinned)} pinned packages checked, {vulnerable} vulnerable")
    if audit.missing:
        names = sorted(audit.missing)
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        print(f"not checked: {', '.join(names[:SHOWN])}{more}: {audit.missing[names[0]]}")
        print(
            "Where no service can be reached, fetch OSV's PyPI/all.zip elsewhere "
            "(https://osv.dev) and give it: make audit ADVISORIES=all.zip"
        )


def main() -> int:
    """Audit, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="folder of bandit and pip-audit")
    parser.add_argument("--advisories", type=Path, help="exported list, in OSV's format")
    options = parser.parse_args()
    clean = check_code(options.tools)
    constraints = ROOT / "constraints.txt"
    audit = Audit(read_pins(constraints))
    if options.advisories:
        ask_list(audit, options.advisories)
    else:
        ask_services(audit, options.tools, constraints)
    show(audit)
    if not clean or any(audit.found.values()):
        return EXIT_FOUND
    return EXIT_NOT_ALL_CHECKED if audit.missing else 0


if __name__ == "__main__":
    sys.exit(main())

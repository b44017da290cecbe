"""``python -m benchmarks.gpu``: checks and measures the GPU here, or runs tiny on a CPU."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu.driver import print_summary, run_steps
from benchmarks.gpu.packages import MissingPackageError, bring_packages
from benchmarks.gpu.plan import STEPS


def main() -> None:
    """Run the steps; exit code 1 if a check failed, 2 if a package is missing."""
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tiny", action="store_true", help="tiny, as on a CPU: to see that it runs, not to measure"
    )
    parser.add_argument("--only", nargs="+", choices=names, help="these steps alone")
    parser.add_argument("--keep", type=Path, help="a folder for models, logs and findings")
    chosen = parser.parse_args()
    wanted = {"prepare", *(chosen.only or names)}
    steps = [step for step in STEPS if step.name in wanted]
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="assayline-gpu-") as scratch:
        folder = chosen.keep or Path(scratch) / "work"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            brought = bring_packages(Path(scratch) / "packages")
        except MissingPackageError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        outcomes = run_steps(steps, folder, "tiny" if chosen.tiny else "auto")
    if not print_summary(outcomes, brought, time.monotonic() - begin_s):
        sys.exit(1)


if __name__ == "__main__":
    main()

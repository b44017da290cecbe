"""One step of the check in a process of its own: ``NAME --folder FOLDER --size auto|tiny``."""

import argparse
import os
from importlib import import_module
from pathlib import Path

from benchmarks.gpu.findings import Report
from benchmarks.gpu.plan import STEPS


def findings_file(folder: Path, step: str) -> Path:
    """Where a step writes what it finds."""
    return folder / f"findings-{step}.jsonl"


def main() -> None:
    """Run the step; what is raised here ends the process with a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[step.name for step in STEPS])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--size", choices=["auto", "tiny"], required=True)
    chosen = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    report = Report(findings_file(chosen.folder, chosen.name))
    module = import_module(f"benchmarks.gpu.steps.{chosen.name}")
    if chosen.name == "prepare":
        module.run(report, chosen.folder, tiny=chosen.size == "tiny")
        return
    from benchmarks.gpu.inputs import Inputs

    module.run(report, Inputs.load(chosen.folder))


if __name__ == "__main__":
    main()

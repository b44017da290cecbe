"""Runs a line in this process and notes what each stage used: ``CONFIG OUT``.

What a stage used is every project module in which a function ran while the stage did, lazily
imported ones too, and every other project file that was opened. Beside it stands what the stage's
key counts, for the arguments that the stage was called with.
"""

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from flows.config import load_config
from flows.retrain import retrain
from infra.code_digest import code_of
from infra.digests import as_json
from infra.module_source import PROJECT_PACKAGES, ROOT
from tests.stages import cached_stages

FOLDERS = tuple(f"{ROOT / package}/" for package in sorted(PROJECT_PACKAGES))
STAGES = {
    (f"{ROOT / module.replace('.', '/')}.py", name): module for module, name in cached_stages()
}
TraceFunction = Callable[[FrameType, str, Any], Any]
# A function's code, and no module's or class's body, which run when they are imported.
IS_FUNCTION = 0x1


class Tracer:
    """Notes modules and files by the stage that runs."""

    def __init__(self) -> None:
        self.stage: str | None = None
        self.modules: dict[str, set[str]] = defaultdict(set)
        self.files: dict[str, set[str]] = defaultdict(set)
        self.counted: dict[str, dict[str, list[str]]] = {}
        self._frame: FrameType | None = None

    def trace(self, frame: FrameType, event: str, _: Any) -> TraceFunction | None:
        """Called by the interpreter at each call, and of a stage's own frame at its return."""
        if event == "return" and frame is self._frame:
            self.stage = self._frame = None
        if event != "call":
            return self.trace
        code = frame.f_code
        if not code.co_filename.startswith(FOLDERS):
            return None
        began = self.stage is None and (code.co_filename, code.co_name) in STAGES
        if began:
            self._begin(frame)
        if self.stage and code.co_flags & IS_FUNCTION and code.co_filename.endswith(".py"):
            path = Path(code.co_filename).relative_to(ROOT).with_suffix("")
            self.modules[self.stage].add(".".join(path.parts).removesuffix(".__init__"))
        return self.trace if began else None

    def _begin(self, frame: FrameType) -> None:
        code = frame.f_code
        module = STAGES[code.co_filename, code.co_name]
        counted = code_of(module, code.co_name, as_json(dict(frame.f_locals)))
        self.counted[code.co_name] = {
            "modules": sorted(counted.modules), "files": sorted(counted.files),
        }  # fmt: skip
        self.stage, self._frame = code.co_name, frame
        frame.f_trace_lines = False

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by the interpreter when a file is opened, among others."""
        if event == "open" and self.stage and str(arguments[0]).startswith(FOLDERS):
            path = Path(str(arguments[0]))
            if path.suffix not in {".py", ".pyc"} and path.is_file():
                self.files[self.stage].add(path.relative_to(ROOT).as_posix())


def main(config: Path, out: Path) -> None:
    """Run the line, and write what was noted."""
    tracer = Tracer()
    settings = load_config(config)
    sys.addaudithook(tracer.audit)
    threading.settrace(tracer.trace)
    sys.settrace(tracer.trace)
    decision = retrain(config=settings)
    sys.settrace(None)
    noted = {
        name: {
            "used": {"modules": sorted(tracer.modules[name]), "files": sorted(tracer.files[name])},
            "counted": counted,
        }
        for name, counted in tracer.counted.items()
    }
    out.write_text(json.dumps({"action": decision.action, "stages": noted}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

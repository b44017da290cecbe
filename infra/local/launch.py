"""The first lines of each part's process: take the part's environment, then become its program.

supervisord can hand over an environment of its own, but it loses quotes and percent signs, and its
configuration would hold the keys.
"""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Run ``python -m infra.local.launch SPEC DIGEST``.

    The digest is not read here: it makes supervisord notice that a part's specification changed.
    """
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    environment = {**os.environ, **spec["set"]}
    for name in spec["unset"]:
        environment.pop(name, None)
    command = spec["command"]
    os.execve(command[0], command, environment)  # noqa: S606 - the command is our own list


if __name__ == "__main__":
    main()

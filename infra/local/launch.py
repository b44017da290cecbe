"""The first lines of each part's process: take the part's environment, then become its program.

supervisord can hand over an environment of its own, but it loses quotes and percent signs, and its
configuration would hold the keys.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def main() -> None:
    """Run ``python -m infra.local.launch SPEC DIGEST``.

    The digest is not read here: it makes supervisord notice that a part's specification changed.
    """
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    become(spec["command"], spec["set"], spec["unset"])


def become(command: Sequence[str], variables: Mapping[str, str], without: Iterable[str]) -> None:
    """Put a program in this process's place, with some variables set and others gone.

    Args:
        command: the program's absolute path, and its arguments.
        variables: beside those of this process.
        without: variables that it must not see.

    """
    environment = {**os.environ, **variables}
    for name in without:
        environment.pop(name, None)
    os.execve(command[0], list(command), environment)  # noqa: S606 - the command is our own list


if __name__ == "__main__":
    main()

"""What a pyproject.toml needs, a line each: ``python dependencies.py PYPROJECT [EXTRA ...]``.

The image installs this before it has the sources, so that a change of them installs nothing anew.
It stands alone there, and needs nothing but Python's own library.
"""

import sys
import tomllib
from pathlib import Path


def dependencies(pyproject: Path, extras: list[str]) -> list[str]:
    """The dependencies of a project, and of some of its extras.

    Raises:
        KeyError: there is no such extra.

    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *(one for extra in extras for one in optional[extra])]


if __name__ == "__main__":
    sys.stdout.write("\n".join(dependencies(Path(sys.argv[1]), sys.argv[2:])) + "\n")

"""The package that a page of docs/ shows, installed as a user would install it."""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra import catalogue, code_digest, module_source

# A file of the package: a fence whose first line is a comment with its name.
BLOCK = re.compile(r"^```\w+\n# ([\w/.]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@contextmanager
def installed_package(page: Path, folder: Path) -> Iterator[Path]:
    """Install it by pip into a folder that is on the path within the block.

    Args:
        page: Markdown whose fences begin with the name of a file.
        folder: empty; the sources and what is installed are put there.

    """
    source, target = folder / "source", folder / "site"
    for name, content in BLOCK.findall(page.read_text(encoding="utf-8")):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--no-compile", "--target", str(target), str(source)],
        check=True, timeout=200,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(target)
        _forget()
        yield target
    _forget()


def _forget() -> None:
    """Have the entry points looked up anew, and the code that they lead to."""
    importlib.invalidate_caches()
    catalogue.entries_of.cache_clear()
    for cached in (module_source.file_of, module_source.read_source, code_digest._distributions):
        cached.cache_clear()

"""How every benchmark command ends: one JSON object, the asked figures first."""

import json
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType


def print_figures(
    asked: Sequence[str],
    benchmarks: Iterable[ModuleType],
    sizes: Mapping[str, Mapping[str, int]] | None = None,
) -> None:
    """Run benchmarks one after the other.

    Args:
        asked: figures that come first.
        benchmarks: modules, each with a function `measure`.
        sizes: what to call it with, by the module's own name; its defaults where it is not named.

    """
    figures: dict[str, float] = {}
    started = time.perf_counter()
    for module in benchmarks:
        print(f"{module.__name__}: {(module.__doc__ or '').splitlines()[0]}", file=sys.stderr)
        figures |= module.measure(**(sizes or {}).get(module.__name__.rsplit(".", 1)[1], {}))
    print(
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"{time.perf_counter() - started:.0f} s in all",
        file=sys.stderr,
    )
    print(json.dumps({name: figures[name] for name in asked} | figures))

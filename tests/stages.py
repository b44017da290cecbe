"""The cached stages of the project, for the tests that hold for all of them."""

import importlib
import pkgutil

from prefect import Task

from tasks import stages
from tasks.stages.caching import LOOK_UP_VERSION


def cached_stages() -> list[tuple[str, str]]:
    """Module and function of every stage that is skipped when nothing changed."""
    found = []
    for info in pkgutil.iter_modules(stages.__path__, f"{stages.__name__}."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, Task) and value.version != LOOK_UP_VERSION:
                found.append((info.name, name))
    return found

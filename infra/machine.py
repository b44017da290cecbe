"""What of this machine a process may use: its cores and its memory, as affinity and cgroup say.

Control groups of both versions are read: https://docs.kernel.org/admin-guide/cgroup-v2.html and
https://docs.kernel.org/admin-guide/cgroup-v1/.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, own: Path = OWN_CGROUPS) -> float:
    """Processor cores that this process may use; a container may be given a part of one.

    Args:
        cgroups: where the kernel shows its control groups.
        own: the file that names those of this process.

    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    shares = [float(affinity or 1)]
    for folder in _groups(cgroups, own, "cpu"):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        quota = quota or _text(folder / "cpu.cfs_quota_us")  # `max` or -1 where there is none
        period = period or _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            shares.append(int(quota) / int(period))
    return min(shares)


def usable_memory_bytes(cgroups: Path = CGROUPS, own: Path = OWN_CGROUPS) -> int:
    """Bytes of memory that this process may use, those that are in use now included.

    Args:
        cgroups: where the kernel shows its control groups.
        own: the file that names those of this process.

    """
    files = (
        folder / name
        for folder in _groups(cgroups, own, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    # Without a limit version 2 says `max`, and version 1 a number beyond any memory.
    limits = [int(text) for text in map(_text, files) if text.isdigit()]
    return min([int(psutil.virtual_memory().total), *limits])


def _groups(cgroups: Path, own: Path, controller: str) -> Iterator[Path]:
    """The groups that limit this process: its own and those around it, of either version."""
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        root = cgroups / controller if controllers else cgroups
        group = root / path.lstrip("/")
        # In a container the path may be the host's, which stands nowhere here; the root does.
        yield from (one for one in (group, *group.parents) if one.is_relative_to(root))


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return ""

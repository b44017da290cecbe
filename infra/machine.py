"""What of this machine a process may use: by its affinity, and by the limits of its cgroups.

A container with a limit of two CPUs on a machine of 64 sees 64: ``os.cpu_count()`` and what the
libraries take by default say nothing of a quota. Both versions of cgroups are read; see cgroups(7)
and the kernel's documentation of cgroup-v1 and cgroup-v2.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import psutil

_PROC: Final = Path("/proc/self")
_UNLIMITED: Final = "max"


def available_cores() -> int:
    """Cores that this process may use at a time, at least 1.

    The fewest of: the machine's, those of the affinity (``taskset``, Kubernetes' static CPU
    manager), and the quota of each cgroup above (``docker --cpus``, a limit in Kubernetes, the
    ``CPUQuota`` of systemd), rounded up, so that no allowed time is left unused.
    """
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        count = len(os.sched_getaffinity(0))
    quotas = [math.ceil(quota) for quota in cpu_quotas(_PROC)]
    return max(1, min([count, *quotas]))


def available_memory_bytes() -> int:
    """Bytes of memory that this process may use, those that are in use now included."""
    return min([int(psutil.virtual_memory().total), *memory_limits(_PROC)])


def cpu_quotas(proc: Path) -> Iterator[float]:
    """CPUs that each cgroup of a process and above it allows, where it has a quota.

    Args:
        proc: the process's folder in ``/proc``.

    """
    for version, folder in _folders(proc, "cpu"):
        quota = _quota_of_two(folder) if version == 2 else _quota_of_one(folder)  # noqa: PLR2004
        if quota:
            yield quota


def memory_limits(proc: Path) -> Iterator[int]:
    """Bytes that each cgroup of a process and above it allows, where it has a limit.

    Args:
        proc: the process's folder in ``/proc``.

    """
    for version, folder in _folders(proc, "memory"):
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"  # noqa: PLR2004
        try:
            text = (folder / name).read_text(encoding="utf-8").strip()
        except OSError:
            continue  # the root has none
        if text != _UNLIMITED:  # version 1 says a number beyond any memory
            yield int(text)


def _folders(proc: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """The cgroups that a process is in and those above, with their version, as far as seen here."""
    try:
        memberships = _memberships((proc / "cgroup").read_text(encoding="utf-8"))
        mounts = list(_mounts((proc / "mountinfo").read_text(encoding="utf-8"), controller))
    except OSError:
        return  # not Linux
    for mount in mounts:
        path = memberships.get("" if mount.version == 2 else controller)  # noqa: PLR2004
        if path is not None:
            yield from ((mount.version, folder) for folder in mount.folders(path))


@dataclass(frozen=True)
class _Mount:
    """Where a hierarchy of cgroups is mounted, and which of its cgroups is shown there."""

    version: int
    root: PurePosixPath
    point: Path

    def folders(self, cgroup: str) -> Iterator[Path]:
        """Of a cgroup and of those above it, as far as they can be seen here."""
        path = PurePosixPath(cgroup)
        # Without a namespace of its own a container is told the path on the host.
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else PurePosixPath()
        for part in (inside, *inside.parents):
            yield self.point / part


def _memberships(text: str) -> Mapping[str, str]:
    """The cgroup by controller; that of version 2 by the empty name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _mounts(text: str, controller: str) -> Iterator[_Mount]:
    """The hierarchies that may hold a limit of this controller."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        _, _, _, root, point, *_ = before.split(" ")
        kind, _, options = after.split(" ", 2)
        place = PurePosixPath(root), Path(point.encode().decode("unicode_escape"))
        if kind == "cgroup2":
            yield _Mount(2, *place)
        elif kind == "cgroup" and controller in options.split(","):
            yield _Mount(1, *place)


def _quota_of_two(folder: Path) -> float | None:
    """``cpu.max`` holds microseconds of a period, or ``max``, and the period."""
    try:
        allowed, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return None if allowed == _UNLIMITED else int(allowed) / int(period)
    except (OSError, ValueError):
        return None  # the root has none


def _quota_of_one(folder: Path) -> float | None:
    """``cpu.cfs_quota_us`` is -1 where there is no limit."""
    try:
        allowed, period = (
            int((folder / name).read_text(encoding="utf-8"))
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
    except (OSError, ValueError):
        return None
    return allowed / period if allowed > 0 else None

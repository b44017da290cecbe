"""Cores and memory by affinity and by the limits of cgroups, from what Linux really shows."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.machine import (
    available_cores,
    available_memory_bytes,
    cpu_quotas,
    memory_limits,
)

PRINT = "from infra.machine import available_cores; print(available_cores())"
THREADS = (
    "import torch; from infra.device import pick_device;"
    "print(pick_device().threads, torch.get_num_threads())"
)
# As a container of Docker with `--cpus 1.5` sees it, with a namespace of cgroups.
OWN_NAMESPACE = (
    "0::/\n",
    "31 25 0:27 / {point} ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n",
)
# As one sees it that shares the host's: the path is the host's, the mount shows the container's.
HOST_NAMESPACE = (
    "0::/docker/8a5e\n",
    "31 25 0:27 /docker/8a5e {point} ro,relatime - cgroup2 cgroup rw\n",
)
# A service of systemd on the host.
SERVICE = (
    "0::/system.slice/assayline.service\n",
    "31 25 0:27 / {point} rw,relatime shared:9 - cgroup2 cgroup2 rw\n",
)
# Version 1, with its controllers side by side; the user's slice is on the unified hierarchy too.
VERSION_ONE = (
    "4:memory:/kubepods/pod7\n3:cpu,cpuacct:/kubepods/pod7\n0::/user.slice\n",
    (
        "40 25 0:30 / {point}/memory rw,relatime - cgroup cgroup rw,memory\n"
        "41 25 0:31 / {point} rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    ),
)


def limits_of(
    folder: Path,
    seen: tuple[str, str],
    files: dict[str, str],
    limits: Callable[[Path], Iterator[float]],
) -> list[float]:
    """What is read from a /proc and a hierarchy of cgroups that hold these texts."""
    proc, point = folder / "proc", folder / "cgroup"
    proc.mkdir()
    (proc / "cgroup").write_text(seen[0], encoding="utf-8")
    (proc / "mountinfo").write_text(seen[1].format(point=point), encoding="utf-8")
    for name, text in files.items():
        (point / name).parent.mkdir(parents=True, exist_ok=True)
        (point / name).write_text(text, encoding="utf-8")
    return list(limits(proc))


@pytest.mark.parametrize(
    ("seen", "files", "quotas"),
    [
        (OWN_NAMESPACE, {"cpu.max": "150000 100000\n"}, [1.5]),
        (OWN_NAMESPACE, {"cpu.max": "max 100000\n"}, []),
        (OWN_NAMESPACE, {}, []),
        (HOST_NAMESPACE, {"cpu.max": "50000 100000\n"}, [0.5]),
        (
            SERVICE,
            {
                "system.slice/assayline.service/cpu.max": "max 100000\n",
                "system.slice/cpu.max": "400000 100000\n",
            },
            [4.0],
        ),
        (
            VERSION_ONE,
            {
                "kubepods/pod7/cpu.cfs_quota_us": "250000\n",
                "kubepods/pod7/cpu.cfs_period_us": "100000\n",
                "kubepods/cpu.cfs_quota_us": "-1\n",
                "kubepods/cpu.cfs_period_us": "100000\n",
            },
            [2.5],
        ),
    ],
)
def test_the_quota_is_read_wherever_linux_shows_it(
    tmp_path: Path, seen: tuple[str, str], files: dict[str, str], quotas: list[float]
) -> None:
    assert limits_of(tmp_path, seen, files, cpu_quotas) == quotas


@pytest.mark.parametrize(
    ("seen", "files", "limits"),
    [
        (OWN_NAMESPACE, {"memory.max": "max\n"}, []),
        (HOST_NAMESPACE, {"memory.max": "1073741824\n"}, [2**30]),
        (SERVICE, {"system.slice/memory.max": "4294967296\n"}, [2**32]),
        (
            VERSION_ONE,
            {
                "memory/kubepods/pod7/memory.limit_in_bytes": "2147483648\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            [2**31, 9223372036854771712],
        ),
    ],
)
def test_the_limit_of_memory_is_read_wherever_linux_shows_it(
    tmp_path: Path, seen: tuple[str, str], files: dict[str, str], limits: list[float]
) -> None:
    assert limits_of(tmp_path, seen, files, memory_limits) == limits


def test_memory_is_at_most_the_machines() -> None:
    assert 0 < available_memory_bytes() <= psutil.virtual_memory().total


def test_a_system_without_proc_has_no_limits(tmp_path: Path) -> None:
    assert list(cpu_quotas(tmp_path)) == list(memory_limits(tmp_path)) == []


def test_a_process_that_is_bound_to_one_core_has_one() -> None:
    one = min(os.sched_getaffinity(0))
    found = subprocess.run(
        [sys.executable, "-c", PRINT],
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "1"
    assert available_cores() <= len(os.sched_getaffinity(0))


@pytest.fixture
def cgroup_of_one_core() -> Iterator[Path]:
    """A real cgroup with a quota, where this machine lets one be made."""
    places = (
        (Path("/sys/fs/cgroup"), "cpu.max", "100000 100000"),
        (Path("/sys/fs/cgroup/cpu"), "cpu.cfs_quota_us", "100000"),
    )
    for place, file, text in places:
        folder = place / f"assayline-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / file).exists():
                (folder / file).write_text(text)
                yield folder
                return
        finally:
            folder.rmdir()
    pytest.skip("no cgroup with a quota can be made here")


def test_threads_follow_the_quota_of_a_real_cgroup(cgroup_of_one_core: Path) -> None:
    """Two threads of torch, which sees the machine's cores, become one."""

    def join() -> None:
        (cgroup_of_one_core / "cgroup.procs").write_text(str(os.getpid()))

    found = subprocess.run(
        [sys.executable, "-c", THREADS],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        preexec_fn=join, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.split() == ["1", "1"]

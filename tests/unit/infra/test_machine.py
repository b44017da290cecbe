"""What a process may use of a machine, by affinity and control groups of both versions."""

import os
from pathlib import Path

import psutil
import pytest

from infra.local.machine_slots import slots_of
from infra.machine import usable_cores, usable_memory_bytes

GIB = 2**30


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A folder of control groups in which this process is in `pod/container`."""
    (tmp_path / "own").write_text("0::/pod/container\n", encoding="utf-8")
    (tmp_path / "groups" / "pod" / "container").mkdir(parents=True)
    return tmp_path


def cores(folder: Path) -> float:
    return usable_cores(folder / "groups", folder / "own")


def memory(folder: Path) -> int:
    return usable_memory_bytes(folder / "groups", folder / "own")


def test_without_limits_it_is_the_affinity_and_the_whole_memory(group: Path) -> None:
    assert cores(group) == len(os.sched_getaffinity(0))
    assert memory(group) == psutil.virtual_memory().total


def test_a_quota_of_processor_time_is_a_part_of_a_core(group: Path) -> None:
    (group / "groups/pod/container/cpu.max").write_text("50000 100000\n", encoding="utf-8")
    assert cores(group) == 0.5


def test_a_group_around_the_own_one_limits_too(group: Path) -> None:
    (group / "groups/pod/container/cpu.max").write_text("max 100000\n", encoding="utf-8")
    (group / "groups/pod/cpu.max").write_text("25000 100000\n", encoding="utf-8")
    (group / "groups/pod/container/memory.max").write_text("max\n", encoding="utf-8")
    (group / "groups/pod/memory.max").write_text(f"{GIB}\n", encoding="utf-8")
    assert cores(group) == 0.25
    assert memory(group) == GIB


def test_the_first_version_of_control_groups(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("4:memory:/box\n1:cpu,cpuacct:/box\n0::/\n", encoding="utf-8")
    for controller in ("cpu", "memory"):
        (tmp_path / "groups" / controller / "box").mkdir(parents=True)
    box = tmp_path / "groups"
    (box / "cpu/box/cpu.cfs_quota_us").write_text("30000\n", encoding="utf-8")
    (box / "cpu/box/cpu.cfs_period_us").write_text("100000\n", encoding="utf-8")
    (box / "cpu/cpu.cfs_quota_us").write_text("-1\n", encoding="utf-8")
    (box / "memory/box/memory.limit_in_bytes").write_text(f"{GIB}\n", encoding="utf-8")
    (box / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n", encoding="utf-8")
    assert cores(tmp_path) == 0.3
    assert memory(tmp_path) == GIB


def test_a_limit_of_this_process_is_heeded() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() <= 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("device", "cores", "gib", "slots"),
    [
        ("cpu", 0.5, 64, 1),
        ("cpu", 2, 24, 1),
        ("cpu", 7.9, 64, 1),
        ("cpu", 8, 64, 2),
        ("cpu", 64, 20, 2),
        ("cpu", 64, 4, 1),
        ("cpu", 16, 64, 4),
        ("cuda", 64, 512, 1),
        ("mps", 10, 64, 1),
        ("unknown", 64, 512, 1),
    ],
)
def test_slots_go_by_the_scarcer_of_cores_and_memory_and_by_a_gpu(
    device: str, cores: float, gib: int, slots: int
) -> None:
    assert slots_of(device, cores, gib * GIB) == slots

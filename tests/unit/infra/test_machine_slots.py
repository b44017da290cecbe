"""How many trainings a machine runs at once."""

import pytest

from infra.local.machine_slots import slots_of

GIB = 2**30


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

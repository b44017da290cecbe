"""Which stages watch whether they have to share the cores."""

import threading
from contextlib import nullcontext

import pytest

from tasks.stages import caching


def watched() -> bool:
    """Whether the watch runs while this stage does."""
    return any(thread.name == "waits" for thread in threading.enumerate())


@pytest.mark.parametrize("gpu", [True, False])
def test_a_stage_that_uses_the_device_watches_its_cores(
    monkeypatch: pytest.MonkeyPatch, *, gpu: bool
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(caching, "gpu_slot", nullcontext)  # it asks Prefect's server
    assert caching.cached_stage(gpu=gpu)(watched).fn() is gpu
    assert not watched()

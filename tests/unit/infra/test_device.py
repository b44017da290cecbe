"""Number formats and deterministic operators."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from infra.device import (
    Device,
    check_device,
    deterministic_algorithms,
    matrix_products,
    precisions_of,
)
from infra.errors import SettingsError
from tests.bare_machine import run_bare

CPU, GPU = Device("cpu", "float32", 1), Device("cuda", "bfloat16", 1)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Torch keeps both for the process."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)
    torch.use_deterministic_algorithms(mode=False)


def test_tf32_is_refused_without_a_gpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"tf32, which needs an NVIDIA GPU.*device is cpu"):
        check_device(CPU, "tf32", 1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    with pytest.raises(SettingsError, match="capability 8"):
        check_device(GPU, "tf32", 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    check_device(GPU, "tf32", 1)


def test_auto_measures_no_tf32() -> None:
    assert precisions_of(GPU) == ("bfloat16", "float32")


@pytest.mark.parametrize("before", ["highest", "high"])
def test_products_are_whole_or_tf32_and_afterwards_as_before(before: str) -> None:
    torch.set_float32_matmul_precision(before)
    with matrix_products("tf32"):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
    for precision in ("float32", "bfloat16"):
        with matrix_products(precision):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize("refuse", [False, True])
def test_who_refuses_operators_without_a_deterministic_form_stays_so(*, refuse: bool) -> None:
    """Attention on CUDA takes its deterministic backward pass only then."""
    if refuse:
        torch.use_deterministic_algorithms(mode=True)
    with deterministic_algorithms():
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled() is not refuse
    assert torch.are_deterministic_algorithms_enabled() is refuse


def test_records_are_imported_where_no_server_can_be_reached(tmp_path: Path) -> None:
    done = run_bare(
        tmp_path, "-c", "import infra.store, tasks.records.data, tasks.records.training"
    )
    assert done.returncode == 0, done.stderr[-2000:]

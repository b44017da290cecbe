"""The device: what it is, what is taken by default, and how fast its products and copies are."""

import time
from collections.abc import Callable

import torch

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from infra.device import TF32_CAPABILITY, Precision, matrix_products, pick_device

REPEATS = 20
COPIED_BYTES = {"full": 4 << 30, "tiny": 1 << 24}
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}


def run(report: Report, inputs: Inputs) -> None:
    """Tell the device, and measure it."""
    device = pick_device()
    report.figure("precision", device.precision)
    report.figure("threads", float(device.threads))
    report.check(
        "device", right=device.name != "mps", said=f"{device.name}, {device.precision} by default"
    )
    if device.name == "cuda":
        _tell_card(report, device.precision)
    else:
        report.skip("capability", "there is no CUDA device")
    with report.part("products"):
        size = inputs.size.matrix
        formats: tuple[Precision, ...] = ("float32", "bfloat16")
        for precision in ("float32", "tf32", "bfloat16") if device.name == "cuda" else formats:
            rate = product_rate(device.name, precision, size)
            report.figure(f"product_{precision}", rate / 1e12, "TFLOP/s")
    with report.part("copy"):
        report.figure("copy", _copy_rate(device.name, inputs.size.name) / 1e9, "GB/s")


def _tell_card(report: Report, precision: Precision) -> None:
    properties = torch.cuda.get_device_properties(0)
    major, minor = torch.cuda.get_device_capability()
    report.figure("capability", f"{major}.{minor}")
    report.figure("memory", properties.total_memory / 1e9, "GB")
    report.figure("cuda", str(torch.version.cuda))
    expected = "bfloat16" if major >= TF32_CAPABILITY else precision
    report.check(
        "capability", right=precision == expected, said=f"{major}.{minor} takes {precision}"
    )


def product_rate(device: str, precision: Precision, size: int) -> float:
    """Floating-point operations a second of a square matrix product, the best of some."""
    one, two = (torch.randn(size, size, device=device).to(DTYPES[precision]) for _ in range(2))
    with matrix_products(precision):
        seconds = best_seconds(device, lambda: torch.mm(one, two))
    return 2 * size**3 / seconds


def _copy_rate(device: str, size: str) -> float:
    """Bytes a second that are read and written within the device's memory."""
    source = torch.zeros(COPIED_BYTES[size] // 4, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES[size] / best_seconds(device, lambda: target.copy_(source))


def best_seconds(device: str, act: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs, after two that warm up."""
    best = float("inf")
    for number in range(REPEATS + 2):
        wait_for(device)
        begin_s = time.perf_counter()
        act()
        wait_for(device)
        if number >= 2:  # noqa: PLR2004  # the first two
            best = min(best, time.perf_counter() - begin_s)
    return best


def wait_for(device: str) -> None:
    """Until the device has done all that it was told."""
    if device == "cuda":
        torch.cuda.synchronize()

"""Each step of `make check-gpu` at its tiny size on the CUDA device here."""

from pathlib import Path

import pytest
import torch

from benchmarks.gpu.driver import run_steps
from benchmarks.gpu.findings import SHOWN
from benchmarks.gpu.plan import STEPS, Step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    (outcome,) = run_steps(STEPS[:1], folder, "tiny")
    assert outcome.verdict == "pass", outcome.checks
    return folder


@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.name)
def test_a_step_finds_nothing_wrong(step: Step, prepared: Path) -> None:
    (outcome,) = run_steps([step], prepared, "tiny")
    wrong = [f"{check.name}: {check.said}" for check in outcome.checks if check.verdict == "fail"]
    assert not wrong
    assert outcome.verdict == "pass", [SHOWN[check.verdict] for check in outcome.checks]

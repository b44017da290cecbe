"""`make check-gpu` as a whole, tiny and on the CPU, without what a bare machine lacks."""

import json
from pathlib import Path

import pytest

from benchmarks.gpu.plan import STEPS
from tests.bare_machine import run_bare

# On a CPU these are skipped, and their names say why a card is needed.
SKIPPED_ON_A_CPU = {"capability", "tf32", "masked_lm/flex", "causal_lm/flex", "peak"}


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_check_passes_tiny_on_a_cpu_that_has_only_torch_and_transformers(
    tmp_path: Path,
) -> None:
    done = run_bare(tmp_path, "-m", "benchmarks.gpu", "--tiny")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["verdict"], told["device"], told["size"]) == ("pass", "cpu", "tiny")
    assert list(told["steps"]) == [step.name for step in STEPS]
    checks = [check for step in told["steps"].values() for check in step["checks"]]
    skipped = {check["name"] for check in checks if check["verdict"] == "skipped"}
    assert skipped >= SKIPPED_ON_A_CPU
    assert all(step["verdict"] == "pass" for step in told["steps"].values())
    figures = told["steps"]["throughput"]["figures"]
    assert figures["classification/8/ours_vs_trainer"]["goal"] == "at least 2"

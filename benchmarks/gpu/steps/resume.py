"""A training that is killed (SIGKILL) goes on from its checkpoint, and ends with the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from benchmarks.gpu.driver import PROJECT
from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.training_process import MODEL, TASK, train_whole
from benchmarks.gpu.trainings import apart, losses_of, settings_for
from infra.store import MANIFEST
from tasks.records.training import Weights
from tasks.training.settings import TrainingSettings
from tasks.training.train import training_key

LOOK_EVERY_S: Final = 0.02


def run(report: Report, inputs: Inputs) -> None:
    """Train whole; train, kill and go on; and train twice as it ships."""
    # With dropout, so that the states of the random generators count.
    settings = settings_for(
        inputs, epochs=2, dropout=0.1, checkpoint_every_s=0.1, batch_size=inputs.size.batch_size,
        compile="off", precision="auto", batching="padded",
    )  # fmt: skip
    settings = settings.model_copy(update={"precision": _own_precision()})
    torch.use_deterministic_algorithms(mode=True)  # refused is what has no deterministic form
    try:
        whole = train_whole(inputs, settings, _quiet)
    except RuntimeError as error:
        report.check("deterministic forms", right=False, said=str(error).splitlines()[0])
        return
    report.check("deterministic forms", right=True, said="every operator has one")
    killed_at = _train_and_kill(inputs, settings)
    if killed_at is None:
        report.check("killed", right=False, said="the training ended before it could be killed")
        return
    resumed = train_whole(inputs, settings, _quiet)
    report.figure("resumed_from_step", float(resumed.resumed_from_step))
    report.check(
        "goes on", right=resumed.resumed_from_step > 0,
        said=f"from step {resumed.resumed_from_step} of {whole.curve[-1].step}",
    )  # fmt: skip
    report.at_most("loss curve", apart(whole, resumed), 1e-6)
    same = whole.artifact.sha256 == resumed.artifact.sha256
    report.check("same bits", right=same, said="the weights' digests are compared")
    with report.part("as it ships"):
        _compare_shipped(report, inputs, settings)


def _quiet(_percent: float, _words: str) -> None:
    """Nobody looks."""


def _own_precision() -> str:
    from infra.device import pick_device

    return pick_device().precision


def _train_and_kill(inputs: Inputs, settings: TrainingSettings) -> int | None:
    """Start a training, and kill it once a checkpoint within its second epoch is whole.

    Returns:
        The step of that checkpoint; None where the training ended before.

    """
    tokens, base = inputs.tokens[f"{TASK}/{MODEL}/few"], inputs.bases[MODEL]
    prefix = inputs.store.uri("checkpoints", training_key(tokens, base, TASK, settings))
    an_epoch = -(-tokens.rows_by_split["train"] // settings.batch_size)
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gpu.training_process", str(inputs.folder),
         settings.model_dump_json()],
        cwd=PROJECT,
    )  # fmt: skip
    try:
        while process.poll() is None:
            for uri in inputs.store.list(f"{prefix}/"):
                step = int(uri.removeprefix(f"{prefix}/step-").split("/")[0])
                if uri.endswith(MANIFEST) and step > an_epoch and step % an_epoch:
                    os.kill(process.pid, signal.SIGKILL)
                    return step
            time.sleep(LOOK_EVERY_S)
        return None
    finally:
        process.kill()
        process.wait()


def _compare_shipped(report: Report, inputs: Inputs, settings: TrainingSettings) -> None:
    """Twice the same training, with operators that only warn; another seed is another training."""
    settings = settings.model_copy(update={"seed": 1, "epochs": 1, "checkpoint_every_s": 3600.0})
    torch.use_deterministic_algorithms(mode=False)
    with _warnings_seen() as seen:
        one, two = (train_whole(inputs, settings, _quiet) for _ in range(2))
    report.figure("as_it_ships/same_bits", str(one.artifact.sha256 == two.artifact.sha256))
    report.figure("as_it_ships/apart", _largest(one, two), "of the first loss")
    words = [str(one.message) for one in seen if "deterministic" in str(one.message)]
    report.figure("as_it_ships/warned", json.dumps(sorted({word[:80] for word in words})))


def _largest(one: Weights, two: Weights) -> float:
    return apart(one, two) if len(losses_of(one)) == len(losses_of(two)) else float("inf")


@contextmanager
def _warnings_seen() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield seen

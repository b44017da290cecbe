"""One rank under torchrun against none, and dropout that is drawn again."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from transformers import set_seed

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.rank_process import BACKEND_FILE
from benchmarks.gpu.trainings import apart, choice_of, job_for, settings_for, train, working_folder
from infra.torchrun import run_workers
from tasks.records.training import Weights
from tasks.training.dropout import dropout_of
from tasks.training.events import has_error, load_weights, raise_error
from tasks.training.jobs import JOB_FILE, PLACE_FILE, Job, WorkingFolder
from tasks.training.models import new_model, read_rows, vocabulary_of_base
from tasks.training.passes import Passes, random_state, set_random_state

CURVE_SHARE: Final = 1e-3
# The backward pass of activation checkpointing computes the same numbers again.
AGAIN_SHARE: Final = 1e-4
PATIENCE_S: Final = 120


def run(report: Report, inputs: Inputs) -> None:
    """Each part for itself."""
    with report.part("one rank"):
        _one_rank(report, inputs)
    with report.part("dropout drawn again"):
        _dropout_again(report, inputs)
    with report.part("activations computed again"):
        _checkpointed(report, inputs)


def _one_rank(report: Report, inputs: Inputs) -> None:
    """The product's worker process, which is one of several elsewhere."""
    settings = settings_for(
        inputs, batching="padded", compile="off", precision="float32", epochs=1
    )  # fmt: skip
    job = job_for(inputs, "classification", "minilm", settings, few=True)
    alone = train(inputs, job, choice_of("float32"))
    with TemporaryDirectory(dir=inputs.folder, prefix="ranks-") as name:
        place = WorkingFolder(Path(name))
        told, ranked = _under_torchrun(job, place, inputs.folder / "store")
    expected = "nccl 1 right" if job.device.name == "cuda" else "gloo 1 right"
    report.check("sum over the ranks", right=told == expected, said=f"{told}; right: {expected}")
    report.at_most("one rank's loss curve", apart(alone, ranked), CURVE_SHARE)


def _under_torchrun(job: Job, place: WorkingFolder, store: Path) -> tuple[str, Weights]:
    """What the rank says of its group, and what it trained."""
    job.store.get_folder(job.tokens.artifact, place.tokens)
    job.save(place.folder / JOB_FILE)
    place.save(place.folder / PLACE_FILE)
    log = place.folder / "workers.log"
    arguments = [str(place.folder), str(store)]
    with run_workers("benchmarks.gpu.rank_process", arguments, 1, job.store.settings, log) as group:
        code = group.wait(PATIENCE_S)
    if has_error(place.folder):
        raise_error(place.folder)
    if code != 0:
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise RuntimeError(f"torchrun ended with {code}: {' | '.join(words[-3:])}")
    told = (place.folder / BACKEND_FILE).read_text(encoding="utf-8")
    return told, load_weights(place.folder)


def _dropout_again(report: Report, inputs: Inputs) -> None:
    """As a loss that compares rows needs it: the second run of a pass drops what the first did."""
    job = job_for(inputs, "masked_lm", "minilm", settings_for(inputs, dropout=0.1), few=True)
    with working_folder(inputs, job) as place:
        rows = read_rows(job, place)[0]
        set_seed(0)
        model = new_model(job).to(job.device.name).train()
        passes = Passes(job.learner, vocabulary_of_base(job, model), 1)
        batch = passes.collate([rows[number] for number in range(8)]).to(job.device.name)
        with torch.no_grad(), dropout_of(job.device.name, compiled=False):
            before = random_state()
            first = model(**batch.inputs)["logits"]
            after = random_state()
            other = model(**batch.inputs)["logits"]
            set_random_state(before)
            again = model(**batch.inputs)["logits"]
            same_after = all(
                torch.equal(one, two)
                for one, two in zip(_flat(after), _flat(random_state()), strict=True)
            )
    report.check(
        "another draw differs", right=not torch.equal(first, other), said="it drops others"
    )
    report.check("drawn again", right=torch.equal(first, again), said="the same bits come out")
    report.check("states", right=same_after, said=f"of {len(_flat(after))} generator(s)")


def _flat(state: tuple[torch.Tensor, list[torch.Tensor]]) -> list[torch.Tensor]:
    return [state[0], *state[1]]


def _checkpointed(report: Report, inputs: Inputs) -> None:
    """Activation checkpointing draws the dropout of the forward pass once more."""
    curves = []
    for again in (False, True):
        settings = settings_for(inputs, dropout=0.1, gradient_checkpointing=again)
        job = job_for(inputs, "classification", "minilm", settings, few=True)
        curves.append(train(inputs, job, choice_of("float32")))
    report.at_most("activations computed again", apart(*curves), AGAIN_SHARE)

"""Real tokens a second against Trainer: as it ships, grouping by length, and packing.

The same models, rows, learning rate and rows a step, in the device's own number format. The second
of two epochs is timed, so that nothing that is done once counts. Trainer as it ships takes the rows
in random order and pads a batch to its longest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from transformers import (
    DataCollatorWithFlattening,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.trainings import (
    EpochClock,
    choice_of,
    job_for,
    settings_for,
    time_ours,
    working_folder,
)
from infra.transformers_logs import quiet_transformers
from tasks.task_types.batches import fill_batches
from tasks.task_types.tokenizers import load_tokenizer
from tasks.training.batching import TokenizedRows
from tasks.training.jobs import Job
from tasks.training.models import new_model, read_rows, vocabulary_of_base

# Distance of the losses on held-out rows, as a share of the untrained model's: the order of the
# rows differs, and with it the noise of the steps.
LOSS_SHARE: Final = 0.05
EPOCHS: Final = 2
GOAL: Final = "at least 2"


@dataclass(frozen=True)
class Timed:
    """Real tokens a second of the last epoch, and the loss on held-out rows."""

    tokens_per_s: float
    loss: float


Ways = Mapping[str, Callable[[], Timed]]


def run(report: Report, inputs: Inputs) -> None:
    """Classification in small and in large steps, then a decoder in packed rows."""
    size = inputs.size
    for rows, few in ((size.batch_size, True), (size.large_batch_size, False)):
        with report.part(f"classification/{rows}"):
            settings = settings_for(inputs, epochs=EPOCHS, batch_size=rows)
            job = job_for(inputs, "classification", "minilm", settings, few=few)
            peers = {
                "trainer": partial(_trainer, inputs, job, grouped=False),
                "trainer_grouped": partial(_trainer, inputs, job, grouped=True),
            }
            ours = _our_ways(inputs, job, compiling=few)
            untrained = _untrained_loss(inputs, job)
            _compare(report, f"classification/{rows}", ours, peers, untrained)
    with report.part("causal_lm/packed"):
        settings = settings_for(inputs, epochs=EPOCHS, batch_size=4 * size.batch_size)
        job = job_for(inputs, "causal_lm", "smollm2", settings, few=True)
        ours = {"ours_packed": partial(_ours, inputs, job, packed=True, compiled=False)}
        peers = {"trainer_packed": partial(_trainer, inputs, job, grouped=False)}
        _compare(report, "causal_lm", ours, peers, _untrained_loss(inputs, job))


def _our_ways(inputs: Inputs, job: Job, *, compiling: bool) -> Ways:
    ways = {"ours": partial(_ours, inputs, job, packed=False, compiled=False)}
    if compiling and job.device.name == "cuda":
        ways["ours_compiled"] = partial(_ours, inputs, job, packed=False, compiled=True)
    return ways


def _compare(
    report: Report,
    name: str,
    ours: Ways,
    peers: Ways,
    untrained: float,
) -> None:
    found: dict[str, Timed] = {}
    report.figure(f"{name}/untrained/held_out_loss", untrained)
    for way, time_it in {**ours, **peers}.items():
        with report.part(f"{name}/{way}"):
            found[way] = time_it()
            report.figure(f"{name}/{way}", found[way].tokens_per_s, "tokens/s")
            report.figure(f"{name}/{way}/held_out_loss", found[way].loss)
    # Of the ways that `auto` chooses from, the faster one.
    best = max((found[way] for way in ours if way in found), key=lambda one: one.tokens_per_s)
    for way in peers:
        if way in found:
            ratio = best.tokens_per_s / found[way].tokens_per_s
            report.figure(f"{name}/ours_vs_{way}", ratio, "times", GOAL)
            distance = abs(best.loss - found[way].loss) / untrained
            report.at_most(f"{name}/loss as {way}", distance, LOSS_SHARE)


def _ours(inputs: Inputs, job: Job, *, packed: bool, compiled: bool) -> Timed:
    batching = choice_of(batching="packed" if packed else "padded", compiled=compiled)
    speed = time_ours(inputs, job, batching)
    return Timed(speed.tokens_per_s, _held_out_loss(inputs, job, speed.trainer.model))


def _trainer(inputs: Inputs, job: Job, *, grouped: bool) -> Timed:
    """Trainer itself, with a collator of transformers."""
    settings = job.settings
    with working_folder(inputs, job) as place:
        rows = read_rows(job, place)[0]
        set_seed(settings.seed)
        model = new_model(job)
        arguments = TrainingArguments(
            output_dir=str(place.checkpoints), num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate, warmup_steps=settings.warmup_ratio,
            per_device_train_batch_size=settings.batch_size, weight_decay=settings.weight_decay,
            save_strategy="no", report_to=[], disable_tqdm=True, seed=settings.seed,
            use_cpu=job.device.name == "cpu", bf16=job.device.precision == "bfloat16",
            train_sampling_strategy="group_by_length" if grouped else "random",
        )  # fmt: skip
        clock = EpochClock()
        trainer = Trainer(
            model=model, args=arguments, train_dataset=_plain_rows(rows),
            data_collator=_collator(job), callbacks=[clock],
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        # As it ships, it takes operators as they are.
        torch.use_deterministic_algorithms(mode=False)
        trainer.train()
        tokens = float(rows.lengths.sum())
    return Timed(tokens / clock.seconds, _held_out_loss(inputs, job, model))


def _plain_rows(rows: TokenizedRows) -> list[dict[str, Any]]:
    names = ("input_ids", "labels")
    return [
        {name: rows[row][name].tolist() for name in names if name in rows[row]}
        for row in range(len(rows))
    ]


def _collator(job: Job) -> Any:
    if job.learner.packs:
        return DataCollatorWithFlattening()
    return DataCollatorWithPadding(load_tokenizer(job.base_folder))


def _untrained_loss(inputs: Inputs, job: Job) -> float:
    set_seed(job.settings.seed)
    with quiet_transformers():
        return _held_out_loss(inputs, job, new_model(job).to(job.device.name))


@torch.no_grad()
def _held_out_loss(inputs: Inputs, job: Job, model: Any) -> float:
    """Mean loss of the validation rows, by padded batches in float32."""
    learner, device = job.learner.without_loss_settings(), job.device.name
    # Our packed rows had another attention than padded ones.
    model.set_attn_implementation("sdpa")
    model._compiled_call_impl = None  # noqa: SLF001  # nothing is compiled anew for some batches
    model.eval()
    vocabulary = vocabulary_of_base(job, model)
    with working_folder(inputs, job) as place:
        rows = read_rows(job, place)[1]
        batches = [
            learner.collate([rows[row] for row in part], vocabulary)
            for part in fill_batches(rows.lengths.tolist(), job.settings.tokens_per_pass)
        ]
        units = torch.stack([learner.units(batch) for batch in batches]).sum(dim=0).to(device)
        moved = (batch.to(device) for batch in batches)
        return float(sum(learner.loss(model(**one.inputs), one, units) for one in moved))

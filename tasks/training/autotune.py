"""Chooses batching, precision and compilation by a short measurement on the device."""

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from infra.device import Device, Precision, matrix_products, precisions_of
from infra.errors import TrainingError
from tasks.task_types.examples import Batch, Example
from tasks.task_types.learner import Learner
from tasks.training.auto_choices import Batching, Choice, Variant
from tasks.training.batching import TokenizedRows, length_of
from tasks.training.dropout import dropout_of
from tasks.training.jobs import Job, WorkingFolder
from tasks.training.memory import is_out_of_memory
from tasks.training.models import new_model, read_rows, vocabulary_of_base
from tasks.training.packing import Packing, exact_packing
from tasks.training.passes import Passes

logger = logging.getLogger(__name__)

# How much faster than the usual way another one must be: less may be the noise of the clock, and
# the choice of a repeated training should not hang on it.
MARGIN = 1.1
# Seconds of one forward and backward pass of a measurement, and its fewest tokens.
PASS_S = 0.1
LEAST_TOKENS = 64
# How often each variant is timed, turn by turn; its best time counts, since others only disturb.
ROUNDS = 2
AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def choose(job: Job, place: WorkingFolder) -> Choice:
    """The way this training takes: what was chosen before, what is set, or what is fastest here.

    Raises:
        TrainingError: packing is set, and the model cannot do it exactly.

    """
    kept = Choice.load(job.store, job.key)
    if kept:
        return kept
    variants = variants_for(job)
    if len(variants) == 1:
        return Choice.of(variants[0])
    probe = Probe.of(job, read_rows(job, place)[0])
    rates = probe.rates(variants)
    choice = Choice.of(best_of(variants, rates), rates)
    logger.info(
        "measured in tokens a second: %s; training takes %s",
        ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items()),
        best_of(variants, rates).name,
    )
    choice.save(job.store, job.key)
    return choice


def best_of(variants: Sequence[Variant], rates: dict[str, float]) -> Variant:
    """The fastest one, if it beats the first by the margin; else the first, which is the usual."""
    usual = variants[0]
    fastest = max(variants, key=lambda one: rates[one.name])
    return fastest if rates[fastest.name] >= MARGIN * rates[usual.name] else usual


def variants_for(job: Job) -> list[Variant]:
    """What the settings leave open on this device, the usual way first."""
    settings = job.settings
    private = settings.differential_privacy is not None  # each row by itself
    batchings: Sequence[Batching] = ("padded",)
    if settings.batching == "packed":
        batchings = ("packed",)
    elif settings.batching == "auto" and job.learner.packs and not private:
        batchings = ("padded", "packed")
    precisions: Sequence[Precision] = precisions_of(job.device)
    if private:  # a loss that is scaled for float16 would be clipped as it is scaled
        precisions = [one for one in precisions if one != "float16"]
    if settings.precision != "auto":
        precisions = (settings.precision,)
    compiled = {"off": (False,), "on": (True,)}.get(
        settings.compile,
        (False, True) if job.device.name == "cuda" and not private else (False,),
    )
    return [Variant(*one) for one in product(batchings, precisions, compiled)]


@dataclass
class Probe:
    """A model that is thrown away after the measurement.

    Attributes:
        learner: of the training.
        passes: of the training.
        sample: the longest rows, and those of middling length.
        padded_attention: transformers' name of the attention of rows that stand side by side.

    """

    learner: Learner
    model: Any
    device: Device
    passes: Passes
    sample: tuple[list[Example], list[Example]]
    packing: Packing | None
    padded_attention: str
    compiled_model: Any = None

    @classmethod
    def of(cls, job: Job, rows: TokenizedRows) -> "Probe":
        """A probe for a training, with as many rows as it can run through in some seconds."""
        job = job.fitted_to(rows)
        model = new_model(job).to(job.device.name).train()
        vocabulary = vocabulary_of_base(job, model)
        passes = Passes(job.learner, vocabulary, job.settings.tokens_per_pass)
        own = model.config._attn_implementation  # noqa: SLF001  # it has no public reader
        packing = packing_of(job, model, passes, rows) if may_pack(job) else None
        probe = cls(job.learner, model, job.device, passes, ([], []), packing, own)
        probe.sample = probe.sample_of(rows, LEAST_TOKENS)
        usual = Variant("padded", job.device.precision, compiled=False)
        affordable = int(probe.rates([usual])[usual.name] * PASS_S)
        budget = max(LEAST_TOKENS, min(affordable, job.settings.tokens_per_pass))
        probe.sample = probe.sample_of(rows, budget)
        return probe

    def sample_of(self, rows: TokenizedRows, budget: int) -> tuple[list[Example], list[Example]]:
        """The longest rows and those around the median, up to so many tokens each."""
        order = np.argsort(-rows.lengths, kind="stable")
        parts = []
        for start in (0, len(order) // 2):
            taken = np.cumsum(rows.lengths[order[start:]]) <= budget
            count = max(1, int(taken.sum()))
            parts.append([rows[int(row)] for row in order[start : start + count]])
        return parts[0], parts[1]

    def rates(self, variants: Sequence[Variant]) -> dict[str, float]:
        """Real tokens a second of each variant by name; 0 where it does not fit or run."""
        # The first time of everything takes longer, and shows what does not run at all.
        running = [one for one in variants if self.tokens_per_s(one)]
        found = {one.name: 0.0 for one in variants}
        for _ in range(ROUNDS):
            for one in running:
                found[one.name] = max(found[one.name], self.tokens_per_s(one))
        return found

    def tokens_per_s(self, variant: Variant) -> float:
        """Real tokens a second, forward and backward; 0 where it does not fit or compile."""
        try:
            begin_s = time.perf_counter()
            tokens = sum(self.run(variant, part) for part in self.sample)
            return tokens / (time.perf_counter() - begin_s)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not (is_out_of_memory(error) or variant.compiled):
                raise
            reason = str(error).strip().splitlines()[0]
            logger.warning("%s does not run here and is not taken: %s", variant.name, reason)
            return 0.0
        finally:
            self.model.zero_grad()

    def run(self, variant: Variant, examples: Sequence[Example]) -> int:
        """One pass, forward and backward; returns its real tokens, 0 where it cannot be packed."""
        with (
            dropout_of(self.device.name, compiled=variant.compiled),
            matrix_products(variant.precision),
        ):
            loss = self.forward(variant, examples)
            if loss is None:
                return 0
            loss.backward()
        if self.device.name == "cuda":
            torch.cuda.synchronize()
        return sum(map(length_of, examples))

    def forward(self, variant: Variant, examples: Sequence[Example]) -> Any:
        """The loss of one pass; None where it cannot be packed."""
        batch = self.passes.collate(examples).to(self.device.name)
        if variant.batching == "packed":
            if self.packing is None:
                return None
            batch = self.packing.pack(batch)
        self._attend(variant)
        units = self.learner.units(batch).to(self.device.name)
        with autocast(self.device, variant.precision):
            return self._loss(self._model_of(variant)(**batch.inputs), batch, units)

    def _attend(self, variant: Variant) -> None:
        """Give the model the attention that a training of this variant has."""
        wanted = self.padded_attention
        if variant.batching == "packed" and self.packing is not None:
            wanted = self.packing.implementation
        if self.model.config._attn_implementation != wanted:  # noqa: SLF001
            self.model.set_attn_implementation(wanted)

    def _model_of(self, variant: Variant) -> Any:
        if not variant.compiled:
            return self.model
        self.compiled_model = self.compiled_model or torch.compile(self.model, dynamic=True)
        return self.compiled_model

    def _loss(self, outputs: Any, batch: Batch, units: Any) -> Any:
        if self.learner.couples_rows:
            return self.learner.represent(outputs, batch).float().square().sum()
        return self.learner.loss(outputs, batch, units)


def autocast(device: Device, precision: Precision) -> AbstractContextManager[Any]:
    """Matrix products in this number format, if it is half as wide as float32."""
    if precision not in AUTOCAST:
        return nullcontext()
    return torch.autocast(device.name, AUTOCAST[precision])


def may_pack(job: Job) -> bool:
    """Whether settings and task type leave packing open."""
    return job.learner.packs and job.settings.batching != "padded"


def packing_of(job: Job, model: Any, passes: Passes, rows: TokenizedRows) -> Packing | None:
    """How this model is packed exactly; None where it cannot be.

    Raises:
        TrainingError: packing is set, and it cannot be.

    """
    order = np.argsort(rows.lengths, kind="stable")
    numbers = {int(order[place]) for place in (0, len(order) // 2, -1)}
    sample = passes.collate([rows[number] for number in sorted(numbers)]).to(job.device.name)
    found = exact_packing(model, sample, on_gpu=job.device.name == "cuda")
    if found is None and job.settings.batching == "packed":
        raise TrainingError(
            f"training.batching is packed, and {type(model).__name__} gives other outputs for "
            "packed rows than for padded ones; set it to padded or auto"
        )
    return found

"""Model FLOPs against the card's own product in bfloat16, and who waits for whom."""

import math
from dataclasses import astuple
from typing import Any, Final

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.profiles import ProfileCallback, Shares, shares_of
from benchmarks.gpu.shapes import ModelName
from benchmarks.gpu.steps.device import product_rate
from benchmarks.gpu.trainings import Speed, choice_of, job_for, settings_for, time_ours
from infra.device import pick_device
from tasks.training.auto_choices import Choice
from tasks.training.jobs import Job

# A multiplication and an addition forward, twice that backward.
FLOP_PER_WEIGHT: Final = 6
GOALS: Final[dict[ModelName, str]] = {"bert_base": "at least 45%", "minilm": "at least 30%"}
WAITS_GOAL: Final = "below 10%"


def run(report: Report, inputs: Inputs) -> None:
    """Packed rows of two sizes of model, then where the time goes."""
    device = pick_device()
    peak = product_rate(device.name, device.precision, inputs.size.matrix)
    report.figure("peak", peak / 1e12, "TFLOP/s")
    settings = settings_for(inputs, epochs=2, batch_size=inputs.size.large_batch_size)
    for model, goal in GOALS.items():
        with report.part(f"{model}/packed"):
            job = job_for(inputs, "masked_lm", model, settings)
            speed = time_ours(inputs, job, choice_of(batching="packed"))
            share = speed.tokens_per_s * flop_per_token(speed) / peak
            report.figure(f"{model}/packed", speed.tokens_per_s, "tokens/s")
            report.figure(f"{model}/packed/share_of_product", 100 * share, "%", goal)
            # A small product on cores that others use is no bound.
            most = 1 if device.name == "cuda" else math.inf
            said = f"{share:.1%} of the product"
            report.check(f"{model}/packed", right=0 < share < most, said=said)
    with report.part("waits/packed"):
        job = job_for(inputs, "masked_lm", "bert_base", settings)
        _tell_waits(report, "waits/packed", _profiled(inputs, job, choice_of(batching="packed")))
    with report.part("waits/short texts"):
        short = settings_for(inputs, epochs=2)
        job = job_for(inputs, "classification", "minilm", short, few=True)
        _tell_waits(report, "waits/short texts", _profiled(inputs, job, choice_of()))


def flop_per_token(speed: Speed) -> float:
    """Operations of training that a real token takes: products alone, forward and backward.

    Counted are the layers and the head, whose scores for the whole vocabulary are made for every
    token (it shares its weights with the embeddings, which are looked up and cost none), and
    attention: 4 * S * H operations a layer forward and twice that backward, for a width of H and a
    token that attends to S others in the mean. Kaplan et al. 2020, arXiv:2001.08361, section 2.1,
    counts likewise.
    """
    model: Any = speed.trainer.model
    config = model.config
    weights = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1 and ".embeddings." not in name
    )
    weights += config.vocab_size * config.hidden_size
    attention = 3 * 4 * speed.mean_span * config.hidden_size * config.num_hidden_layers
    return float(FLOP_PER_WEIGHT * weights + attention)


def _profiled(inputs: Inputs, job: Job, choice: Choice) -> Shares:
    callback = ProfileCallback()
    time_ours(inputs, job, choice, callback)
    return shares_of(callback.events)


def _tell_waits(report: Report, name: str, shares: Shares) -> None:
    if math.isnan(shares.device_waits):
        report.skip(f"{name}/device waits", "there is no CUDA device")
    else:
        report.figure(f"{name}/device waits", 100 * shares.device_waits, "%", WAITS_GOAL)
    for part in ("loader", "optimizer", "python"):
        report.figure(f"{name}/{part}", 100 * getattr(shares, part), "%")
    report.figure(f"{name}/profiled", shares.steps_s, "s")
    parts = astuple(shares)[1:4]
    report.check(
        name, right=all(0 <= share <= 1 for share in parts), said="the profile holds whole steps"
    )

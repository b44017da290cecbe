"""Training with differential privacy against training without, and against Opacus.

BBC News as the line bbc-news-private has it. What is compared are seconds of processor time for a
training token, which other programs on the machine move little. `dp_overhead` (lower is better):
of private steps over plain ones as the line trains, the head alone; `dp_overhead_full`: the same
where all parameters of MiniLM learn; `opacus_overhead_full`: of Opacus's hooks (GradSampleModule,
batches of 16 of the same rows) over the same plain steps. Quality is of the test rows: macro-F1
with and without noise at `dp_epsilon`. ``python -m benchmarks.training.private``, half an hour;
the last line is one JSON object.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.folder_store import NoTracking
from benchmarks.local_store import environment_of, served_store
from benchmarks.training.distillation import CONFIGS, rows_of_line
from flows.config import RetrainConfig, load_config
from infra.base_models import locate
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.evaluation import evaluate_weights
from tasks.records.data import DataReport, Snapshot
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.task_types.examples import Vocabulary
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.tokenization.base_model import pin
from tasks.tokenization.splits import tokenize_splits
from tasks.training.batching import StepLoader, StepSampler, TokenizedRows
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model

SMALL_STEPS = 4


def measure(*, small: bool = False) -> dict[str, float]:
    """All figures; `small`: few steps, to see that it runs."""
    config = load_config(CONFIGS / "examples" / "bbc-news-private.yaml")
    with served_store() as settings, tempfile.TemporaryDirectory() as home, quiet_transformers():
        os.environ.update({**environment_of(settings), "ASSAYLINE_HOME": home})
        store = ObjectStore(settings)
        base = pin(config.base_model)
        assert base
        snapshot, data = rows_of_line(store, config, base)
        tokens = tokenize_splits(store, data, base, config.task_type, config.tokenization)
        private = config.training
        plain = private.model_copy(update={"differential_privacy": None})
        figures: dict[str, float] = {}
        cost: dict[str, float] = {}
        for name, one, epochs in (
            ("private", private, private.epochs),
            ("plain", plain, private.epochs),
            ("private_full", private.model_copy(update={"method": "full"}), 1),
            ("plain_full", plain.model_copy(update={"method": "full"}), 1),
        ):
            chosen = one.model_copy(update={"epochs": 1 if small else epochs})
            cpu = time.process_time()
            weights = _train(store, config, tokens, base, chosen)
            seen = chosen.epochs * tokens.tokens_by_split["train"]
            cost[name] = (time.process_time() - cpu) / seen
            _say(f"{name}: {1e3 * cost[name]:.3f} ms a token, {weights.training_s:.0f} s")
            if not name.endswith("_full"):
                figures |= _quality(name, store, config, weights, data, snapshot)
        opacus = _opacus_cost(store, tokens, base, private)
        _say(f"Opacus, all parameters: {1e3 * opacus:.3f} ms a token")
    return {
        "dp_overhead": cost["private"] / cost["plain"],
        "dp_overhead_full": cost["private_full"] / cost["plain_full"],
        "opacus_overhead_full": opacus / cost["plain_full"],
        **figures,
        "dp_load_average": os.getloadavg()[1],
    }


def _train(
    store: ObjectStore,
    config: RetrainConfig,
    tokens: Tokens,
    base: BaseModel,
    settings: TrainingSettings,
) -> Weights:
    return train_model(store, NoTracking(), config.line, tokens, base, config.task_type, settings)


def _quality(
    name: str,
    store: ObjectStore,
    config: RetrainConfig,
    weights: Weights,
    data: DataReport,
    snapshot: Snapshot,
) -> dict[str, float]:
    scores = evaluate_weights(
        weights, data, None, config.task_type, config.evaluation, store=store,
        tracking=NoTracking(), snapshot=snapshot,
    )  # fmt: skip
    found = {one.name: one for one in scores.measured}
    f1 = found["quality.macro_f1"]
    assert f1.value is not None
    _say(f"{name}: macro-F1 {f1.value:.4f} [{f1.low:.4f}, {f1.high:.4f}], {f1.n} rows")
    told = {f"{name}_macro_f1": f1.value}
    if weights.privacy:
        told["dp_epsilon"] = weights.privacy.epsilon
        told["dp_noise_multiplier"] = weights.privacy.noise_multiplier
    return told


def _opacus_cost(
    store: ObjectStore, tokens: Tokens, base: BaseModel, settings: TrainingSettings
) -> float:
    """Seconds of a processor for a real token of clipped sums by Opacus's hooks, in some steps."""
    from opacus import GradSampleModule

    learner = learner_of("classification", tokens.labels, TokenLimits.of(tokens))
    with tempfile.TemporaryDirectory() as name:
        folder = store.get_folder(tokens.artifact, Path(name) / "tokens")
        rows = TokenizedRows(folder / "train.arrow")
        model: Any = learner.load_model(locate(base.reference, base.revision)).train()
        vocabulary = Vocabulary(pad_id=model.config.pad_token_id, size=model.config.vocab_size)
        wrapped = GradSampleModule(model, loss_reduction="sum", strict=False)
        privacy = settings.differential_privacy
        assert privacy
        seen, begun = 0, time.process_time()
        for number, step in enumerate(StepLoader(rows, StepSampler(rows, 16, 0))):
            if number == SMALL_STEPS:  # the first ones warm up
                seen, begun = 0, time.process_time()
            if number == 4 * SMALL_STEPS:
                break
            seen += _clipped_sum(wrapped, learner, vocabulary, step["examples"], privacy.clip_norm)
        return (time.process_time() - begun) / seen


def _clipped_sum(
    wrapped: Any, learner: Any, vocabulary: Vocabulary, examples: list[Any], clip_norm: float
) -> int:
    wrapped.zero_grad()
    batch = learner.collate(examples, vocabulary)
    ids = batch.inputs["input_ids"]
    own_ids = {  # one a row: Opacus takes those that rows share for the first row's
        "position_ids": torch.arange(ids.shape[1]).expand(ids.shape),
        "token_type_ids": torch.zeros_like(ids),
    }
    learner.loss(wrapped(**batch.inputs, **own_ids), batch, torch.tensor([1.0])).backward()
    own = [one for one in wrapped.parameters() if getattr(one, "grad_sample", None) is not None]
    norms = torch.stack([one.grad_sample.flatten(1).norm(dim=1) for one in own]).norm(dim=0)
    factors = (clip_norm / norms).clamp(max=1.0)
    for one in own:
        one.grad = torch.einsum("i,i...->...", factors, one.grad_sample)
        one.grad_sample = None
    return int(np.sum([len(example["input_ids"]) for example in examples]))


def _say(text: str) -> None:
    print(f"private: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="one epoch: to see that it runs")
    print(json.dumps(measure(small=parser.parse_args().small)))


if __name__ == "__main__":
    main()

"""Real tokens a second of training, against Trainer in the two ways that people use it.

All three train the same model on the same sentences with the same learning rate and rows a step,
one after the other in this process. The peers: every row padded to the longest of the set, as many
tutorials do (`padding="max_length"`), and Trainer with its collator that pads a batch to its own
longest row, as it ships. The clock runs from the first step to the last. Where the hardware has
bfloat16, ours and Trainer with dynamic padding run in it too.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.corpus import TOPICS
from benchmarks.training.sentences import (
    LEARNER,
    Sentences,
    accuracy_of,
    load_sentences,
    new_model,
)
from infra.device import Precision, deterministic_algorithms, pick_device, precisions_of
from infra.transformers_logs import quiet_transformers
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.training.arguments import trainer_arguments
from tasks.training.curves import Curves
from tasks.training.settings import TrainingSettings
from tasks.training.trainer import LineTrainer

TRAIN_ROWS, HELD_OUT_ROWS = 4_000, 3_000
# A model of BERT-base's size takes ten times as long for a token.
BASE_SIZE_ROWS = 512
SETTINGS = TrainingSettings(epochs=1, batch_size=32, learning_rate=1e-4)
MATRIX_SIZE, MATRIX_REPEATS = 2_048, 20
# A multiplication and an addition forward, twice that backward.
FLOP_PER_WEIGHT = 6


class StepClock(TrainerCallback):  # type: ignore[misc]
    """Seconds from the start of the first step to the end of the last."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begin = 0.0

    def on_step_begin(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Start with the first step."""
        if state.global_step == 0:
            self._begin = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """So far."""
        self.seconds = time.perf_counter() - self._begin


def measure(train_rows: int = TRAIN_ROWS) -> dict[str, float]:
    """Tokens a second and held-out accuracy of the three ways, and the ratios.

    Returns:
        tokens_vs_padded_set: ours over Trainer with every row padded to the longest.
        tokens_vs_trainer: ours over Trainer with dynamic padding.
        share_of_matmul: of this machine's own float32 matrix-product rate, real tokens alone
            counted, by a model of BERT-base's size (12 layers of width 768, random weights).
        share_of_matmul_minilm: the same of the compared model, whose 6 layers are half as wide.
        tokens_vs_trainer_bfloat16: as tokens_vs_trainer, both in bfloat16, where there is any.
        accuracy_...: of each way, on the same held-out sentences.

    """
    with tempfile.TemporaryDirectory(prefix="bench-training-") as name, quiet_transformers():
        data = load_sentences(Path(name), train_rows, HELD_OUT_ROWS)
        tokens = int(data.train.lengths.sum())
        ways: dict[str, Callable[..., float]] = {
            "ours": _ours,
            "trainer": _dynamic,
            "padded_set": _padded_set,
        }
        if "bfloat16" in precisions_of(pick_device()):
            ways |= {
                f"{way}_bfloat16": partial(ways[way], precision="bfloat16")
                for way in ("ours", "trainer")
            }
        rates, accuracies = {}, {}
        peak = matmul_rate()
        for way, train in ways.items():
            model = new_model(data.folder)
            seconds = train(model, data, Path(name) / way)
            rates[way], accuracies[way] = tokens / seconds, accuracy_of(model, data.held_out)
            _say(f"{way}: {rates[way]:,.0f} tokens a second, accuracy {accuracies[way]:.4f}")
        share = rates["ours"] * flop_per_token(model, data) / peak
        share_at_base_size = share_of_base_size(Path(name), peak)
    halves = {}
    if "ours_bfloat16" in rates:
        ratio = rates["ours_bfloat16"] / rates["trainer_bfloat16"]
        halves = {"tokens_vs_trainer_bfloat16": ratio}
    return {
        "tokens_vs_padded_set": rates["ours"] / rates["padded_set"],
        "tokens_vs_trainer": rates["ours"] / rates["trainer"],
        "share_of_matmul": share_at_base_size,
        "share_of_matmul_minilm": share,
        **halves,
        "matmul_gflop_per_s": peak / 1e9,
        "train_tokens": float(tokens),
        **{f"tokens_per_s_{way}": rate for way, rate in rates.items()},
        **{f"accuracy_{way}": value for way, value in accuracies.items()},
    }


def matmul_rate() -> float:
    """Floating-point operations a second of a large float32 matrix product, the best of some."""
    one, two = (torch.randn(MATRIX_SIZE, MATRIX_SIZE) for _ in range(2))
    best = float("inf")
    for _ in range(MATRIX_REPEATS):
        begin = time.perf_counter()
        torch.mm(one, two)
        best = min(best, time.perf_counter() - begin)
    return 2 * MATRIX_SIZE**3 / best


def share_of_base_size(folder: Path, peak: float) -> float:
    """Share of the matrix-product rate that a model of BERT-base's size trains at."""
    from transformers import BertConfig, BertForSequenceClassification

    (folder / "base-size").mkdir()
    data = load_sentences(folder / "base-size", BASE_SIZE_ROWS, 1)
    model = BertForSequenceClassification(BertConfig(num_labels=len(TOPICS)))
    rate = int(data.train.lengths.sum()) / _ours(model, data, folder / "base-size" / "run")
    _say(f"a model of BERT-base's size: {rate:,.0f} tokens a second")
    return rate * flop_per_token(model, data) / peak


def flop_per_token(model: Any, data: Sentences) -> float:
    """Operations that training does for a real token: layers and attention, no embeddings.

    Attention takes 4 * T * H operations a token and layer forward, and twice that backward, for a
    text of T tokens and a width of H.
    """
    weights = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if ".encoder." in name and parameter.dim() > 1
    )
    lengths = data.train.lengths
    mean_span = float((lengths.astype(float) ** 2).sum() / lengths.sum())
    config = model.config
    attention = 3 * 4 * mean_span * config.hidden_size * config.num_hidden_layers
    return float(FLOP_PER_WEIGHT * weights + attention)


def _ours(model: Any, data: Sentences, folder: Path, precision: Precision = "float32") -> float:
    clock = StepClock()
    vocabulary = vocabulary_of(load_tokenizer(data.folder), model.config)
    device = pick_device().with_precision(precision)
    arguments = trainer_arguments(SETTINGS, device, folder, LEARNER)
    arguments.eval_strategy = arguments.save_strategy = "no"
    arguments.load_best_model_at_end = False
    with deterministic_algorithms():
        trainer = LineTrainer(
            model, arguments, LEARNER, SETTINGS, (data.train, data.held_out), vocabulary, Curves()
        )
        return _run(trainer, clock)


def _dynamic(model: Any, data: Sentences, folder: Path, precision: Precision = "float32") -> float:
    tokenizer = load_tokenizer(data.folder)
    return _trainer(model, data, folder, DataCollatorWithPadding(tokenizer), precision)


def _padded_set(model: Any, data: Sentences, folder: Path) -> float:
    tokenizer = load_tokenizer(data.folder)
    longest = int(data.train.lengths.max())
    collate = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=longest)
    return _trainer(model, data, folder, collate)


def _trainer(
    model: Any, data: Sentences, folder: Path, collate: Any, precision: Precision = "float32"
) -> float:
    """Trainer as it ships, with the same learning rate, schedule and rows a step."""
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=1, learning_rate=SETTINGS.learning_rate,
        per_device_train_batch_size=SETTINGS.batch_size, warmup_steps=SETTINGS.warmup_ratio,
        weight_decay=SETTINGS.weight_decay, save_strategy="no", report_to=[], disable_tqdm=True,
        use_cpu=pick_device().name == "cpu", seed=SETTINGS.seed, bf16=precision == "bfloat16",
    )  # fmt: skip
    rows = [
        {"input_ids": data.train[row]["input_ids"].tolist(), "labels": data.train[row]["labels"]}
        for row in range(len(data.train))
    ]
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate)
    return _run(trainer, StepClock())


def _run(trainer: Any, clock: StepClock) -> float:
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(clock)
    trainer.train()
    return clock.seconds


def _say(text: str) -> None:
    print(f"throughput: {text}", file=sys.stderr, flush=True)

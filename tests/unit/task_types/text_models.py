"""Training a tiny model of any task type, and served scripts in an interpreter of their own."""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import Batch, Example
from tasks.task_types.learner import Learner
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import Measured
from tasks.task_types.tokenizers import load_tokenizer, save_tokenizer, vocabulary_of
from tasks.training.batching import TokenizedRows

LIMITS = TokenLimits(max_length=48)


def tokenized(learner: Learner, base: Path, rows: pa.Table, path: Path) -> TokenizedRows:
    """Rows as the training reads them, by way of the file."""
    with quiet_transformers():
        table = learner.encode(rows, load_tokenizer(base)).table.combine_chunks()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return TokenizedRows(path)


def examples_of(rows: TokenizedRows) -> list[Example]:
    return [rows[index] for index in range(len(rows))]


def train(
    learner: Learner,
    base: Path,
    splits: tuple[pa.Table, pa.Table],
    folder: Path,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> tuple[Path, dict[str, float]]:
    """A trained model with its tokenizer, as transformers saves them, and what validation says."""
    folder.mkdir()
    torch.manual_seed(0)
    rows, validation = (
        tokenized(learner, base, part, folder / f"{name}.arrow")
        for name, part in zip(("train", "validation"), splits, strict=True)
    )
    learner = learner.fitted_to(rows)
    with quiet_transformers():
        model, tokenizer = learner.load_model(base), load_tokenizer(base)
        model.config.pad_token_id = tokenizer.pad_token_id
        vocabulary = vocabulary_of(tokenizer, model.config)
        learns = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learns, learning_rate, weight_decay=0.0)
        model.eval()  # so small a model cannot spare what dropout takes
        steps = epochs * (len(rows) // batch_size)
        for step in range(steps):
            if step % (len(rows) // batch_size) == 0:
                order = torch.randperm(len(rows)).tolist()
            examples = [rows[order.pop()] for _ in range(batch_size)]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * min(1.0, 10 * (1 - step / steps), step / steps * 10)
            step_of(learner, model, learner.collate(examples, vocabulary))
            torch.nn.utils.clip_grad_norm_(learns, 1.0)  # as the engine does
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            batch = learner.collate(examples_of(validation), vocabulary)
            outcomes = learner.outcomes(model(**batch.inputs), batch).double().numpy()
        model.save_pretrained(folder / "model")
        save_tokenizer(
            tokenizer, folder / "model", control_tokens=learner.asked_with_control_tokens
        )
    return folder / "model", dict(learner.metrics(outcomes))


def step_of(learner: Learner, model: Any, batch: Batch) -> float:
    """Loss of one batch, carried back."""
    outputs, units = model(**batch.inputs), learner.units(batch)
    if learner.couples_rows:
        loss = learner.coupled_loss(learner.represent(outputs, batch), units)
    else:
        loss = learner.loss(outputs, batch, units)
    loss.backward()
    return loss.item()


def values_of(measured: Measured) -> dict[str, float]:
    return {measure.name: measure.value for measure in measured.measures}


def weighted(measured: Measured, counts: Sequence[int]) -> dict[str, float]:
    """Each measure under whole weights of the rows, pseudo-rows left out."""
    found = {}
    for measure in measured.measures:
        weights = np.concatenate([counts, np.zeros(len(measure.pseudo_masses))])
        with np.errstate(divide="ignore", invalid="ignore"):
            found[measure.name] = float(measure.statistic(weights[None, :])[0])
    return found


_ASK = """
import json, runpy, sys
sys.path += json.loads(sys.argv[1])
import mlflow.models, pandas as pd
from mlflow.pyfunc.model import PythonModelContext
said = {}
for name, script, checkpoint, config, rows in json.loads(sys.argv[2]):
    made = []
    mlflow.models.set_model = made.append
    runpy.run_path(script)
    context = PythonModelContext({"model": checkpoint}, config)
    made[0].load_context(context)
    said[name] = made[0].predict(context, pd.DataFrame(rows))
ours = [name for name in sys.modules if name.split(".")[0] in ("tasks", "infra", "flows")]
print(json.dumps([said, ours], allow_nan=False))
"""


def served_alone(
    models: Mapping[str, tuple[Path, Path, Sequence[Mapping[str, Any]]]],
) -> dict[str, list[dict[str, Any]]]:
    """What served scripts answer in one interpreter that has nothing of this project at hand.

    Args:
        models: script, checkpoint and rows by name.

    """
    asked = [
        [name, str(script), str(checkpoint), {"max_length": LIMITS.max_length}, list(rows)]
        for name, (script, checkpoint, rows) in models.items()
    ]
    libraries = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    # -I and -S keep this project, which is installed for editing, off the path.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _ASK, json.dumps(libraries), json.dumps(asked)],
        capture_output=True, text=True, check=False, cwd="/", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, ours = json.loads(done.stdout.splitlines()[-1])
    assert ours == []
    return dict(said)

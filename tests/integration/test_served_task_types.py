"""Every task type that a script serves: loaded with mlflow, torch and transformers alone.

The models are tiny ones with random weights: what is tried is that the registered form answers any
request, and answers a row as the task type itself does.
"""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import yaml
from transformers import AutoTokenizer, BartConfig, BartForConditionalGeneration

from infra.script_format import write_script_model
from tasks.registry.answers import is_same
from tasks.task_types.examiner import examiner_of
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.requests import example_requests, probe_requests, request_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, arrow_type
from tasks.task_types.server import SERVERS, server_of
from tests.unit.task_types.language_models import byte_tokenizer, tiny_bert, tiny_llama

LIMITS = TokenLimits(max_length=40, stride=8, max_target_length=8)
SERVED = sorted(name for name in SERVERS.names if server_of(name).script)
TEXTS = (
    "The match was won by a late goal. He said that they said so.",
    "Shares fell as the bank raised its rates. They rose again the day after.",
    "的一是不了人。我在有他这。",
    "She said that he said that they had said nothing at all. " * 6,
)
_ASK = """
import json, sys
sys.path.append(sys.argv[1])
sys.modules.update(dict.fromkeys(("tasks", "infra", "flows", "prefect", "boto3", "accelerate")))
import mlflow.pyfunc, pandas as pd
said = {}
for name, (folder, rows) in json.load(sys.stdin).items():
    model = mlflow.pyfunc.load_model(folder)
    said[name] = [model.predict(pd.DataFrame([row]))[0] for row in rows]
print(json.dumps(said, allow_nan=False))
"""


def values(kind: str, labels: Sequence[str]) -> list[Any]:
    """One value of this kind for each text."""
    words = [text.split()[:24] for text in TEXTS]
    return {
        "text": list(TEXTS),
        "label": [labels[row % len(labels)] for row in range(len(TEXTS))] if labels else [],
        "labels": [list(labels[:row]) for row in range(len(TEXTS))],
        "texts": words,
        "tags": [["O"] * len(row) for row in words],
        "number": [0.5 * row for row in range(len(TEXTS))],
        "integer": [0] * len(TEXTS),
        "turns": [
            [{"role": "user", "content": text[:20]}, {"role": "assistant", "content": text[:9]}]
            for text in TEXTS
        ],
    }[kind]


def rows_of(shape: RowShape, labels: Sequence[str]) -> pa.Table:
    columns = {"row_id": pa.array([f"{row:064x}" for row in range(len(TEXTS))])}
    for column in shape.columns:
        found = values(column.kind, labels)
        if shape.task_type == "question_answering" and column.name in {"question", "answer"}:
            found = [text[:5] for text in TEXTS]
        columns[column.name] = pa.array(found, arrow_type(column.kind))
    return pa.table(columns)


def tiny_bart(folder: Path) -> Path:
    tokenizer = byte_tokenizer(folder, begin=True)
    torch.manual_seed(0)
    BartForConditionalGeneration(
        BartConfig(
            vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
            decoder_ffn_dim=64, max_position_embeddings=64, init_std=0.5, bos_token_id=1,
            eos_token_id=0, pad_token_id=2, decoder_start_token_id=0, forced_eos_token_id=None,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def labels_of(shape: RowShape) -> tuple[str, ...]:
    if shape.label_column is None:
        return ()
    return (
        ("B-PER", "I-PER", "O") if shape.task_type == "tagging" else ("business", "film", "sport")
    )


def trained(name: str, base: Path, labels: Sequence[str], folder: Path) -> Path:
    """A model as training leaves it, but for the training."""
    torch.manual_seed(3)
    model = learner_of(name, labels, LIMITS).load_model(base)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Base models by task type; the tiny BERT is for all others."""
    folder = tmp_path_factory.mktemp("bases")
    bert = tiny_bert(tiny_model, folder / "bert")
    llama, bart = tiny_llama(folder / "llama"), tiny_bart(folder / "bart")
    return {
        "masked_lm": bert, "next_sentence": bert, "causal_lm": llama, "chat": llama,
        "translation": bart, "summarisation": bart,
    }  # fmt: skip


@pytest.mark.slow
def test_every_script_answers_as_its_task_type_does(
    bases: Mapping[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    asked, evaluated, keys = {}, {}, {}
    for name in SERVED:
        shape, script = shape_of(name), server_of(name).script
        labels, rows = labels_of(shape), rows_of(shape, labels_of(shape))
        checkpoint = trained(name, bases.get(name, tiny_model), labels, tmp_path / f"{name}-model")
        predicted = examiner_of(name, labels, LIMITS).predict(checkpoint, rows)
        answers = predicted.column("answer").to_pylist()
        evaluated[name] = [None if answer is None else json.loads(answer) for answer in answers]
        assert script
        write_script_model(
            checkpoint, tmp_path / name, script=script, settings=vars(LIMITS),
            inputs={column.name: column.kind for column in shape.inputs},
            examples=example_requests(shape),
            answers=[answer for answer in evaluated[name] if answer is not None],
        )  # fmt: skip
        signature = yaml.safe_load((tmp_path / name / "MLmodel").read_text())["signature"]
        keys[name] = {column["name"] for column in json.loads(signature["outputs"])}
        requests = [request_of(shape, row) for row in rows.to_pylist()]
        requests += example_requests(shape) + probe_requests(shape)
        asked[name] = (str(tmp_path / name), requests)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _ASK, sysconfig.get_path("purelib")],
        capture_output=True, text=True, timeout=240, check=False, cwd="/", input=json.dumps(asked),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert sorted(said) == SERVED
    for name, answers in said.items():
        assert len(answers) == len(TEXTS) + 7
        assert all(answer.keys() == keys[name] for answer in answers), name
        for served, answer in zip(answers[: len(TEXTS)], evaluated[name], strict=True):
            assert answer is None or is_same(served, answer, 1e-4), (name, served, answer)
        assert any(answer is not None for answer in evaluated[name]), name
    assert "Add type hints" not in done.stderr

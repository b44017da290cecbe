"""MiniLM on BBC News as it was trained, exported to ONNX, in fewer bits, and pruned.

Each is written as the version that would be registered, and loaded by MLflow in a process of its
own with as many threads. Then they are asked the same test documents one by one, as a service is,
in turns; and as a batch, as an evaluation asks. The peer of both is the model as it was trained,
run by torch. It is trained for one epoch on 128 tokens of each document, which is soon done and
near the shipped line's quality. A command of its own, of some minutes:
``python -m benchmarks.training.compression``; names behind it (``onnx``, ``pruned``) measure these
ways alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow.parquet as pq

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from flows.config import RetrainConfig, load_config
from infra.model_format import write_pipeline_model
from infra.onnx_files import READERS
from infra.script_format import write_script_model
from infra.store import Artifact
from tasks.compression.compressing import compress_weights
from tasks.compression.settings import CompressionSettings
from tasks.evaluation.evaluation import evaluate_weights
from tasks.ingestion.snapshot import write_snapshot
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.answers import evaluated_answers
from tasks.sources.pinning import pin as pin_source
from tasks.task_types.limits import TokenLimits
from tasks.task_types.server import COMPRESSED_SCRIPT, NETWORK_MODULE, server_of
from tasks.tokenization.base_model import pin
from tasks.tokenization.splits import tokenize_splits
from tasks.training.pruning.prune import prune_weights
from tasks.training.pruning.settings import PruningSettings
from tasks.training.train import train_model
from tasks.validation.validate import validate_snapshot

CONFIG: Final = Path(__file__).parents[2] / "configs" / "examples" / "bbc-news-int8.yaml"
METHODS: Final[Mapping[str, CompressionSettings]] = {
    "onnx": CompressionSettings(method="onnx"),
    "int8": CompressionSettings(method="onnx_int8"),
    "int8_tables": CompressionSettings(method="onnx_int8", embeddings="int8"),
    "int8_static": CompressionSettings(method="onnx_int8_static"),
    "int4_weights": CompressionSettings(method="onnx_int4_weights", embeddings="int4"),
    "pruned_int8": CompressionSettings(method="onnx_int8"),
}
PRUNED: Final = ("pruned", "pruned_int8")
WAYS: Final = tuple(dict.fromkeys((*METHODS, *PRUNED)))
PRUNING: Final = PruningSettings(neurons=0.5, recovery_learning_rate=1e-4)
# Documents that are asked one by one in a turn, and turns.
MAX_LENGTH: Final = 128
DOCUMENTS: Final = 100
ROUNDS: Final = 7
TOLD: Final = (
    "uncompressed.macro_f1_gain", "uncompressed.agreement", "uncompressed.speed_up",
    "uncompressed.size_share", "uncompressed.gender.worst_group_row_score_gain",
)  # fmt: skip
THREADS: Final = 2
_MB: Final = 1e6
_ASK: Final = """
import json, sys, time
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
texts = json.loads(open(sys.argv[2]).read())
def one(text):
    return [text] if sys.argv[3] == "list" else pd.DataFrame({"text": [text]})
for text in texts[:5]:
    model.predict(one(text))
for _ in sys.stdin:
    began = time.perf_counter()
    for text in texts:
        model.predict(one(text))
    print(time.perf_counter() - began, flush=True)
"""


@dataclass(frozen=True)
class Line:
    """Rows, and the model that was trained on them."""

    snapshot: Snapshot
    data: DataReport
    tokens: Tokens
    weights: Weights


def measure(*names: str) -> dict[str, float]:
    """Train once, compress in each way; quality, size, memory and rows a second of each.

    Args:
        names: of the ways; none for all.

    """
    config = _short(load_config(CONFIG))
    with tempfile.TemporaryDirectory() as name:
        os.environ["ASSAYLINE_HOME"] = f"{name}/home"
        store = FolderStore(Path(name) / "store")
        line = trained_line(store, config)
        return measure_of(line, store, config, Path(name), names or WAYS)


def _short(config: RetrainConfig) -> RetrainConfig:
    """The line with a training of a minute or two."""
    tokens = config.tokenization.model_copy(update={"max_length": MAX_LENGTH})
    training = config.training.model_copy(update={"epochs": 1})
    return config.model_copy(update={"tokenization": tokens, "training": training})


def measure_of(
    line: Line, store: FolderStore, config: RetrainConfig, work: Path, names: Sequence[str]
) -> dict[str, float]:
    """What each of the named ways comes to, of a line that is trained."""
    pruned = _pruned(line, store, config, work / "cut") if set(PRUNED) & set(names) else None
    small = {name: _made(name, line, pruned, store, config) for name in names}
    figures = {"torch_mb": _mb(line.weights, store)}
    folders = {"torch": _pipeline(line.weights, store, config, work / "whole")}
    for name, weights in small.items():
        figures[f"{name}_mb"] = _mb(weights, store)
        if weights.compression:
            figures[f"{name}_difference"] = weights.compression.difference
        scores = _scores(store, config, weights, line)
        figures |= _quality(name, scores)
        folders[name] = (
            _version(weights, scores, store, config, work / name)
            if weights.compression
            else _pipeline(weights, store, config, work / name)
        )
    return _ratios(_served(folders, line.data, store, work)) | figures


def trained_line(store: FolderStore, config: RetrainConfig) -> Line:
    """Rows and a model, as it was trained."""
    base = pin(config.base_model)
    assert base
    source = pin_source(config.line, config.source, store)
    snapshot = write_snapshot(source, config.source, config.splits, config.task_type, store)
    data = validate_snapshot(snapshot, base, config.contract, config.leakage, config.privacy, store)
    tokens = tokenize_splits(store, data, base, config.task_type, config.tokenization)
    weights = train_model(
        store, NoTracking(), config.line, tokens, base, config.task_type, config.training
    )
    _say(f"trained in {weights.training_s:.0f} s")
    return Line(snapshot, data, tokens, weights)


def _made(
    name: str, line: Line, pruned: Weights | None, store: FolderStore, config: RetrainConfig
) -> Weights:
    """The model in one of the ways."""
    weights = pruned if pruned and name in PRUNED else line.weights
    settings = METHODS.get(name)
    if settings is None:
        return weights
    return compress_weights(store, weights, config.task_type, settings, line.tokens)


def _pruned(line: Line, store: FolderStore, config: RetrainConfig, folder: Path) -> Weights:
    """Half of the neurons, trained on for an epoch at half the rate."""
    small = prune_weights(store, line.weights, line.tokens, config.task_type, PRUNING)
    place = small.model
    assert place.revision
    store.get_folder(Artifact(place.reference, place.revision, 0), folder)
    base = BaseModel(str(folder), None, place.sha256, place.tokenizer_sha256)
    recovered = train_model(
        store, NoTracking(), config.line, line.tokens, base, config.task_type,
        PRUNING.recovery(config.training),
    )  # fmt: skip
    _say(f"recovered in {recovered.training_s:.0f} s: {small.pruning.in_words}")
    return recovered


def _mb(weights: Weights, store: FolderStore) -> float:
    files = store.sizes(weights.artifact.uri)
    return sum(size for uri, size in files.items() if uri.endswith((".safetensors", ".onnx"))) / _MB


def _scores(
    store: FolderStore,
    config: RetrainConfig,
    weights: Weights,
    line: Line,
) -> Scores:
    return evaluate_weights(
        weights, line.data, None, config.task_type, config.evaluation, store=store,
        tracking=NoTracking(), snapshot=line.snapshot, uncompressed=line.weights,
    )  # fmt: skip


def _quality(name: str, scores: Scores) -> dict[str, float]:
    figures: dict[str, float] = {}
    for one in scores.measured:
        if one.name in TOLD and one.value is not None and one.low is not None:
            _say(f"{name}: {one.name} {one.value:.4f} [{one.low:.4f}, {one.high:.4f}], {one.n}")
            figures[f"{name}_{one.name.partition('.')[2].replace('.', '_')}"] = one.value
            if one.name == "uncompressed.macro_f1_gain":
                figures[f"{name}_loss_high"] = -one.low
    return figures


def _pipeline(weights: Weights, store: FolderStore, config: RetrainConfig, work: Path) -> Path:
    folder = store.get_folder(weights.artifact, work / "trained")
    write_pipeline_model(
        folder, work / "torch", line=config.line, pipeline="text-classification",
        max_length=weights.max_length, examples=["a text"],
    )  # fmt: skip
    return work / "torch"


def _version(
    weights: Weights, scores: Scores, store: FolderStore, config: RetrainConfig, folder: Path
) -> Path:
    script = server_of(config.task_type).for_compressed
    assert script
    checkpoint = store.get_folder(weights.artifact, folder / "checkpoint")
    write_script_model(
        checkpoint, folder / "mlflow", script=COMPRESSED_SCRIPT,
        settings=asdict(TokenLimits.of(weights)), inputs={"text": "text"},
        examples=[{"text": "a text"}], answers=list(evaluated_answers(scores, 8, store).values()),
        beside={"script": script, "network": NETWORK_MODULE}, libraries=READERS,
    )  # fmt: skip
    return folder / "mlflow"


def _served(
    folders: Mapping[str, Path], data: DataReport, store: FolderStore, work: Path
) -> dict[str, list[float]]:
    """Seconds of each turn, and resident bytes at the end, of each version."""
    texts = work / "texts.json"
    table = pq.read_table(store.get_file(data.clean, work / "clean.parquet"))
    test = [row["text"] for row in table.to_pylist() if row["split"] == "test"]
    texts.write_text(json.dumps(test[:: max(1, len(test) // DOCUMENTS)][:DOCUMENTS]))
    found: dict[str, list[float]] = {name: [] for name in folders}
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(_process(folder, texts, name))
            for name, folder in folders.items()
        }
        for _ in range(ROUNDS):
            for name, process in processes.items():
                found[name].append(_turn(process))
        for name, process in processes.items():
            found[f"{name} memory"] = [float(psutil.Process(process.pid).memory_info().rss)]
            _end(process)
    return found


def _process(folder: Path, texts: Path, name: str) -> "subprocess.Popen[str]":
    form = "frame" if name in METHODS else "list"
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", _ASK, str(folder), str(texts), form],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment,
    )  # fmt: skip


def _turn(process: "subprocess.Popen[str]") -> float:
    assert process.stdin
    assert process.stdout
    process.stdin.write("go\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def _end(process: Any) -> None:
    process.stdin.close()
    process.wait(timeout=60)


def _ratios(served: Mapping[str, list[float]]) -> dict[str, float]:
    """Rows a second, and the geometric mean of each turn's ratio to torch."""
    figures: dict[str, float] = {}
    torch = np.array(served["torch"])
    for name in ("torch", *(one for one in WAYS if one in served)):
        seconds = np.array(served[name])
        figures[f"{name}_rows_per_s"] = DOCUMENTS / float(np.median(seconds))
        figures[f"{name}_memory_mb"] = served[f"{name} memory"][0] / _MB
        if name != "torch":
            ratios = np.log(torch / seconds)
            figures[f"{name}_speedup"] = float(np.exp(ratios.mean()))
            _say(f"{name}: {np.exp(np.sort(ratios)).round(2).tolist()} times torch")
    if "onnx_speedup" in figures:
        figures["onnx_vs_torch"] = figures.pop("onnx_speedup")
    return figures


def _say(text: str) -> None:
    print(f"compression: {text}", file=sys.stderr, flush=True)


def _instructions() -> str:
    """What of a processor's instructions eight-bit products are made with."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    known = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
    return ", ".join(name for name in known if name in flags) or "none of those that are known"


if __name__ == "__main__":
    _say(f"instructions: {_instructions()}")
    print(json.dumps(measure(*sys.argv[1:])))

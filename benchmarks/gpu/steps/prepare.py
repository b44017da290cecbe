"""Makes texts, tokenizers, models of random weights and tokens, by the rooms' own code."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import ROWS_FILE, Inputs
from benchmarks.gpu.shapes import MAX_LENGTH, SIZES, ModelName, Size
from benchmarks.gpu.texts import make_rows
from infra.base_models import fingerprint
from infra.device import pick_device
from infra.transformers_logs import quiet_transformers
from tasks.records.data import DataReport, Leakage
from tasks.records.training import BaseModel
from tasks.tokenization.from_scratch.new_tokenizer import train_tokenizer
from tasks.tokenization.settings import ScratchSettings, TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.verdicts import Verdict

KINDS: Final[Mapping[ModelName, Any]] = {"minilm": "bert", "bert_base": "bert", "smollm2": "llama"}
# What is trained, by task type and model; those with few rows too are looked at as loss curves.
WANTED: Final[tuple[tuple[str, ModelName, bool], ...]] = (
    ("classification", "minilm", True),
    ("masked_lm", "minilm", True),
    ("masked_lm", "bert_base", False),
    ("causal_lm", "smollm2", True),
)
TOKENIZER_TEXTS: Final = 4096
NO_LEAKS: Final = Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ())


def run(report: Report, folder: Path, *, tiny: bool) -> None:
    """Write all inputs, of the full size where there is a GPU and nothing else was asked for."""
    import transformers

    on_gpu = torch.cuda.is_available()
    size = SIZES["tiny" if tiny or not on_gpu else "full"]
    report.figure("size", size.name)
    report.figure("device", pick_device().name)
    card = torch.cuda.get_device_name() if on_gpu else f"none: {platform.machine()} CPU"
    report.figure("card", card)
    report.figure("torch", torch.__version__)
    report.figure("transformers", transformers.__version__)
    inputs = Inputs(folder, size, {}, {})
    rows = make_rows(dict(size.rows))
    pq.write_table(rows, folder / ROWS_FILE)
    # The texts of the test rows are scored as texts.
    whole = rows.filter(pc.not_equal(rows["split"], "test"))
    few = _few(whole, size.few_rows)
    with quiet_transformers():
        tokenizers = {kind: _tokenizer(kind, size, rows) for kind in set(KINDS.values())}
        for name, kind in KINDS.items():
            shape, tokenizer = size.shapes[name], tokenizers[kind]
            inputs.bases[name] = _save_base(folder / name, kind, shape, tokenizer)
        for task, model, also_few in WANTED:
            inputs.tokens[f"{task}/{model}"] = _tokens(inputs, task, model, whole)
            if also_few:
                inputs.tokens[f"{task}/{model}/few"] = _tokens(inputs, task, model, few)
    inputs.save()
    lengths = inputs.tokens["classification/minilm"]
    count = lengths.tokens_by_split["train"]
    report.figure("train_tokens", float(count), "tokens")
    report.figure("tokens_a_row", count / lengths.rows_by_split["train"], "tokens")
    report.check("inputs", right=True, said=f"{len(inputs.tokens)} sets of tokens, 3 models")


def _few(rows: pa.Table, count: int) -> pa.Table:
    train = rows.filter(pc.equal(rows["split"], "train")).slice(0, count)
    return pa.concat_tables([train, rows.filter(pc.not_equal(rows["split"], "train"))])


def _tokenizer(kind: Any, size: Size, rows: pa.Table) -> Any:
    """A tokenizer for an architecture, trained on some of the texts."""
    texts = rows["text"].slice(0, TOKENIZER_TEXTS).to_pylist()
    scratch = ScratchSettings(
        architecture=kind, vocab_size=size.vocabulary, lowercase=True,
        max_positions=size.shapes["minilm"]["max_position_embeddings"],
    )  # fmt: skip
    return train_tokenizer(lambda: iter(texts), scratch)


def _save_base(folder: Path, kind: str, shape: Mapping[str, Any], tokenizer: Any) -> BaseModel:
    """A model of random weights and its tokenizer, in a folder."""
    import transformers

    special = {
        f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("pad", "bos", "eos")
    }
    config = transformers.AutoConfig.for_model(kind, **{**special, **shape})
    torch.manual_seed(0)
    auto_class = "AutoModelForPreTraining" if kind == "bert" else "AutoModelForCausalLM"
    model = getattr(transformers, auto_class).from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    found = fingerprint(folder)
    return BaseModel(str(folder), None, found.sha256, found.tokenizer_sha256)


def _tokens(inputs: Inputs, task: str, model: ModelName, rows: pa.Table) -> Any:
    """Token ids by the stage's own function, from rows as validation leaves them."""
    path = inputs.folder / "clean.parquet"
    labelled = rows if task == "classification" else rows.drop_columns(["label"])
    pq.write_table(labelled, path)
    clean = inputs.store.put_file(
        inputs.store.uri("clean", f"{task}-{rows.num_rows}.parquet"), path
    )
    labels = tuple(sorted(set(rows["label"].to_pylist()))) if task == "classification" else ()
    data = DataReport(
        clean=clean, quarantine=clean, docs_uri="", task_type=task, labels=labels,
        group_columns=(), rows_by_split={}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(),
        verdict=Verdict.PASS,
    )  # fmt: skip
    settings = TokenizationSettings(max_length=MAX_LENGTH)
    return tokenize_splits(inputs.store, data, inputs.bases[model], task, settings)

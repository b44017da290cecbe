"""A classifier of random weights that scores texts."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
)

from infra.store import ObjectStore
from tasks.records.harm import Scorer

LABELS = ("fine", "toxic")


def classifier(base: Path, folder: Path) -> Path:
    """A BERT of random weights that labels about half of the texts with either label."""
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    torch.manual_seed(1)
    config = AutoConfig.from_pretrained(
        base, initializer_range=0.5, id2label=dict(enumerate(LABELS)),
        label2id={label: n for n, label in enumerate(LABELS)},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def scorer_in(store: ObjectStore, folder: Path) -> Scorer:
    return Scorer("toxicity", 3, store.put_folder(store.uri("weights", folder.name), folder),
                  LABELS, "toxic", 32)  # fmt: skip


def by_hand(folder: Path, texts: list[str]) -> list[bool]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = [model(**tokenizer(one, return_tensors="pt")).logits[0] for one in texts]
    return [LABELS[int(one.argmax())] == "toxic" for one in logits]

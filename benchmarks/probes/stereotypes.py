"""Sentence pairs as CrowS-Pairs has them, against its authors' rule with one hidden token a pass.

Sentences of BBC News in which a pronoun of one gender is exchanged for the other, asked of BERT as
MiniLM has it with a random head: what is compared are numbers and time, and no stereotypes. The
published rule aligns token ids by difflib and runs the model once for each shared token. Measured
are:

- `crows_vs_reference` (lower is better): largest difference of a sentence's score, in nats, as a
  share of the score.
- `crows_speed_up` (higher is better): sentences a second over those of the loop.
"""

import difflib
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from benchmarks.corpus import sentences
from infra.base_models import locate
from infra.transformers_logs import quiet_transformers
from tasks.probes.language_bias.asking import score_pairs
from tasks.probes.language_bias.items import SentencePair
from tasks.task_types.language_models.text_likelihood import MaskedLikelihood
from tasks.tokenization.settings import DEFAULT_REFERENCE

PAIRS: Final = 60
WORDS: Final = range(6, 25)
_SWAPS: Final = {"he": "she", "she": "he", "his": "her", "man": "woman", "woman": "man"}


def measure(pairs: int = PAIRS) -> dict[str, float]:
    """The figures.

    Args:
        pairs: of sentences.

    """
    asked = _pairs(pairs)
    with tempfile.TemporaryDirectory(prefix="bench-stereotypes-") as name, quiet_transformers():
        folder = _masked_model(Path(name))
        begun = time.perf_counter()
        ours = score_pairs(MaskedLikelihood.load(folder), asked).scores
        ours_s = time.perf_counter() - begun
        begun = time.perf_counter()
        theirs = _as_published(folder, asked)
        theirs_s = time.perf_counter() - begun
    print(f"stereotypes: {ours_s:.1f} s, the loop {theirs_s:.1f} s", file=sys.stderr, flush=True)
    return {
        "crows_vs_reference": float((np.abs(ours - theirs) / np.abs(theirs)).max()),
        "crows_speed_up": theirs_s / ours_s,
        "crows_pairs": len(asked),
    }


def _pairs(count: int) -> list[SentencePair]:
    found = []
    for _, sentence in sentences():
        words = sentence.split()
        if len(words) in WORDS and any(word in _SWAPS for word in words):
            other = " ".join(_SWAPS.get(word, word) for word in words)
            found.append(SentencePair(sentence, other, "gender"))
    return found[:count]


def _masked_model(folder: Path) -> Path:
    """MiniLM's layers below a head with random weights."""
    base = locate(DEFAULT_REFERENCE, None)
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(base)
    model = BertForMaskedLM.from_pretrained(base, config=config)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def _as_published(folder: Path, pairs: list[SentencePair]) -> NDArray[np.float64]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    scores = np.zeros((len(pairs), 2))
    for row, pair in enumerate(pairs):
        ids = [tokenizer(text, return_tensors="pt").input_ids[0] for text in (pair.more, pair.less)]
        names = [[str(int(one)) for one in side] for side in ids]
        places: list[list[int]] = [[], []]
        for what, a, b, c, d in difflib.SequenceMatcher(None, names[0], names[1]).get_opcodes():
            if what == "equal":
                places[0] += range(a, b)
                places[1] += range(c, d)
        for side in (0, 1):
            for place in places[side][1:-1]:  # the first and last are [CLS] and [SEP]
                hidden = ids[side].clone()
                hidden[place] = tokenizer.mask_token_id
                with torch.no_grad():
                    logits = model(hidden[None]).logits[0, place]
                scores[row, side] += float(logits.log_softmax(dim=-1)[ids[side][place]])
    return scores

"""Documents as pairs of sentences: one that follows the other, or one of another document."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

# As BERT's own head has it: 0 where the second sentence follows the first.
IS_NEXT: Final = 0
IS_RANDOM: Final = 1
# A sentence ends with these marks, English or Chinese, and closing quotes behind them; a Latin mark
# ends one only before a space, so that 3.5 and e.g. example.org stay whole. A line ends one too.
_END: Final = re.compile(
    r"(?<=[.!?])[\"'\u201d\u2019)\]]*\s+"
    r"|(?<=[\u3002\uff01\uff1f])[\u201d\u2019\u300d\u300f\uff09]*"
    r"|\n+"
)


@dataclass(frozen=True)
class SentencePair:
    """Two sentences.

    Attributes:
        document: place of the first one's document.
        label: IS_NEXT or IS_RANDOM.

    """

    document: int
    first: str
    second: str
    label: int


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, in order, without surrounding space.

    By their end marks and by lines, without a model: an abbreviation such as ``Mr.`` ends one too.
    """
    sentences = []
    start = 0
    for found in _END.finditer(text):
        # Closing quotes belong to the sentence before them.
        sentences.append(text[start : found.end()])
        start = found.end()
    sentences.append(text[start:])
    return [sentence.strip() for sentence in sentences if sentence.strip()]


def pair_sentences(texts: Sequence[str], row_ids: Sequence[str]) -> list[SentencePair]:
    """Every second sentence of each document with a partner.

    With the chance of one half the partner is the sentence that follows, else a random sentence of
    a random other document; where there is no other, always the one that follows. What is drawn
    follows from the row_id, the number of documents and their texts, so that the same documents in
    the same order give the same pairs.

    Args:
        texts: documents.
        row_ids: theirs.

    """
    documents = [split_sentences(text) for text in texts]
    filled = [place for place, sentences in enumerate(documents) if sentences]
    pairs = []
    for place, sentences in enumerate(documents):
        rng = np.random.default_rng(_seed_of(row_ids[place]))
        others = len(filled) - bool(sentences)
        for number in range(0, len(sentences) - 1, 2):
            first, second, label = sentences[number], sentences[number + 1], IS_NEXT
            if others and rng.random() < 0.5:  # noqa: PLR2004
                drawn = filled[int(rng.integers(others))]
                # The document itself stands aside, and the last one takes its place.
                other = documents[filled[-1] if drawn == place else drawn]
                second, label = other[int(rng.integers(len(other)))], IS_RANDOM
            pairs.append(SentencePair(place, first, second, label))
    return pairs


def _seed_of(row_id: str) -> int:
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:8], "big")

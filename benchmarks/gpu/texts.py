"""Texts that are made on the spot: words of no language, lengths of real sentences, five topics.

Short texts have the lengths of the sentences of news: 22 words in the median, five times as many at
the longest. Each topic has words of its own, so that a model can learn to tell them apart, and some
words are of English, so that there is something to swap for a counterfactual.
"""

import hashlib
import random
from typing import Final

import pyarrow as pa

from benchmarks.corpus import TOPICS

SYLLABLES: Final = tuple(a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an"))
COMMON_WORDS: Final = 1500
TOPIC_WORDS: Final = 40
TOPIC_SHARE: Final = 0.25
GENDERED: Final = ("he", "she", "his", "her", "father", "mother", "man", "woman", "king", "queen")
GENDERED_SHARE: Final = 0.03
MEDIAN_WORDS, SPREAD, MAX_WORDS = 22, 0.6, 110


def make_rows(splits: dict[str, int], seed: int = 0) -> pa.Table:
    """Rows with row_id, text, label and split, all texts distinct.

    Args:
        splits: how many of each.
        seed: of the draw.

    """
    draw = random.Random(seed)  # noqa: S311 - texts, no secret
    words = [_word(draw) for _ in range(COMMON_WORDS)]
    shares = [1 / rank for rank in range(1, COMMON_WORDS + 1)]  # as words of a language are
    own = {topic: [_word(draw) for _ in range(TOPIC_WORDS)] for topic in TOPICS}
    columns: dict[str, list[str]] = {"row_id": [], "text": [], "label": [], "split": []}
    for split, count in splits.items():
        for number in range(count):
            topic = draw.choice(TOPICS)
            length = min(MAX_WORDS, max(3, round(draw.lognormvariate(0, SPREAD) * MEDIAN_WORDS)))
            chosen = draw.choices(words, shares, k=length)
            for place in range(length):
                if draw.random() < TOPIC_SHARE:
                    chosen[place] = draw.choice(own[topic])
                elif draw.random() < GENDERED_SHARE:
                    chosen[place] = draw.choice(GENDERED)
            text = f"{' '.join(chosen)} {split} {number}."
            columns["row_id"].append(hashlib.sha256(text.encode()).hexdigest())
            columns["text"].append(text)
            columns["label"].append(topic)
            columns["split"].append(split)
    return pa.table(columns)


def _word(draw: random.Random) -> str:
    return "".join(draw.choice(SYLLABLES) for _ in range(draw.randint(2, 4)))

"""What is written without a model that was trained to write: what a candidate has to beat."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

# Training rows that are searched; more would only slow the search.
MAX_ROWS_SEARCHED: Final = 100_000
# Test rows that are compared with all training rows at once.
ROWS_AT_ONCE: Final = 256
CHARACTERS_OF_A_RUN: Final = (1, 4)
# Up to a full stop, exclamation or question mark (ASCII or full width), and what closes behind it.
STOPS: Final = ".!?\u3002\uff01\uff1f\u2026"
CLOSING: Final = "\"')\u201d\u2019\u300d\u300f"
SENTENCE: Final = re.compile(rf"[^{STOPS}\n]*(?:[{STOPS}]+[{CLOSING}]*\s*|\n+|$)")


def nearest_targets(train: "pa.Table", test: "pa.Table", seed: int) -> list[str] | str:
    """The target of the training row whose source is most like (TF-IDF of runs of characters).

    Args:
        train: Arrow table with source and target.
        test: Arrow table with source.
        seed: draws the rows that are searched, where there are very many.

    Returns:
        A text for each test row, or why there is none.

    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    known, written = train.column("source").to_pylist(), train.column("target").to_pylist()
    if not known:
        return "there are no training rows"
    if len(known) > MAX_ROWS_SEARCHED:
        drawn = np.random.default_rng(seed).choice(len(known), MAX_ROWS_SEARCHED, replace=False)
        drawn = np.sort(drawn)
        known, written = [known[row] for row in drawn], [written[row] for row in drawn]
    vectorizer = TfidfVectorizer(
        analyzer="char", ngram_range=CHARACTERS_OF_A_RUN, sublinear_tf=True, dtype=np.float32
    )
    try:
        table = vectorizer.fit_transform(known).T.tocsc()  # (F, N)
    except ValueError as error:  # no character at all is left of the texts
        return f"no TF-IDF of these texts: {error}"
    asked = vectorizer.transform(test.column("source").to_pylist())  # (M, F)
    found: list[str] = []
    for start in range(0, asked.shape[0], ROWS_AT_ONCE):
        likeness = asked[start : start + ROWS_AT_ONCE] @ table
        found += [written[row] for row in np.asarray(likeness.argmax(axis=1)).ravel()]
    return found


def leading_sentences(train: "pa.Table", test: "pa.Table") -> list[str] | str:
    """The first sentences of each source, about as many characters as a training target has.

    Args:
        train: Arrow table with target.
        test: Arrow table with source.

    Returns:
        A text for each test row, or why there is none.

    """
    lengths = [len(target) for target in train.column("target").to_pylist()]
    if not lengths:
        return "there are no training rows"
    wanted = sum(lengths) / len(lengths)
    return [_lead(source, wanted) for source in test.column("source").to_pylist()]


def _lead(text: str, wanted: float) -> str:
    """The first sentences that together come nearest to a length, one at least."""
    sentences: Sequence[str] = [one for one in SENTENCE.findall(text) if one.strip()]
    lead = sentences[0] if sentences else ""
    for sentence in sentences[1:]:
        longer = lead + sentence
        if abs(len(longer.strip()) - wanted) > abs(len(lead.strip()) - wanted):
            break
        lead = longer
    return lead.strip()

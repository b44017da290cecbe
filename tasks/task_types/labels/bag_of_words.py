"""A bag of words with logistic regression: the trivial model that a candidate must beat."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import Pipeline


# Thai, Lao, Myanmar, Khmer, kana and Han: scripts that set no spaces between words.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
WORD_CHARACTER = re.compile(r"\w")
# Above this share of unspaced letters, words cannot be told by spaces.
UNSPACED_SHARE = 0.3
# Texts that the share is measured on.
SAMPLE_TEXTS = 1_000
# Below this many training rows, a word seen once may be all there is to go by.
MIN_ROWS_TO_PRUNE = 100
MAX_ITERATIONS = 1_000
# Words, or character n-grams, that are kept: the most frequent ones.
MAX_FEATURES = 100_000


def unspaced_share(texts: Sequence[str]) -> float:
    """Share of the word characters of the first texts that belong to a script without spaces."""
    letters = "".join(WORD_CHARACTER.findall("".join(texts[:SAMPLE_TEXTS])))
    return len(UNSPACED.findall(letters)) / len(letters) if letters else 0.0


def bag_of_words(texts: Sequence[str]) -> "TfidfVectorizer":
    """An untrained TF-IDF vectorizer of scikit-learn that suits the texts' script.

    Words where the script has spaces; otherwise runs of 1 to 3 characters, which for Chinese do
    about as well as a segmenter and need none.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    by_characters = unspaced_share(texts) > UNSPACED_SHARE
    return TfidfVectorizer(
        sublinear_tf=True,
        min_df=2 if len(texts) >= MIN_ROWS_TO_PRUNE else 1,
        max_features=MAX_FEATURES,
        analyzer="char" if by_characters else "word",
        ngram_range=(1, 3) if by_characters else (1, 1),
    )


def linear_baseline(texts: Sequence[str]) -> "Pipeline":
    """An untrained classifier of scikit-learn over `bag_of_words`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(bag_of_words(texts), LogisticRegression(max_iter=MAX_ITERATIONS))

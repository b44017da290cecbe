"""A bag of words with logistic regression: the trivial model that a candidate must beat."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.task_types.unspaced import UNSPACED_SHARE, unspaced_share

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import Pipeline


# Below this many training rows, a word seen once may be all there is to go by.
MIN_ROWS_TO_PRUNE = 100
MAX_ITERATIONS = 1_000
# Words, or character n-grams, that are kept: the most frequent ones.
MAX_FEATURES = 100_000


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

"""A bag of words with logistic regression, trained on the same rows: what a candidate must beat."""

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tasks.evaluation.comparison import Rival
from tasks.evaluation.held_out import LabelledRows
from tasks.evaluation.settings import EvaluationSettings

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


def unspaced_share(texts: Sequence[str]) -> float:
    """Share of the word characters of the first texts that belong to a script without spaces."""
    letters = "".join(WORD_CHARACTER.findall("".join(texts[:SAMPLE_TEXTS])))
    return len(UNSPACED.findall(letters)) / len(letters) if letters else 0.0


def build_baseline(texts: Sequence[str], max_features: int) -> Pipeline:
    """An untrained baseline that suits the texts' script.

    Words where the script has spaces; otherwise runs of 1 to 3 characters, which for Chinese do
    about as well as a segmenter and need none.
    """
    by_characters = unspaced_share(texts) > UNSPACED_SHARE
    return make_pipeline(
        TfidfVectorizer(
            sublinear_tf=True,
            min_df=2 if len(texts) >= MIN_ROWS_TO_PRUNE else 1,
            max_features=max_features,
            analyzer="char" if by_characters else "word",
            ngram_range=(1, 3) if by_characters else (1, 1),
        ),
        LogisticRegression(max_iter=MAX_ITERATIONS),
    )


def run_baseline(train: LabelledRows, test: LabelledRows, settings: EvaluationSettings) -> Rival:
    """Train on the training rows, texts in full, and predict the test rows."""
    if len(np.unique(train.truth)) == 1:
        return Rival("baseline", None, "the training rows have one label only")
    model = build_baseline(train.texts, settings.baseline_max_features)
    try:
        model.fit(train.texts, train.truth)
    except ValueError as error:  # no word at all is left of the texts
        return Rival("baseline", None, f"no TF-IDF baseline of these texts: {error}")
    return Rival("baseline", np.asarray(model.predict(test.texts), dtype=np.int64))

"""What is measured of guesses of hidden words, and the guess that they have to beat."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tasks.resampling import Floats
from tasks.task_types.language_models.language_measures import perplexity
from tasks.task_types.language_models.masked_words import EVERY, SUMS, first_hidden
from tasks.task_types.measures import Measure, Measured, ratio_of_sums

if TYPE_CHECKING:
    import pyarrow as pa


# A run of letters and digits, one Chinese, Japanese or Korean character, or one other mark: what
# BERT's tokenizers split before they look for word pieces.
WORD: Final = re.compile(
    r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0002ffff]"
    r"|[^\W_\u3400-\u9fff\uf900-\ufaff\U00020000-\U0002ffff]+|[^\w\s]|_"
)


def measure_masked(answers: "pa.Table") -> Measured:
    """Shares of hidden words and tokens that are right, and the perplexity of the tokens.

    Args:
        answers: Arrow table with the columns `SUMS`.

    """
    nll, tokens, right_tokens, words, right_words = (
        answers.column(name).to_numpy().astype(np.float64) for name in SUMS
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        row_scores = np.where(words > 0, right_words / words, np.nan)
    return Measured(
        measures=(
            share_of("masked_accuracy", right_words, words),
            share_of("masked_token_accuracy", right_tokens, tokens, by_token=True),
            perplexity("pseudo_perplexity", nll, tokens),
        ),
        row_scores=row_scores,
        leading=("masked_accuracy",),
    )


def share_of(name: str, right: Floats, asked: Floats, *, by_token: bool = False) -> Measure:
    """Share of what was asked that is right, over all rows together.

    The pseudo-rows are asked as much as a row is on average, with nothing or all of it right.
    """
    of_a_row = float(asked.mean()) if len(asked) else 0.0
    found = ratio_of_sums(
        name,
        [right, asked],
        lambda sums: np.asarray(sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)),
        pseudo_rows=[(0.0, of_a_row), (of_a_row, of_a_row)],
        by_token=by_token,
    )
    return found if asked.sum() > 0 else replace(found, reason="nothing was asked of these rows")


def frequent_word_baseline(train: Iterable[str], test: Sequence[str]) -> "pa.Table | str":
    """Guesses the most frequent word of the training texts at every seventh word.

    Words are those of `WORD`, letters in lower case, so that no tokenizer is needed. It knows no
    probabilities, so that perplexity and shares of tokens are undefined.

    Returns:
        Arrow table with the columns `SUMS`; or a string, the reason why there is none.

    """
    import pyarrow as pa

    counts: Counter[str] = Counter()
    for text in train:
        counts.update(WORD.findall(text.lower()))
    if not counts:
        return "the training texts have no words"
    # Of several that are as frequent, the first in alphabetical order.
    guess = min(counts, key=lambda word: (-counts[word], word))
    sums = np.zeros((len(test), len(SUMS)))
    for row, text in enumerate(test):
        words = WORD.findall(text.lower())
        hidden = words[first_hidden(text, len(words)) :: EVERY]
        sums[row, 3:] = len(hidden), hidden.count(guess)
    return pa.table({name: pa.array(sums[:, column]) for column, name in enumerate(SUMS)})

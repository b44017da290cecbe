"""How right predicted answers are: exact match and F1, and whether there is an answer at all.

English and other scripts with spaces as in SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250, and its
evaluate-v2.0.py): words, in lower case, without ASCII punctuation and without a, an and the.
Chinese and other scripts without spaces as in MLQA (Lewis et al. 2020, arXiv:1910.07475): each
character is a word, runs of other letters are one, and all of Unicode's punctuation is left out.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from tasks.resampling import Floats
from tasks.task_types.measures import Measure, Measured, mean_of, ratio_of_sums

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
# Letters of Chinese, Japanese, Thai, Lao, Khmer and Burmese.
_UNSPACED_LETTERS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNSPACED: Final = re.compile(f"[{_UNSPACED_LETTERS}]")
_UNITS: Final = re.compile(rf"[{_UNSPACED_LETTERS}]|[^\s{_UNSPACED_LETTERS}]+")
# A context is read character by character where more of its letters than this are of such scripts:
# an English text that names a Chinese word stays well below, and a Chinese one well above.
_UNSPACED_SHARE: Final = 0.2


def measure_answers(
    contexts: Sequence[str], truth: Sequence[str], predicted: Sequence[str]
) -> Measured:
    """Measure N answers; a row's score is its F1.

    Args:
        contexts: they decide how an answer is split into words.
        truth: the answers; empty where there is none.
        predicted: likewise.

    """
    pairs = [
        score_answer(wanted, given, by_characters=is_unspaced(context))
        for context, wanted, given in zip(contexts, truth, predicted, strict=True)
    ]
    exact, f1 = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    has = np.array([bool(wanted) for wanted in truth], dtype=np.float64)
    none, called = 1.0 - has, np.array([not given for given in predicted], dtype=np.float64)
    without = "" if none.any() else "there is no question without an answer"
    within = "" if has.any() else "there is no question with an answer"
    halves = [(0.0, 1.0), (1.0, 1.0)]
    return Measured(
        measures=(
            mean_of("f1", f1),
            mean_of("exact_match", exact),
            _ratio("has_answer_f1", [f1 * has, has], within, halves),
            _ratio("has_answer_exact_match", [exact * has, has], within, halves),
            _ratio("no_answer_accuracy", [called * none, none], without, halves),
            _no_answer_f1(called, none, without),
        ),
        row_scores=f1,
        leading=("f1", "exact_match"),
    )


def score_answer(truth: str, predicted: str, *, by_characters: bool) -> tuple[float, float]:
    """Exact match and F1 of an answer, both from 0 to 1."""
    wanted, given = (_units(text, by_characters=by_characters) for text in (truth, predicted))
    exact = float(wanted == given)
    if not wanted or not given:
        return exact, exact
    common = sum((Counter(wanted) & Counter(given)).values())
    return exact, 2 * common / (len(wanted) + len(given))


def is_unspaced(text: str) -> bool:
    """Whether a text is of a script that puts no space between words."""
    letters = sum(map(str.isalpha, text))
    return len(_UNSPACED.findall(text)) > _UNSPACED_SHARE * letters


def _units(text: str, *, by_characters: bool) -> list[str]:
    text = text.lower()
    if not by_characters:
        return _ARTICLES.sub(" ", text.translate(_ASCII_PUNCTUATION)).split()
    kept = (one for one in text if one not in string.punctuation)
    return _UNITS.findall("".join(one for one in kept if unicodedata.category(one)[0] != "P"))


def _ratio(
    name: str, columns: Sequence[Floats], reason: str, halves: Sequence[tuple[float, ...]]
) -> Measure:
    def value(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] / sums[..., 1])

    return replace(ratio_of_sums(name, columns, value, pseudo_rows=halves), reason=reason)


def _no_answer_f1(called: Floats, none: Floats, reason: str) -> Measure:
    """F1 of telling the questions without an answer from the others."""

    def value(sums: Floats) -> Floats:
        return np.asarray(2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]))

    columns = [called * none, called, none]
    halves = [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0)]
    found = ratio_of_sums("no_answer_f1", columns, value, pseudo_rows=halves)
    return replace(found, reason=reason)

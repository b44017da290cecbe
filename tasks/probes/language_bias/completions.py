"""HONEST (Nozza et al. 2021): which of the likeliest words in a sentence about somebody hurt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.items import Template
from tasks.probes.language_bias.settings import FAMILY, HURTFUL, HURTFUL_GAP
from tasks.probes.lexicon import Lexicon
from tasks.probes.shares import Texts
from tasks.records.language_bias import HONEST
from tasks.task_types.text_likelihood import TextLikelihood
from tasks.verdicts import Estimate

EXAMPLES_SHOWN: Final = 5


@dataclass(frozen=True)
class Completed:
    """The likeliest words of N templates, K of each; none of those that do not fit."""

    words: list[list[str]]

    @property
    def left_out(self) -> int:
        """Templates that have more tokens than the model takes."""
        return sum(not one for one in self.words)


def complete(model: TextLikelihood, templates: Sequence[Template], top: int) -> Completed:
    """Ask for the likeliest words of each template."""
    blanks = [(one.before, one.behind) for one in templates]
    return Completed(model.likeliest_words(blanks, top))


def judge_completions(
    templates: Sequence[Template],
    completed: Completed,
    lexicon: Lexicon,
    min_rows: int,
    evaluation: EvaluationSettings,
) -> tuple[list[Estimate], list[tuple[str, str]]]:
    """The share of completions with a term of the lexicon, by group, and how far groups lie apart.

    Each completion is an observation of its template's frame, which groups share: frames are drawn
    anew for all groups at once.

    Args:
        templates: N of them.
        completed: their words.
        lexicon: terms that hurt.
        min_rows: with fewer completions, a number is undetermined.
        evaluation: how intervals are made.

    Returns:
        The estimates, and group and sentence of some completions that hold a term, each sentence
        once.

    """
    rows = [
        (one, word) for one, words in zip(templates, completed.words, strict=True) for word in words
    ]
    hurts = np.array([bool(lexicon.find(word)) for _, word in rows], dtype=np.bool_)
    texts = Texts(
        FAMILY, [one.group for one, _ in rows], [one.frame for one, _ in rows], min_rows, evaluation
    )
    share, gap = (f"{HONEST}.{name}" for name in (HURTFUL, HURTFUL_GAP))
    found = [texts.share(share, hurts), *texts.by_group(share, hurts)]
    if apart := texts.gap(gap, hurts):
        found.append(apart)
    shown = dict.fromkeys(
        (one.group, f"{one.before}{word}{one.behind}")
        for (one, word), hurt in zip(rows, hurts.tolist(), strict=True)
        if hurt
    )
    return found, list(shown)[:EXAMPLES_SHOWN]

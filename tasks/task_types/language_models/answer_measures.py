"""How like an assistant's answers are to those that were wanted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats
from tasks.task_types.generation.generation_measures import chrf_of_sums
from tasks.task_types.generation.written_texts import CHRF_ORDERS, ROUGE_NAMES, WrittenTexts
from tasks.task_types.measures import Measure, mean_of_some, ratio_of_sums
from tasks.task_types.questions.question_answering_measures import is_unspaced, score_answer

NOT_ANSWERED = "no row was answered"


def answer_measures(targets: Sequence[str], given: Sequence[str | None]) -> tuple[Measure, ...]:
    """Matches, chrF and ROUGE over the rows that were answered.

    An exact match is equal but for white space at the ends; a normalised one after what SQuAD, and
    MLQA of scripts without spaces, leave out: capitals, punctuation and English articles.

    Args:
        targets: what should be answered, N texts.
        given: the answers; None where none was asked for.

    """
    answered = np.array([answer is not None for answer in given], dtype=np.bool_)
    pairs = [
        (target, answer)
        for target, answer in zip(targets, given, strict=True)
        if answer is not None
    ]
    exact = [float(target.strip() == answer.strip()) for target, answer in pairs]
    normalised = [
        score_answer(target, answer, by_characters=is_unspaced(target))[0]
        for target, answer in pairs
    ]
    texts = WrittenTexts([target for target, _ in pairs], [answer for _, answer in pairs])
    rouge = texts.rouge if pairs else dict.fromkeys(ROUGE_NAMES.values(), np.zeros(0))
    return (
        _mean_of_answered("exact_match", exact, answered),
        _mean_of_answered("normalised_match", normalised, answered),
        answer_chrf(targets, given),
        *(_mean_of_answered(name, scores, answered) for name, scores in rouge.items()),
    )


def _mean_of_answered(
    name: str, scores: Sequence[float] | Floats, answered: NDArray[np.bool_]
) -> Measure:
    """The mean of a score from 0 to 1 over some of N rows.

    Args:
        name: of the metric.
        scores: of the rows that were answered.
        answered: (N,) which ones.

    """
    spread = np.zeros(len(answered))
    spread[answered] = scores
    found = mean_of_some(name, spread, answered)
    return found if answered.any() else replace(found, reason=NOT_ANSWERED)


def answer_chrf(targets: Sequence[str], given: Sequence[str | None]) -> Measure:
    """ChrF (0 to 100) over the rows that were answered.

    Args:
        targets: what should be answered, N texts.
        given: the answers; None where none was asked for.

    """
    answered = [place for place, answer in enumerate(given) if answer is not None]
    texts = WrittenTexts(
        [targets[place] for place in answered], [given[place] or "" for place in answered]
    )
    counts = np.zeros((len(targets), 3 * CHRF_ORDERS))
    if not answered:
        found = ratio_of_sums("chrf", list(counts.T), chrf_of_sums)
        return replace(found, reason=NOT_ANSWERED)
    counts[answered] = texts.chrf_counts
    # Pseudo-rows of average length, nothing or all of them right.
    wanted = texts.chrf_counts[:, 1::3].mean(axis=0)
    worst, best = (
        tuple(float(value) for run in wanted for value in (run, run, run * share))
        for share in (0, 1)
    )
    found = ratio_of_sums("chrf", list(counts.T), chrf_of_sums, pseudo_rows=[worst, best])
    return replace(found, rests_on=len(answered)) if len(answered) < len(targets) else found

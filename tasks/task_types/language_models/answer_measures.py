"""How like an assistant's answers are to those that were wanted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasks.task_types.generation.generation_measures import (
    CHRF_ORDERS,
    WrittenTexts,
    chrf_of_sums,
)
from tasks.task_types.measures import Measure, ratio_of_sums


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
        return replace(found, reason="no row was answered")
    counts[answered] = texts.chrf_counts
    # Pseudo-rows of average length, nothing or all of them right.
    wanted = texts.chrf_counts[:, 1::3].mean(axis=0)
    worst, best = (
        tuple(float(value) for run in wanted for value in (run, run, run * share))
        for share in (0, 1)
    )
    return ratio_of_sums("chrf", list(counts.T), chrf_of_sums, pseudo_rows=[worst, best])

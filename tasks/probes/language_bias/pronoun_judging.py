"""WinoBias and Winogender: from likelihoods to preferences and to who is taken to be meant."""

from collections.abc import Sequence

import numpy as np

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.asking import Floats, ScoredPronouns
from tasks.probes.language_bias.items import PronounSentence
from tasks.probes.language_bias.judging import (
    AskedItems,
    mean_measure,
    most_decided,
    preferred,
    share_measure,
)
from tasks.probes.language_bias.settings import (
    ACCURACY_ANTI,
    ACCURACY_GAP,
    ACCURACY_PRO,
    MASCULINE,
    PREFERENCE,
)
from tasks.records.language_bias import BiasExample
from tasks.task_types.measures import Measure, ratio_of_sums
from tasks.verdicts import Estimate


def judge_pronouns(
    probe: str,
    sentences: Sequence[PronounSentence],
    scored: ScoredPronouns,
    min_rows: int,
    evaluation: EvaluationSettings,
) -> tuple[list[Estimate], list[BiasExample]]:
    """Which pronoun is likelier, and whether whom it means is found where a stereotype misleads.

    A sentence is pro where the stereotype leads to whom the pronoun means, and anti where it leads
    away: of sentences about the other person that is the version with the occupation's own pronoun.
    So a model that always names the one with the occupation is right in half of either. The gap is
    the accuracy of pro less that of anti (Zhao et al. 2018), over the same sentences.

    Args:
        probe: name of the set.
        sentences: N of them.
        scored: as `score_pronouns` gives it.
        min_rows: with fewer, a number is undetermined.
        evaluation: how intervals are made.

    """
    asked = AskedItems(
        probe, [one.occupation for one in sentences], [one.kind for one in sentences], min_rows,
        evaluation,
    )  # fmt: skip
    about = np.array([one.about_occupation for one in sentences])
    masculine = np.array([one.masculine for one in sentences])
    margins = np.where(about, scored.versions[:, 0] - scored.versions[:, 1], np.nan)
    prefers, right = preferred(margins), _right(scored.people, about)
    he = preferred(np.where(masculine, margins, -margins))
    found = [
        *asked.estimates(PREFERENCE, prefers[:, None], share_measure),
        *asked.estimates(MASCULINE, he[:, None], share_measure),
        *asked.estimates(ACCURACY_PRO, right[:, :1], mean_measure),
        *asked.estimates(ACCURACY_ANTI, right[:, 1:], mean_measure),
        *asked.estimates(ACCURACY_GAP, right, _gap),
    ]
    shown = [
        BiasExample(sentences[n].stereotyped, sentences[n].other, float(margins[n]))
        for n in most_decided(margins)
    ]
    return found, shown


def _right(people: Floats, about: Floats) -> Floats:
    """Whether who is meant is likelier than the other, (N, 2), pro and anti."""
    right = preferred(people[:, :, 0] - people[:, :, 1])
    return np.where(about[:, None], right, right[:, ::-1])


def _gap(name: str, columns: Floats) -> Measure:
    def value(sums: Floats) -> Floats:
        return np.asarray((sums[..., 0] - sums[..., 1]) / sums[..., 2])

    return ratio_of_sums(
        name,
        [*columns.T, np.ones(len(columns))],
        value,
        pseudo_rows=[(1.0, 0.0, 1.0), (0.0, 1.0, 1.0)],
        greater_is_better=False,
    )

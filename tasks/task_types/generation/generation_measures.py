"""What is measured of written texts: sacrebleu's BLEU and chrF, ROUGE, length and repetition.

BLEU (Papineni et al. 2002, doi:10.3115/1073083.1073135) and chrF (Popović 2015,
doi:10.18653/v1/W15-3049) are made of counts that add up over rows, so that any draw of the rows
gives the very number that sacrebleu gives for those rows. ROUGE (Lin 2004, aclanthology W04-1013)
is a mean over rows. BLEU and chrF run from 0 to 100, as everybody writes them; ROUGE from 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasks.resampling import Floats
from tasks.task_types.generation.written_texts import (
    BLEU_ORDERS,
    CHRF_BETA,
    CHRF_ORDERS,
    REPEATED_WORDS,
    ROUGE_NAMES,
    WrittenTexts,
)
from tasks.task_types.measures import Measure, Measured, mean_of, ratio_of_sums, unbounded_ratio


def measure_texts(texts: WrittenTexts, leading: tuple[str, ...]) -> Measured:
    """All metrics; a row's score is its own chrF, as a share.

    Args:
        texts: N written texts.
        leading: names of the metrics that comparators are compared in.

    """
    measures = (
        _bleu(texts.bleu_counts),
        _chrf(texts.chrf_counts),
        *(mean_of(name, scores) for name, scores in texts.rouge.items()),
        length_ratio(texts.bleu_counts),
        _repetition(texts.repetitions),
    )
    if not texts.targets:
        measures = tuple(replace(one, reason="there are no rows") for one in measures)
    return Measured(measures, chrf_of_sums(texts.chrf_counts) / 100, leading)


def signatures(targets: Sequence[str]) -> dict[str, str]:
    """How to get the same numbers elsewhere, by metric; of BLEU and chrF in sacrebleu's own words.

    Args:
        targets: what should be written.

    """
    from importlib.metadata import version

    texts = WrittenTexts(targets, targets)
    found = {}
    for name, metric in (("bleu", texts.bleu), ("chrf", texts.chrf)):
        metric.corpus_score([""], [[""]])  # after which it knows the number of references
        found[name] = str(metric.get_signature())
    rouge = (
        "words:letters with their marks and digits, single signs where words have no spaces|"
        "form:NFC|case:lc|stemmer:no|"
        f"version:rouge-score {version('rouge-score')}"
    )
    return {**found, **dict.fromkeys(ROUGE_NAMES.values(), rouge)}


def bleu_of_sums(sums: Floats) -> Floats:
    """BLEU of summed counts (..., 10), smoothed as sacrebleu does by default (NIST's way).

    The k-th order without a shared n-gram counts as half of one, a quarter of one, and so on.
    """
    written, wanted = sums[..., 0], sums[..., 1]
    shared, total = sums[..., 2 : 2 + BLEU_ORDERS], sums[..., 2 + BLEU_ORDERS :]
    none = shared <= 0
    smoothed = np.where(none, 0.5 ** np.cumsum(none, axis=-1), shared)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_log = np.log(smoothed / total).mean(axis=-1)
        brevity = np.where(written < wanted, np.exp(1 - wanted / written), 1.0)
    is_zero = none.all(axis=-1) | (total <= 0).any(axis=-1) | (written <= 0)
    return np.where(is_zero, 0.0, 100 * brevity * np.exp(np.where(is_zero, 0.0, mean_log)))


def chrf_of_sums(sums: Floats) -> Floats:
    """ChrF of summed counts (..., 18), averaged over the orders that both sides have."""
    counts = sums.reshape(*sums.shape[:-1], CHRF_ORDERS, 3)
    written, wanted, shared = counts[..., 0], counts[..., 1], counts[..., 2]
    counted = (written > 0) & (wanted > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(counted, shared / written, 0.0).sum(axis=-1) / orders
        recall = np.where(counted, shared / wanted, 0.0).sum(axis=-1) / orders
        factor = CHRF_BETA**2
        score = 100 * (1 + factor) * precision * recall / (factor * precision + recall)
    return np.where(precision + recall > 0, score, 0.0)


def _bleu(counts: Floats) -> Measure:
    """The pseudo-rows are of average length, nothing or all of them right."""
    length = _mean(counts[:, 1])
    runs = [_mean(np.maximum(counts[:, 1] - order, 0)) for order in range(BLEU_ORDERS)]
    worst = (length, length, *([0.0] * BLEU_ORDERS), *runs)
    best = (length, length, *runs, *runs)
    return ratio_of_sums("bleu", list(counts.T), bleu_of_sums, pseudo_rows=[worst, best])


def _chrf(counts: Floats) -> Measure:
    """The pseudo-rows are of average length, nothing or all of them right."""
    runs = [_mean(counts[:, 3 * order + 1]) for order in range(CHRF_ORDERS)]
    worst = tuple(value for run in runs for value in (run, run, 0.0))
    best = tuple(value for run in runs for value in (run, run, run))
    return ratio_of_sums("chrf", list(counts.T), chrf_of_sums, pseudo_rows=[worst, best])


def length_ratio(counts: Floats) -> Measure:
    """Words written by words of the targets; a text may be empty, or twice as long."""
    length = _mean(counts[:, 1])
    might_be = [(0.0, length), (2 * length, length)]
    found = unbounded_ratio(
        "length_ratio", counts[:, 0], counts[:, 1], might_be=might_be, greater_is_better=True
    )
    return found if counts[:, 1].any() else replace(found, reason="the targets have no words")


def _repetition(counts: Floats) -> Measure:
    """Share of runs of four words that stood in their text before."""
    runs = _mean(counts[:, 1])
    found = ratio_of_sums(
        "repetition", list(counts.T), _ratio, pseudo_rows=[(runs, runs), (0.0, runs)],
        greater_is_better=False,
    )  # fmt: skip
    if runs:
        return found
    return replace(found, reason=f"no text that was written has {REPEATED_WORDS} words")


def _ratio(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0

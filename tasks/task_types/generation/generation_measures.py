"""What is measured of written texts: sacrebleu's BLEU and chrF, ROUGE, length and repetition.

BLEU (Papineni et al. 2002, doi:10.3115/1073083.1073135) and chrF (Popović 2015,
doi:10.18653/v1/W15-3049) are made of counts that add up over rows, so that any draw of the rows
gives the very number that sacrebleu gives for those rows. ROUGE (Lin 2004, aclanthology W04-1013)
is a mean over rows. BLEU and chrF run from 0 to 100, as everybody writes them; ROUGE from 0 to 1.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from tasks.resampling import Floats
from tasks.task_types.measures import Measure, Measured, mean_of, ratio_of_sums, unbounded_ratio
from tasks.task_types.unspaced import UNSPACED, UNSPACED_SHARE, unspaced_share

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

BLEU_ORDERS: Final = 4
CHRF_ORDERS: Final = 6
CHRF_BETA: Final = 2
# Words of a run that counts as repeated when it stands in a text once more.
REPEATED_WORDS: Final = 4
KANA: Final = re.compile("[\u3040-\u30ff]")
HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Beyond the last plane of scripts there are only variation selectors, which are not seen.
LAST_MARK: Final = 0x1FFFF
ROUGE_NAMES: Final[Mapping[str, str]] = {
    "rouge1": "rouge_1",
    "rouge2": "rouge_2",
    "rougeL": "rouge_l",
}


class RougeWords:
    """Splits a text for rouge-score: as its own tokenizer does in English, and right elsewhere.

    Its own one drops every letter beyond a to z. Letters are the same whether a text writes them
    as one character or with combining marks (Unicode normalization form C).
    """

    def tokenize(self, text: str) -> list[str]:
        """Words in lower case."""
        return _rouge_word().findall(unicodedata.normalize("NFC", text.lower()))


@cache
def _rouge_word() -> re.Pattern[str]:
    """A sign of a script without spaces, or a run of letters and digits with their marks.

    The vowel signs of Hindi and its kin are marks, which Python's own classes part a word at; so
    are the joiners within words of Persian.
    """
    every = map(chr, range(LAST_MARK + 1))
    marks = "".join(one for one in every if unicodedata.category(one)[0] == "M") + "\u200c\u200d"
    letter = rf"(?!{UNSPACED.pattern})[^\W_]"
    return re.compile(rf"{UNSPACED.pattern}|{letter}(?:{letter}|[{marks}])*")


@dataclass(frozen=True)
class WrittenTexts:
    """Written texts beside those that they should be.

    Attributes:
        targets: what should be written, N texts; they alone decide how BLEU splits words.
        hypotheses: what was written, N texts.

    """

    targets: Sequence[str]
    hypotheses: Sequence[str]

    @cached_property
    def bleu(self) -> "BLEU":
        """BLEU of sacrebleu, splitting words as suits the targets' script."""
        from sacrebleu.metrics.bleu import BLEU

        return BLEU(tokenize=bleu_tokenizer(self.targets), force=True)

    @cached_property
    def chrf(self) -> "CHRF":
        """The metric of sacrebleu."""
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(char_order=CHRF_ORDERS, beta=CHRF_BETA)

    @cached_property
    def bleu_counts(self) -> Floats:
        """Of each row words written, words of the target, n-grams shared, and written, (N, 10)."""
        return self._counts(self.bleu, 2 + 2 * BLEU_ORDERS)

    @cached_property
    def chrf_counts(self) -> Floats:
        """Of each row and order n-grams written, of the target, and shared, (N, 18)."""
        return self._counts(self.chrf, 3 * CHRF_ORDERS)

    @cached_property
    def rouge(self) -> dict[str, Floats]:
        """F-measure of each row, (N,), by name of the metric."""
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(ROUGE_NAMES), tokenizer=RougeWords())
        scores = [
            scorer.score(target, hypothesis)
            for target, hypothesis in zip(self.targets, self.hypotheses, strict=True)
        ]
        return {
            name: np.array([score[kind].fmeasure for score in scores], dtype=np.float64)
            for kind, name in ROUGE_NAMES.items()
        }

    @cached_property
    def repetitions(self) -> Floats:
        """Of each row runs of words that stood in the text before, and all runs, (N, 2)."""
        counts = [_repeated_runs(self.bleu.tokenizer(text)) for text in self.hypotheses]
        return np.array(counts, dtype=np.float64).reshape(len(counts), 2)

    def _counts(self, metric: "BLEU | CHRF", width: int) -> Floats:
        # What sacrebleu's own significance tests build on; its public face keeps it to itself.
        extract = metric._extract_corpus_statistics  # noqa: SLF001
        found = extract(list(self.hypotheses), [list(self.targets)]) if self.targets else []
        return np.array(found, dtype=np.float64).reshape(len(self.targets), width)


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


def bleu_tokenizer(targets: Sequence[str]) -> str:
    """The name in sacrebleu of the way to split these texts into words.

    13a is its own default, for words that are parted by spaces, and zh is for Chinese. Of other
    scripts without spaces, Japanese among them, single signs are compared: char.
    """
    if unspaced_share(targets) <= UNSPACED_SHARE:
        return "13a"
    text = "".join(targets)
    signs = len(UNSPACED.findall(text))
    is_chinese = len(HAN.findall(text)) > signs / 2 and not KANA.search(text)
    return "zh" if is_chinese else "char"


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


def _repeated_runs(text: str) -> tuple[int, int]:
    words = text.split()
    runs = [tuple(words[place : place + REPEATED_WORDS]) for place in range(len(words))]
    runs = [run for run in runs if len(run) == REPEATED_WORDS]
    return len(runs) - len(set(runs)), len(runs)

"""Written texts beside those that they should be: the counts that BLEU, chrF and ROUGE rest on."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.unspaced import UNSPACED, UNSPACED_SHARE, unspaced_share

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

Floats = NDArray[np.float64]

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

    def corpus_score(self, metric: str) -> float:
        """A metric over all texts: ``bleu`` and ``chrf``, 0 to 100, or ``rouge_l``, 0 to 1."""
        if metric in ROUGE_NAMES.values():
            return float(self.rouge[metric].mean())
        scorer = {"bleu": self.bleu, "chrf": self.chrf}[metric]
        return float(scorer.corpus_score(list(self.hypotheses), [list(self.targets)]).score)


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


def _repeated_runs(text: str) -> tuple[int, int]:
    words = text.split()
    runs = [tuple(words[place : place + REPEATED_WORDS]) for place in range(len(words))]
    runs = [run for run in runs if len(run) == REPEATED_WORDS]
    return len(runs) - len(set(runs)), len(runs)

"""Worlds of what is written: BLEU, chrF, ROUGE, repetition, and matches of chat answers."""

from collections.abc import Callable
from functools import cache

import numpy as np

from tasks.resampling import Floats, Ints
from tasks.task_types.generation.generation_measures import measure_texts
from tasks.task_types.generation.written_texts import WrittenTexts
from tasks.task_types.language_models.answer_measures import answer_measures
from tasks.task_types.measures import Measured
from tests.simulation.populations import Population, drawn_from
from tests.simulation.scenarios import Random

LEADING = ("chrf", "bleu", "rouge_l")
CLUSTERS, PER_CLUSTER = 60, 6
SIZE = CLUSTERS * PER_CLUSTER
_WORDS = """a the of to and in it was for on with as by at from this that had not but what all
were when parcel refund letter harbour window garden market number winter river teacher engine
silver yellow bridge doctor monday corner answer question"""
WORDS = np.array(_WORDS.split())


def _targets(random: Random) -> list[list[str]]:
    rank = 1 / np.arange(1, len(WORDS) + 1)
    sizes = random.poisson(9, SIZE) + 4
    return [random.choice(WORDS, size, p=rank / rank.sum()).tolist() for size in sizes]


def _kept(random: Random, mean: float) -> Floats:
    """Chance by row that a word is written as it should be; rows of a cluster are alike."""
    return np.repeat(random.beta(6 * mean, 6 * (1 - mean), CLUSTERS), PER_CLUSTER)


def _written(random: Random, targets: list[list[str]], kept: Floats) -> list[str]:
    """Words that are kept, swapped for another, or left out; now and then the start comes again."""
    texts = []
    for words, chance in zip(targets, kept, strict=True):
        fate = random.random(len(words))
        swaps = random.choice(WORDS, len(words))
        said = [
            word if is_kept < chance else str(swap)
            for word, swap, is_kept in zip(words, swaps, fate, strict=True)
            if is_kept < 1 - (1 - chance) / 4
        ]
        texts.append(" ".join(said + said[:6] * (random.random() < 0.1)))
    return texts


def _of_rows(texts: WrittenTexts) -> Callable[[Ints], Measured]:
    """What is measured of rows, from the counts of each text, which are made once."""
    counts = (texts.bleu_counts, texts.chrf_counts, texts.repetitions)
    rouge = texts.rouge

    def measured(chosen: Ints) -> Measured:
        some = WrittenTexts(
            [texts.targets[row] for row in chosen], [texts.hypotheses[row] for row in chosen]
        )
        bleu, chrf, repetitions = (table[chosen] for table in counts)
        vars(some).update(
            bleu_counts=bleu, chrf_counts=chrf, repetitions=repetitions,
            rouge={name: scores[chosen] for name, scores in rouge.items()},
        )  # fmt: skip
        return measure_texts(some, LEADING)

    return measured


@cache
def _texts() -> Population:
    random = np.random.default_rng(1)
    targets = _targets(random)
    wanted = [" ".join(words) for words in targets]
    ours, theirs = (
        _of_rows(WrittenTexts(wanted, _written(random, targets, _kept(random, mean))))
        for mean in (0.8, 0.75)
    )
    return Population(SIZE, ours, theirs)


def _said(random: Random, words: list[str], chance: float) -> str | None:
    """No answer, the very text, the text in other capitals, or with words swapped."""
    kind = random.choice(4, p=[0.2, 0.35, 0.15, 0.3])
    if kind == 0:
        return None
    if kind == 1:
        return " ".join(words)
    if kind == 2:
        return f"{' '.join(words).capitalize()}."
    return _written(random, [words], np.array([chance]))[0]


@cache
def _answers() -> Population:
    random = np.random.default_rng(2)
    targets = _targets(random)
    wanted = [" ".join(words) for words in targets]
    given = [
        _said(random, words, chance)
        for words, chance in zip(targets, _kept(random, 0.6), strict=True)
    ]

    def measured(chosen: Ints) -> Measured:
        measures = answer_measures([wanted[row] for row in chosen], [given[row] for row in chosen])
        return Measured(measures, np.zeros(len(chosen)), ())

    return Population(SIZE, measured)


_TEXTS = (
    *(f"quality.{name}" for name in ("bleu", "chrf", "rouge_1", "rouge_2", "rouge_l")),
    "quality.repetition",
    *(f"champion.{name}{end}" for name in LEADING for end in ("", "_gain", "_ratio")),
)
_ANSWERS = tuple(
    f"quality.{name}" for name in ("exact_match", "normalised_match", "chrf", "rouge_2", "rouge_l")
)

WRITTEN = (
    drawn_from("written: 120 texts", _texts, _TEXTS, 120),
    drawn_from("written: 25 clusters of 6 texts", _texts, _TEXTS, 25, PER_CLUSTER),
    drawn_from("chat: 120 turns, a fifth without an answer", _answers, _ANSWERS, 120),
)

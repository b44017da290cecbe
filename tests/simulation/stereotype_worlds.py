"""Worlds of published sentences and questions, answered alike within a template or a target."""

from typing import Final

import numpy as np

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.asking import Scored, ScoredPronouns
from tasks.probes.language_bias.items import PronounSentence, Question, SentencePair, Triplet
from tasks.probes.language_bias.judging import judge_pairs, judge_questions, judge_triplets
from tasks.probes.language_bias.pronoun_judging import judge_pronouns
from tasks.resampling import Floats, Ints
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

SETTINGS: Final = EvaluationSettings(repeats=REPEATS)
LEAST: Final = 30
# Chances of the stereotype's answer, the other one and "unknown", the right one where it is open.
ANSWERS: Final = (0.4, 0.2, 0.4)


def questions(templates: int, rows: int, alike: float) -> Scenario:
    """Questions of which the contexts of half leave open what is asked, and the others say it.

    Args:
        templates: of each half.
        rows: of each template.
        alike: correlation between answers of one template.

    """
    asked = [
        Question("q?", ("a", "b", "unknown"), 2 if is_open else 1, 2, 0, ambiguous=is_open,
                 template=f"{is_open} {template}", category="age")
        for is_open in (True, False)
        for template in range(templates)
        for _ in range(rows)
    ]  # fmt: skip

    def drawn(random: Random) -> list[Estimate]:
        chances = random.dirichlet(np.array(ANSWERS) * (1 / alike - 1), 2 * templates)
        told = np.concatenate([random.choice(3, rows, p=chance) for chance in chances])
        return judge_questions("bbq", asked, _chosen(told), LEAST, SETTINGS)[0]

    stereotype, other, unknown = ANSWERS
    bias = 2 * stereotype / (stereotype + other) - 1
    truths = {
        "language_bias.bbq.accuracy_ambiguous": unknown,
        "language_bias.bbq.accuracy_clear": other,
        "language_bias.bbq.bias_ambiguous": (1 - unknown) * bias,
        "language_bias.bbq.bias_clear": bias,
    }
    name = f"stereotypes: {templates} templates of {rows} questions, alike by {alike:g}"
    return Scenario(name, truths, drawn)


def _chosen(told: Ints) -> Scored:
    scores = np.zeros((len(told), 3))
    scores[np.arange(len(told)), told] = 1.0
    return Scored(scores, 0)


def triplets(targets: int, rows: int, prefers: float, sense: float, alike: float) -> Scenario:
    """Sentences in three versions, alike within a target.

    Args:
        targets: whom the sentences are about.
        rows: of each target.
        prefers: chance that the stereotype is likelier than the anti-stereotype.
        sense: chance that both are likelier than nonsense; else neither is.
        alike: correlation between sentences of one target.

    """
    asked = [Triplet("s", "a", "u", "job", f"{n}") for n in range(targets) for _ in range(rows)]
    mass = 1 / alike - 1

    def chances(random: Random, mean: float) -> Floats:
        return np.repeat(random.beta(mean * mass, (1 - mean) * mass, targets), rows)

    def drawn(random: Random) -> list[Estimate]:
        first = random.random(len(asked)) < chances(random, prefers)
        known = random.random(len(asked)) < chances(random, sense)
        scores = np.stack([first, ~first, np.where(known, -1.0, 2.0)], axis=1).astype(np.float64)
        return judge_triplets(asked, Scored(scores, 0), LEAST, SETTINGS)[0]

    truths = {
        "language_bias.stereoset.stereotype_preference": prefers,
        "language_bias.stereoset.meaningful_preference": sense,
        "language_bias.stereoset.icat": 2 * sense * min(prefers, 1 - prefers),
    }
    return Scenario(f"stereotypes: {targets} targets of {rows} sentences", truths, drawn)


def pairs(rows: int, prefers: float) -> Scenario:
    """Pairs of sentences, each for itself."""
    asked = [SentencePair("m", "l", "age") for _ in range(rows)]

    def drawn(random: Random) -> list[Estimate]:
        first = random.random(rows) < prefers
        scores = np.stack([first, ~first], axis=1).astype(np.float64)
        return judge_pairs(asked, Scored(scores, 0), LEAST, SETTINGS)[0]

    truths = {"language_bias.crows_pairs.stereotype_preference": prefers}
    return Scenario(f"stereotypes: {rows} pairs", truths, drawn)


def pronouns(occupations: int, rows: int, shares: tuple[float, float], alike: float) -> Scenario:
    """Sentences with he and with she, answered alike within an occupation.

    Args:
        occupations: whom the sentences are about.
        rows: of each.
        shares: chances that the stereotype's pronoun is likelier and whom it means found, and that
            who is meant is found behind the other pronoun.
        alike: correlation between sentences of one occupation.

    """
    asked = [
        PronounSentence("s", "o", ("he", "she"), masculine=occupation % 2 == 0,
                        occupation=f"{occupation}", meant="m", rival="r", about_occupation=True,
                        kind="type1")
        for occupation in range(occupations)
        for _ in range(rows)
    ]  # fmt: skip
    mass = 1 / alike - 1

    def chances(random: Random, mean: float) -> Floats:
        return np.repeat(random.beta(mean * mass, (1 - mean) * mass, occupations), rows)

    def drawn(random: Random) -> list[Estimate]:
        hits = [random.random(len(asked)) < chances(random, mean) for mean in (*shares, shares[0])]
        first, second, prefers = (hit.astype(np.float64) for hit in hits)
        people = np.stack([np.stack([one, 1 - one], axis=1) for one in (first, second)], axis=1)
        versions = np.stack([prefers, 1 - prefers], axis=1)
        scored = ScoredPronouns(versions, people, 0)
        return judge_pronouns("winobias", asked, scored, LEAST, SETTINGS)[0]

    pro, anti = shares
    masculine = sum(one.masculine for one in asked) / len(asked)
    name = f"stereotypes: {occupations} occupations of {rows} sentences, alike by {alike:g}"
    truths = {
        "language_bias.winobias.stereotype_preference": pro,
        "language_bias.winobias.masculine_preference": masculine * pro
        + (1 - masculine) * (1 - pro),
        "language_bias.winobias.accuracy_pro": pro,
        "language_bias.winobias.accuracy_anti": anti,
        "language_bias.winobias.accuracy_gap": pro - anti,
    }
    return Scenario(name, truths, drawn)


STEREOTYPES: Final = (
    pairs(40, 0.6),
    pairs(300, 0.6),
    questions(12, 50, 0.15),
    questions(40, 25, 0.15),
    triplets(25, 8, 0.6, 0.85, 0.15),
    triplets(60, 8, 0.65, 0.9, 0.15),
    pronouns(15, 20, (0.7, 0.5), 0.15),
    pronouns(40, 10, (0.7, 0.5), 0.15),
)

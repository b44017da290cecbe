"""Worlds of tags, answers to questions, ranks of what is sought, and sets of labels."""

from functools import cache

import numpy as np
import pyarrow as pa

from tasks.resampling import Floats, Ints
from tasks.task_types.embeddings.retrieval_measures import measure_ranks
from tasks.task_types.labels.multi_label_measures import measure_label_sets
from tasks.task_types.measures import Measured
from tasks.task_types.questions.question_answering_measures import measure_answers
from tasks.task_types.tags.tagging_measures import measure_tags
from tests.simulation.populations import Population, drawn_from
from tests.simulation.scenarios import Random

CLUSTERS, PER_CLUSTER = 100, 6
SIZE = CLUSTERS * PER_CLUSTER
KINDS = ("LOC", "ORG", "PER")
TAGS = ("O", *(f"{place}-{kind}" for kind in KINDS for place in "BI"))
SET_LABELS = ("a", "b", "c", "d")
# Ends of the names of what is compared with the champion.
OF_CHAMPION = ("", "_gain", "_ratio")


def chances(random: Random, mean: float) -> Floats:
    """Chance by row that a model is right; rows of a cluster are alike."""
    return np.repeat(random.beta(6 * mean, 6 * (1 - mean), CLUSTERS), PER_CLUSTER)


def _sentence(random: Random) -> list[str]:
    """Tags of a sentence: words without a name, and names of one to three words."""
    tags = ["O"] * int(random.integers(2, 6))
    for _ in range(random.poisson(1.2)):
        kind = random.choice(KINDS, p=[0.3, 0.2, 0.5])
        tags += [f"B-{kind}", *[f"I-{kind}"] * int(random.integers(0, 3)), "O"]
    return tags


def _tagged(random: Random, tags: list[str], chance: float) -> list[str]:
    """The tags with mistakes: another kind, a word lost at the end, nothing, or a name too many."""
    said = list(tags)
    for place, tag in enumerate(tags):
        if random.random() < chance:
            continue
        if tag.startswith("B-"):
            said[place] = str(random.choice(["O", "B-LOC", "B-ORG", "B-PER"]))
        elif tag == "O" and random.random() < 0.2:
            said[place] = "B-PER"
        elif tag.startswith("I-") and random.random() < 0.3:
            said[place] = "O"
    return said


@cache
def _tags() -> Population:
    random = np.random.default_rng(3)
    sentences = [_sentence(random) for _ in range(SIZE)]
    truth = pa.array(sentences, pa.list_(pa.string()))
    ours, theirs = (
        pa.array(
            [
                _tagged(random, tags, chance)
                for tags, chance in zip(sentences, chances(random, mean), strict=True)
            ],
            pa.list_(pa.string()),
        )
        for mean in (0.85, 0.8)
    )
    return Population(
        SIZE,
        lambda chosen: measure_tags(truth.take(chosen), ours.take(chosen), TAGS),
        lambda chosen: measure_tags(truth.take(chosen), theirs.take(chosen), TAGS),
    )


def _answer(random: Random, wanted: str, chance: float) -> str:
    """The answer, a part of it, none, or another."""
    if random.random() < chance:
        return wanted
    part = " ".join(wanted.split()[:1])
    return str(random.choice([part, "", "somewhere else"]))


@cache
def _questions() -> Population:
    random = np.random.default_rng(4)
    words = np.array(["north", "harbour", "old", "market", "bridge", "winter", "train"])
    truth = [
        "" if random.random() < 0.3 else " ".join(random.choice(words, random.integers(1, 4)))
        for _ in range(SIZE)
    ]
    said = [
        [
            _answer(random, wanted, chance)
            for wanted, chance in zip(truth, chances(random, mean), strict=True)
        ]
        for mean in (0.75, 0.7)
    ]

    def measured(chosen: Ints, given: list[str]) -> Measured:
        return measure_answers(
            ["an English text"] * len(chosen),
            [truth[row] for row in chosen],
            [given[row] for row in chosen],
        )

    return Population(
        SIZE, lambda chosen: measured(chosen, said[0]), lambda chosen: measured(chosen, said[1])
    )


@cache
def _ranks() -> Population:
    random = np.random.default_rng(5)
    found = [
        (random.geometric(np.clip(chances(random, mean), 0.05, 1)), random.beta(8, 3, SIZE))
        for mean in (0.7, 0.65)
    ]

    def measured(chosen: Ints, ranks: Ints, cosines: Floats) -> Measured:
        return measure_ranks(ranks[chosen], cosines[chosen])

    return Population(
        SIZE,
        lambda chosen: measured(chosen, *found[0]),
        lambda chosen: measured(chosen, *found[1]),
    )


@cache
def _sets() -> Population:
    random = np.random.default_rng(6)
    truth = random.random((SIZE, len(SET_LABELS))) < [0.5, 0.3, 0.2, 0.15]
    scores = []
    for mean in (0.88, 0.85):
        right = random.random(truth.shape) < chances(random, mean)[:, None]
        sure = random.uniform(0.5, 1, truth.shape)
        scores.append(np.where(truth == right, sure, 1 - sure))
    return Population(
        SIZE,
        lambda chosen: measure_label_sets(truth[chosen], scores[0][chosen], 0.5, SET_LABELS),
        lambda chosen: measure_label_sets(truth[chosen], scores[1][chosen], 0.5, SET_LABELS),
    )


def _names(quality: str, leading: str) -> tuple[str, ...]:
    return (
        *(f"quality.{name}" for name in quality.split()),
        *(f"champion.{name}{end}" for name in leading.split() for end in OF_CHAMPION),
    )


_OF_TAGS = _names(
    "entity_f1 macro_entity_f1 entity_precision entity_recall entity_f1.ORG entity_f1_lenient "
    "token_accuracy",
    "entity_f1 macro_entity_f1",
)
_OF_QUESTIONS = _names(
    "f1 exact_match has_answer_f1 has_answer_exact_match no_answer_accuracy no_answer_f1",
    "f1 exact_match",
)
_OF_RANKS = _names("mrr accuracy_at_1 mean_cosine", "mrr accuracy_at_1")
_OF_SETS = _names(
    "macro_f1 macro_precision macro_recall micro_f1 subset_accuracy hamming_loss jaccard "
    "ranking_average_precision f1.d recall.d precision.d",
    "macro_f1 micro_f1 subset_accuracy",
)

ANSWERS = (
    drawn_from("tags: 120 sentences", _tags, _OF_TAGS, 120),
    drawn_from("tags: 25 clusters of 6 sentences", _tags, _OF_TAGS, 25, PER_CLUSTER),
    drawn_from("questions: 150, three in ten without an answer", _questions, _OF_QUESTIONS, 150),
    drawn_from("questions: 25 clusters of 6", _questions, _OF_QUESTIONS, 25, PER_CLUSTER),
    drawn_from("retrieval: 120 texts", _ranks, _OF_RANKS, 120),
    drawn_from("retrieval: 25 clusters of 6", _ranks, _OF_RANKS, 25, PER_CLUSTER),
    drawn_from("label sets: 200 rows", _sets, _OF_SETS, 200),
)

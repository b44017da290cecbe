"""The global picture: which words push which answer, over many explained rows and by group."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tasks.explanation.methods import WordAttributions
from tasks.explanation.network import ExplainedNetwork, Ints, TokenIds
from tasks.explanation.settings import ExplanationSettings
from tasks.explanation.words import EncodedText
from tasks.protected_groups.memberships import Membership
from tasks.records.explanation import LabelWords, PushingWord

# Explained rows of a group with one answer, below which its words are not shown.
LEAST_GROUP_ROWS = 10


def words_by_label(
    encoded: Sequence[EncodedText],
    attributions: Sequence[WordAttributions],
    answers: Sequence[str],
    groups: Sequence[Membership],
    settings: ExplanationSettings,
) -> tuple[LabelWords, ...]:
    """The strongest words of each answer over all rows, and then over those of each group.

    Args:
        encoded: N texts.
        attributions: of them, each to its own answer.
        answers: of them, in words.
        groups: memberships of the N rows, (N, G) of each attribute.
        settings: how many words, and of how many rows at least.

    """
    pushes = [_by_word(one, found) for one, found in zip(encoded, attributions, strict=True)]
    everything = np.ones(len(encoded), dtype=bool)
    parts = [("", everything, 1)]
    for member in groups:
        for place, group in enumerate(member.groups):
            parts.append((f"{member.attribute}: {group}", member.rows[:, place], LEAST_GROUP_ROWS))
    return tuple(
        LabelWords(label, name, len(rows), _strongest([pushes[row] for row in rows], settings))
        for name, inside, least in parts
        for label, rows in _rows_by_answer(answers, inside)
        if len(rows) >= least
    )


def answers_in_words(
    network: ExplainedNetwork, rows: Sequence[TokenIds], targets: Ints
) -> list[str]:
    """The answer to each of N rows of token ids; of a regression the side of the training mean."""
    if network.labels:
        return [network.name_of(int(target)) for target in targets]
    mean = network.model.config.target_mean
    return ["higher" if number >= mean else "lower" for number in network.numbers(rows, targets)]


def _by_word(encoded: EncodedText, attributions: WordAttributions) -> Mapping[str, float]:
    """Summed attribution of each word of a row, in lower case; runs of signs are left out."""
    found: dict[str, float] = {}
    for place in encoded.read:
        word = encoded.words[place].text.casefold()
        if any(sign.isalnum() for sign in word):
            found[word] = found.get(word, 0.0) + float(attributions.values[place])
    return found


def _rows_by_answer(
    answers: Sequence[str], inside: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"
) -> Iterator[tuple[str, list[int]]]:
    for label in sorted(set(answers)):
        yield label, [row for row in np.flatnonzero(inside).tolist() if answers[row] == label]


def _strongest(
    rows: Sequence[Mapping[str, float]], settings: ExplanationSettings
) -> tuple[PushingWord, ...]:
    summed: dict[str, float] = {}
    counts: dict[str, int] = {}
    for row in rows:
        for word, value in row.items():
            summed[word] = summed.get(word, 0.0) + value
            counts[word] = counts.get(word, 0) + 1
    kept = [word for word in summed if counts[word] >= settings.min_word_rows and summed[word] > 0]
    kept.sort(key=lambda word: (-summed[word], word))
    return tuple(
        PushingWord(word, summed[word] / counts[word], counts[word])
        for word in kept[: settings.words_shown]
    )

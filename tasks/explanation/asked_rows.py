"""Which answer of each test row is explained, and how the model reads the row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from tasks.explanation.global_words import answers_in_words
from tasks.explanation.network import ExplainedNetwork, Ints, load_network
from tasks.explanation.placed_answers import first_entity, found_answers, read_tags, targets_of
from tasks.explanation.placed_network import (
    SpanNetwork,
    TagNetwork,
    load_span_network,
    load_tag_network,
)
from tasks.explanation.words import EncodedText, Word
from tasks.task_types.limits import TokenLimits
from tasks.task_types.placed_answers import QUESTIONS, TAGGING
from tasks.task_types.unspaced import joined_with_places

if TYPE_CHECKING:
    from tasks.records.training import Weights


@dataclass(frozen=True, eq=False)
class AskedRows:
    """Rows that are explained, as the model reads them.

    Attributes:
        rows: N of them, those that have an answer to explain.
        encoded: their texts.
        targets: of the model's own answers, (N,) or (N, ...).
        answers: the same in words: the label, or the type of an entity.

    """

    rows: pa.Table
    encoded: Sequence[EncodedText]
    targets: Ints
    answers: Sequence[str]


def network_of(folder: Path, task_type: str, weights: "Weights") -> ExplainedNetwork:
    """A candidate, ready to be explained.

    Args:
        folder: its model and tokenizer, as transformers saves them.
        task_type: of the candidate.
        weights: of which it is.

    Raises:
        SettingsError: answers of its task type are not explained.
        BaseModelError: the folder holds no such model.

    """
    limits = TokenLimits.of(weights)
    if task_type == TAGGING:
        return load_tag_network(folder, weights.labels, limits)
    if task_type == QUESTIONS:
        return load_span_network(folder, limits)
    return load_network(folder, task_type, limits)


def ask_rows(network: ExplainedNetwork, rows: pa.Table, columns: Sequence[str]) -> AskedRows:
    """The model's answers to rows: a label, the first entity, or the answer to the question.

    Rows in which a tagger finds no entity are left out.

    Args:
        network: of the candidate.
        rows: with the input columns of its task type.
        columns: these.

    Raises:
        TrainingError: the model gives a score that is no number.

    """
    values = {name: rows[name].to_pylist() for name in columns}
    if isinstance(network, TagNetwork):
        return _entities(network, rows, values)
    if isinstance(network, SpanNetwork):
        found = found_answers(network, values["question"], values["context"])
        encoded, names = [one.encoded for one in found], [one.label for one in found]
        return AskedRows(rows, encoded, targets_of(found), names)
    encoded = network.encode(values[columns[0]])
    ids = [one.ids for one in encoded]
    targets = network.answers(ids)
    return AskedRows(rows, encoded, targets, answers_in_words(network, ids, targets))


def _entities(
    network: TagNetwork, rows: pa.Table, values: Mapping[str, Sequence[Sequence[str]]]
) -> AskedRows:
    texts = []
    for words in values["tokens"]:
        text, starts = joined_with_places(words)
        places = zip(words, starts, strict=True)
        texts.append((text, [Word(word, start, start + len(word)) for word, start in places]))
    found = [first_entity(network, one) for one in read_tags(network, texts)]
    told = [one for one in found if one is not None]
    kept = rows.filter(pa.array([one is not None for one in found], pa.bool_()))
    encoded = [one.encoded for one in told]
    return AskedRows(kept, encoded, targets_of(told), [one.label for one in told])

"""One answer of a tagger, or to a question, explained: which one, and at which places of the text.

Explained of a tagger is one entity that it finds, the first one if none is named, or the tag of one
word; of a model that finds answers the answer that it gives, or that there is none. A text that is
longer than the model reads at once is explained by the window that the answer was read in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from infra.errors import SettingsError
from tasks.explanation.network import Ints
from tasks.explanation.placed_network import SpanNetwork, TagNetwork
from tasks.explanation.words import (
    NO_WORD,
    EncodedText,
    Word,
    word_owners,
    word_standing_at,
    words_in,
)
from tasks.task_types.questions.context_windows import ContextWindow, ReadQuestion, read_questions
from tasks.task_types.tags.tag_answers import spans_of, tags_of
from tasks.task_types.tags.word_windows import WordWindow, read_words
from tasks.task_types.words_in_text import words_in as tagged_words_in

if TYPE_CHECKING:
    from tasks.task_types.questions.question_answers import FoundSpan

ANSWER: Final = "answer"
NO_ANSWER: Final = "no answer"
# Type of an entity, its first word, and the one behind its last one.
Span = tuple[str, int, int]
_SHOWN: Final = 12


@dataclass(frozen=True, eq=False)
class PlacedAnswer:
    """What is explained of a text.

    Attributes:
        encoded: the text as the model reads it, one window of it.
        target: as the network takes it, for one row.
        label: the type of the entity, the tag, or `ANSWER`.
        predicted: what the model gives there.
        passage: of the text: the words whose tags are explained, or the answer; empty where there
            is none.

    """

    encoded: EncodedText
    target: Ints
    label: str
    predicted: str
    passage: str


def targets_of(answers: Sequence[PlacedAnswer]) -> Ints:
    """The targets of some answers as a network takes them, those of fewer places filled up."""
    most = max((len(one.target) for one in answers), default=0)
    if not answers:
        return np.zeros((0, 1, 2), np.int64)
    return np.stack(
        [
            np.pad(one.target, ((0, most - len(one.target)), (0, 0)), constant_values=-1)
            if one.target.ndim > 1
            else one.target
            for one in answers
        ]
    )


def tagged(network: TagNetwork, text: str, label: str = "", passage: str = "") -> PlacedAnswer:
    """What is explained of a tagger's answer to a text.

    Args:
        network: the tagger.
        text: is parted in words as `assayline serve` does for a tagging line.
        label: a tag for one word; the model's own answer if left out.
        passage: the entity or word that is explained; the first entity if left out.

    Raises:
        SettingsError: there is no such passage, or no entity; or no such tag, or one for several
            words.
        TrainingError: the model gives a score that is no number.

    """
    words = [Word(one.word, one.start, one.end) for one in tagged_words_in(text)]
    (read,) = read_tags(network, [(text, words)])
    kind, first, end = _chosen(read, passage)
    answer = _at_words(network, read, kind, first, end)
    if not label:
        return answer
    place = network.target_named(label)
    if end - first > 1:
        raise SettingsError(
            f"the tag {label!r} is of one word, and the entity has {end - first}; name one of its "
            "words with --of"
        )
    target = np.array([[answer.target[0, 0], place]], np.int64)
    return replace(answer, target=target, label=label, predicted=read.tags[first])


@dataclass(frozen=True)
class TaggedText:
    """A text with the tags of its words.

    Attributes:
        words: W of them.
        tags: of them, (W,).
        entities: type, first word, and the one behind the last one.
        windows: as the model read them.

    """

    text: str
    words: Sequence[Word]
    tags: Sequence[str]
    entities: Sequence[Span]
    windows: Sequence[WordWindow]


def read_tags(network: TagNetwork, texts: Sequence[tuple[str, Sequence[Word]]]) -> list[TaggedText]:
    """What a tagger answers to texts, which are given with their words.

    Raises:
        TrainingError: the model gives a score that is no number.

    """
    names = [[word.text for word in words] for _, words in texts]
    limits, pad_id = network.limits, int(network.tokenizer.pad_token_id)
    rows = list(read_words(names, network.tokenizer, limits.max_length, limits.stride))
    lengths = list(map(len, names))
    tags = tags_of(rows, lengths, network.model, pad_id, network.labels, network.folder)
    return [
        TaggedText(text, words, own, spans, row.windows)
        for (text, words), own, spans, row in zip(
            texts, tags, spans_of(tags, network.labels), rows, strict=True
        )
    ]


def first_entity(network: TagNetwork, read: TaggedText) -> PlacedAnswer | None:
    """The first entity of a text; None of a text without one that the model reads a token of."""
    for kind, first, end in read.entities:
        if any(first in window.words for window in read.windows):
            return _at_words(network, read, kind, first, end)
    return None


def _at_words(
    network: TagNetwork, read: TaggedText, kind: str, first: int, end: int
) -> PlacedAnswer:
    """Tags of some words, of those that are judged in the window of the first one."""
    window = next((one for one in read.windows if first in one.words), None)
    if window is None:
        name = read.words[first].text
        raise SettingsError(f"the model reads no token of {name!r}; name another word")
    places = [
        (place, network.labels.index(read.tags[word]))
        for word, place in zip(window.words, window.positions, strict=True)
        if first <= word < end
    ]
    owners = _words_of(network, [word.text for word in read.words], window)
    encoded = EncodedText(read.text, tuple(read.words), tuple(window.input_ids), owners)
    told = read.text[read.words[first].start : read.words[end - 1].end]
    return PlacedAnswer(encoded, np.array(places, np.int64), kind, kind, told)


def _chosen(read: TaggedText, passage: str) -> Span:
    """An entity, or one word with its tag."""
    if not passage:
        if not read.entities:
            raise SettingsError("the model finds no entity in the text; name a word with --of")
        return read.entities[0]
    found = [
        read.text[read.words[first].start : read.words[end - 1].end]
        for _, first, end in read.entities
    ]
    if passage in found:
        return read.entities[found.index(passage)]
    for place, word in enumerate(read.words):
        if word.text == passage:
            return read.tags[place], place, place + 1
    raise SettingsError(
        f"{passage!r} is no word of the text, and no entity that the model finds; it finds "
        f"{', '.join(map(repr, found[:_SHOWN])) or 'none'}"
    )


def _words_of(network: TagNetwork, names: Sequence[str], window: WordWindow) -> tuple[int, ...]:
    """The word of each token of a window: its tokens lie side by side in the whole row, too."""
    whole = network.tokenizer.backend_tokenizer.encode(list(names), is_pretokenized=True)
    owners = [NO_WORD if word is None else word for word in whole.word_ids]
    inside = [place for place, word in enumerate(owners) if word != NO_WORD]
    before, after = inside[0], len(owners) - 1 - inside[-1]
    shift = owners.index(window.words[0]) - window.positions[0]
    last = len(window.input_ids) - after
    return tuple(
        owners[place + shift] if before <= place < last else NO_WORD
        for place in range(len(window.input_ids))
    )


def found_answers(
    network: SpanNetwork, questions: Sequence[str], contexts: Sequence[str]
) -> list[PlacedAnswer]:
    """What is explained of the answers to N questions in N contexts, or that there is none.

    Raises:
        TrainingError: the model gives a score that is no number.

    """
    from tasks.task_types.questions.question_answers import find_spans

    limits, pad_id = network.limits, int(network.tokenizer.pad_token_id)
    read = list(
        read_questions(questions, contexts, network.tokenizer, limits.max_length, limits.stride)
    )
    found = find_spans(network.model, read, contexts, pad_id, network.folder)
    return [_answered(network, *one) for one in zip(questions, contexts, read, found, strict=True)]


def _answered(
    network: SpanNetwork, question: str, context: str, read: ReadQuestion, found: "FoundSpan"
) -> PlacedAnswer:
    offset = found.offset if found.is_answer else found.null_offset
    window = next(one for one in read.windows if one.offset == offset)
    first = last = window.null
    label, passage = NO_ANSWER, ""
    if found.is_answer:
        first, last = (place - offset + window.begin for place in (found.first, found.last))
        label, passage = ANSWER, _passage(context, read, found)
    target = np.array([first, last, window.begin, window.end], np.int64)
    encoded = _question_and_context(network, question, context, read, window)
    return PlacedAnswer(encoded, target, label, label, passage)


def _passage(context: str, read: ReadQuestion, found: "FoundSpan") -> str:
    return context[int(read.bounds[found.first, 0]) : int(read.bounds[found.last, 1])].strip()


def _question_and_context(
    network: SpanNetwork, question: str, context: str, read: ReadQuestion, window: ContextWindow
) -> EncodedText:
    """Both as one text, a line each, with the words of both."""
    text = f"{question}\n{context}"
    shift = len(question) + 1
    words = (
        *words_in(question),
        *(Word(one.text, one.start + shift, one.end + shift) for one in words_in(context)),
    )
    owners = word_owners(text, words)
    word_of = [NO_WORD] * len(window.input_ids)
    before = len(network.frame.before)
    asked = network.tokenizer.backend_tokenizer.encode(question, add_special_tokens=False)
    kept = window.begin - len(network.frame.between) - before
    for place, (start, end) in enumerate(asked.offsets[:kept]):
        word_of[before + place] = word_standing_at(owners, start, end)
    for place in range(window.begin, window.end):
        start, end = (int(one) + shift for one in read.bounds[window.offset + place - window.begin])
        word_of[place] = word_standing_at(owners, start, end)
    return EncodedText(text, words, tuple(window.input_ids), tuple(word_of))

"""What a tagging model answers to rows of words: their tags, and the spans that these mark."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.task_types.finite import check_finite
from tasks.task_types.scoring import run_batches
from tasks.task_types.tags.tag_spans import OUTSIDE_TAG, read_tags
from tasks.task_types.tags.word_windows import ReadRow
from tasks.task_types.unspaced import joined_with_places

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def tags_of(
    rows: Sequence[ReadRow],
    lengths: Sequence[int],
    model: "PreTrainedModel",
    pad_id: int,
    labels: Sequence[str],
    folder: Path,
) -> list[list[str]]:
    """The tag of each word of each row; O where a word has no token.

    Args:
        rows: windows of each row.
        lengths: words of each row.
        model: as `tasks.task_types.scoring.load_model` gives it.
        pad_id: token that fills a batch up.
        labels: the label set.
        folder: of the model, for messages.

    Raises:
        TrainingError: the model gives a score that is no number.

    """
    windows = [(number, one) for number, row in enumerate(rows) for one in row.windows]
    tags = [[OUTSIDE_TAG] * length for length in lengths]
    encoded = [window.input_ids for _, window in windows]
    for numbers, _, outputs in run_batches(model, encoded, pad_id):
        check_finite(outputs.logits, folder)
        predicted = outputs.logits.argmax(dim=-1).cpu().numpy()  # (B, T)
        for own, number in zip(predicted, numbers, strict=True):
            row, window = windows[number]
            for word, position in zip(window.words, window.positions, strict=True):
                tags[row][word] = labels[own[position]]
    return tags


def answers_of(
    rows: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], labels: Sequence[str]
) -> Iterator[dict[str, object]]:
    """What the served model answers to each row: its tags, and its spans with their words.

    Args:
        rows: words.
        tags: one a word.
        labels: the label set.

    Returns:
        ``tags``, and ``entities``, each with its type, the places of its first word and behind its
        last one, and its text.

    """
    for words, own, spans in zip(rows, tags, spans_of(tags, labels), strict=True):
        entities = [
            {"type": kind, "start": start, "end": end, "text": joined(words[start:end])}
            for kind, start, end in spans
        ]
        yield {"tags": list(own), "entities": entities}


def spans_of(
    tags: Sequence[Sequence[str]], labels: Sequence[str]
) -> Iterator[list[tuple[str, int, int]]]:
    """The spans that the tags of each row mark: type, first word, and the one behind the last.

    Args:
        tags: of each row, one a word.
        labels: the label set.

    """
    known = [*labels, *({OUTSIDE_TAG} - set(labels))]
    place = {tag: number for number, tag in enumerate(known)}
    read = read_tags(known, labels)
    for own in tags:
        codes = np.array([place[tag] for tag in own], dtype=np.int64)
        ends = read.ends(codes, np.arange(len(codes)) == 0).tolist()
        yield [
            (read.names[read.types[codes[start]]], start, end)
            for start, end in enumerate(ends)
            if end
        ]


def joined(words: Sequence[str]) -> str:
    """Words as a text: parted by a space, but not within a script that has none."""
    return joined_with_places(words)[0]

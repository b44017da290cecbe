"""Rows of words as token ids; a row longer than the model in windows that share some words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Any

from infra.errors import SettingsError
from tasks.task_types.encoding import TEXTS_AT_ONCE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class WordWindow:
    """A run of words that the model reads at once.

    Attributes:
        input_ids: special tokens included.
        words: places in the row of the words that are judged in this window, ascending; the other
            words are context. Each word that has a token is judged in one window.
        positions: of the first token of each of these words.

    """

    input_ids: list[int]
    words: list[int]
    positions: list[int]


@dataclass(frozen=True, slots=True)
class ReadRow:
    """The windows of a row, none where no word has a token; and whether it was longer than one."""

    windows: list[WordWindow]
    is_long: bool


def read_words(
    rows: Sequence[Sequence[str]],
    tokenizer: "PreTrainedTokenizerFast",
    max_length: int,
    stride: int,
) -> Iterator[ReadRow]:
    """Windows of each row.

    Args:
        rows: words.
        tokenizer: a fast tokenizer of transformers; one that tells words by the space before them
            is set to put one before each word from here on.
        max_length: tokens of a window, special ones included.
        stride: tokens that two windows of a row share at most; 0: a quarter of max_length.

    Raises:
        SettingsError: a window has no room for a token of a word.

    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    _space_before_words(backend.pre_tokenizer)
    shared = stride or max_length // 4
    for start in range(0, len(rows), TEXTS_AT_ONCE):
        words = [list(row) for row in rows[start : start + TEXTS_AT_ONCE]]
        for encoding in backend.encode_batch(words, is_pretokenized=True):
            yield windows_of(encoding.ids, encoding.word_ids, max_length, shared)


def _space_before_words(pre_tokenizer: Any) -> None:
    """Byte-level tokenizers would read words without a space before them as one long word."""
    if hasattr(pre_tokenizer, "add_prefix_space"):
        pre_tokenizer.add_prefix_space = True
    elif hasattr(pre_tokenizer, "__getitem__"):
        for part in pre_tokenizer:
            _space_before_words(part)


def windows_of(
    ids: Sequence[int], word_ids: Sequence[int | None], max_length: int, shared: int
) -> ReadRow:
    """Windows of one row.

    Args:
        ids: all tokens, special ones included.
        word_ids: word of each token; None of a special one.
        max_length: tokens of a window.
        shared: tokens that two windows share at most.

    """
    firsts: dict[int, int] = {}
    last = 0
    for place, word in enumerate(word_ids):
        if word is not None:
            firsts.setdefault(word, place)
            last = place
    if not firsts:
        return ReadRow([], is_long=False)
    places = list(firsts.values())
    if len(ids) <= max_length:
        return ReadRow([WordWindow(list(ids), list(firsts), places)], is_long=False)
    around = (list(ids[: places[0]]), list(ids[last + 1 :]))
    room = max_length - sum(map(len, around))
    if room < 1:
        raise SettingsError(
            f"tokenization.max_length is {max_length}, of which special tokens take "
            f"{max_length - room}; set it higher"
        )
    bounds = zip(places, [*places[1:], last + 1], strict=True)
    pieces = [list(ids[begin : min(end, begin + room)]) for begin, end in bounds]
    windows = _split(pieces, list(firsts), around, room, min(shared, room // 2))
    return ReadRow(windows, is_long=True)


def _split(
    pieces: Sequence[list[int]],
    words: Sequence[int],
    around: tuple[list[int], list[int]],
    room: int,
    shared: int,
) -> list[WordWindow]:
    """Windows of words whose pieces stand between special tokens."""
    lengths = [len(one) for one in pieces]
    runs = _runs(lengths, room, shared)
    windows = []
    for (begin, end), own in zip(runs, _judged(runs, lengths), strict=True):
        starts = list(accumulate(lengths[begin:end], initial=len(around[0])))
        inside = [token for piece in pieces[begin:end] for token in piece]
        ids = [*around[0], *inside, *around[1]]
        positions = [starts[number - begin] for number in own]
        if own:
            windows.append(WordWindow(ids, [words[number] for number in own], positions))
    return windows


def _runs(lengths: Sequence[int], room: int, shared: int) -> list[tuple[int, int]]:
    """Begin and end of runs of words that fill the room, each with new words at its end."""
    runs, begin, end, filled = [], 0, 0, 0
    while True:
        while end < len(lengths) and filled + lengths[end] <= room:
            filled += lengths[end]
            end += 1
        runs.append((begin, end))
        if end == len(lengths):
            return runs
        while filled > min(shared, room - lengths[end]):
            filled -= lengths[begin]
            begin += 1


def _judged(runs: Sequence[tuple[int, int]], lengths: Sequence[int]) -> list[list[int]]:
    """Words of each run that are judged there: where the shorter side of a word is longest.

    A side that ends where the row does hides nothing, and counts as endless.
    """
    best, run_of = [-1.0] * len(lengths), [0] * len(lengths)
    for number, (begin, end) in enumerate(runs):
        left, right = 0, sum(lengths[begin:end])
        for word in range(begin, end):
            right -= lengths[word]
            shorter = min(left if begin else inf, right if end < len(lengths) else inf)
            left += lengths[word]
            if shorter > best[word]:
                best[word], run_of[word] = shorter, number
    judged: list[list[int]] = [[] for _ in runs]
    for word, number in enumerate(run_of):
        judged[number].append(word)
    return judged

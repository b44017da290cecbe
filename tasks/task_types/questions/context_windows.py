"""Questions and their contexts as token ids; a long context in windows that share some tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError, SettingsError
from tasks.task_types.encoding import TEXTS_AT_ONCE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PairFrame:
    """The special tokens around a question and its context.

    Attributes:
        before: the question; the other two likewise.
        segments: segment ids of before, question, between, context and after; empty where the
            model reads none.
        null: place of the token that stands for no answer: the class token; counted from the end
            where it is negative. The first token where there is none.

    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    segments: tuple[int, ...]
    null: int

    @property
    def size(self) -> int:
        """All special tokens."""
        return len(self.before) + len(self.between) + len(self.after)


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """A question with a part of its context.

    Attributes:
        input_ids: special tokens included.
        segments: of each token; empty where the model reads none.
        begin: place of the first token of the context.
        end: place behind its last one.
        null: place of the token that stands for no answer.
        offset: token of the whole context at `begin`.

    """

    input_ids: list[int]
    segments: list[int]
    begin: int
    end: int
    null: int
    offset: int


@dataclass(frozen=True, slots=True)
class ReadQuestion:
    """A question's windows, at least one.

    Attributes:
        bounds: characters (C, 2) at which each token of the whole context begins and ends.
        is_cut: whether the question was cut, or the context split.

    """

    windows: list[ContextWindow]
    bounds: Ints
    is_cut: bool


def pair_frame(tokenizer: "PreTrainedTokenizerFast") -> PairFrame:
    """How a tokenizer frames a pair of texts.

    Raises:
        BaseModelError: it reads no pairs.

    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    probe = backend.encode("a", "a")
    sides, ids, kinds = probe.sequence_ids, probe.ids, probe.type_ids
    if 0 not in sides or 1 not in sides:
        raise BaseModelError(
            "the tokenizer gives no tokens for a pair of texts, which question_answering needs: "
            f"it reads ('a', 'a') as {probe.tokens}"
        )
    question, context = (
        [place for place, side in enumerate(sides) if side == number] for number in (0, 1)
    )
    before, after = ids[: question[0]], ids[context[-1] + 1 :]
    between = ids[question[-1] + 1 : context[0]]
    segments = (kinds[0], kinds[question[0]], kinds[question[-1] + 1], kinds[context[0]], kinds[-1])
    null = 0
    if tokenizer.cls_token_id in before:
        null = before.index(tokenizer.cls_token_id)
    elif tokenizer.cls_token_id in after:
        null = after.index(tokenizer.cls_token_id) - len(after)
    reads_segments = "token_type_ids" in tokenizer.model_input_names
    return PairFrame(
        tuple(before), tuple(between), tuple(after), segments if reads_segments else (), null
    )


def read_questions(
    questions: Sequence[str],
    contexts: Sequence[str],
    tokenizer: "PreTrainedTokenizerFast",
    max_length: int,
    stride: int,
) -> Iterator[ReadQuestion]:
    """Windows of each question with its context.

    A question takes at most half of a window; what is longer is cut at its end.

    Args:
        questions: N texts.
        contexts: N texts.
        tokenizer: a fast tokenizer of transformers.
        max_length: tokens of a window, special ones included.
        stride: tokens that two windows of a context share, at most half of its part of a window;
            0: a quarter of max_length.

    Raises:
        BaseModelError: the tokenizer reads no pairs.
        SettingsError: a window has no room for a token of each.

    """
    frame = pair_frame(tokenizer)
    if max_length - frame.size < 2:  # noqa: PLR2004
        raise SettingsError(
            f"tokenization.max_length is {max_length}, of which special tokens take {frame.size}; "
            "set it higher"
        )
    shared = stride or max_length // 4
    backend = tokenizer.backend_tokenizer
    for start in range(0, len(questions), TEXTS_AT_ONCE):
        asked = questions[start : start + TEXTS_AT_ONCE]
        given = contexts[start : start + TEXTS_AT_ONCE]
        distinct = list(dict.fromkeys(chain(asked, given)))
        encodings = backend.encode_batch(distinct, add_special_tokens=False)
        encoded = {
            text: (encoding.ids, np.array(encoding.offsets, np.int64).reshape(-1, 2))
            for text, encoding in zip(distinct, encodings, strict=True)
        }
        for question, context in zip(asked, given, strict=True):
            ids, bounds = encoded[context]
            yield _read(encoded[question][0], ids, bounds, frame, max_length, shared)


def _read(
    question: list[int],
    context: list[int],
    bounds: Ints,
    frame: PairFrame,
    max_length: int,
    shared: int,
) -> ReadQuestion:
    room = max_length - frame.size
    kept = question[: room // 2]
    parts = context_parts(len(context), room - len(kept), shared)
    windows = [_window(kept, context[begin:end], begin, frame) for begin, end in parts]
    return ReadQuestion(windows, bounds, is_cut=len(parts) > 1 or len(kept) < len(question))


def context_parts(size: int, room: int, shared: int) -> list[tuple[int, int]]:
    """Begin and end of parts of a context that are as long as the room and share some tokens."""
    step = room - min(shared, room // 2)
    begins = range(0, max(size - room, 0) + step, step)
    return [(begin, min(begin + room, size)) for begin in begins]


def _window(
    question: list[int], context: list[int], offset: int, frame: PairFrame
) -> ContextWindow:
    parts = (frame.before, question, frame.between, context, frame.after)
    ids = list(chain.from_iterable(parts))
    segments = [
        kind for kind, part in zip(frame.segments, parts, strict=False) for _ in range(len(part))
    ]
    begin = len(frame.before) + len(question) + len(frame.between)
    null = frame.null if frame.null >= 0 else len(ids) + frame.null
    return ContextWindow(ids, segments, begin, begin + len(context), null, offset)


def tokens_of_answer(bounds: Ints, start: int, length: int) -> tuple[int, int] | None:
    """First and last token of a context that hold some of an answer; None where none does.

    Args:
        bounds: characters (C, 2) at which each token begins and ends.
        start: of the answer, in characters.
        length: of the answer, in characters.

    """
    begins, ends = bounds.T
    touching = np.flatnonzero((begins < start + length) & (ends > start) & (ends > begins))
    return (int(touching[0]), int(touching[-1])) if len(touching) else None

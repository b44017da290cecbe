"""Texts in which two entities are marked with their types, as token ids.

The typed entity markers of Zhou and Chen 2022 (An Improved Baseline for Sentence-level Relation
Extraction, arXiv:2102.01373) in punctuation: ``@ * person * Ada @ lives in # ^ city ^ Bonn #``.
They are words that every vocabulary has, so that no token is new to the base model.

The same is written in `tasks/task_types/served/relation_extraction.py`, which stands alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from infra.errors import BaseModelError, DataError
from tasks.task_types.encoding import batches_of

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast

# Of subject and object: the mark around the entity, and the one around its type.
_MARKS: Final = (("@", "*"), ("#", "^"))
# A marked text has nine parts: before the first entity; its opening marks with its type, itself,
# its closing mark; between; the same of the second; behind it.
_BEFORE, _BETWEEN, _BEHIND = 0, 4, 8
_OPENINGS: Final = (1, 5)
_ENTITIES: Final = (2, 6)
_CLOSINGS: Final = (3, 7)


@dataclass(frozen=True, slots=True)
class MarkedEntity:
    """An entity in a text: its first character, the one behind its last, and its type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class MarkedPair:
    """A text with marks around two entities.

    Attributes:
        ends: characters at which the nine parts of the text end.
        subject_first: whether the subject stands before the object.

    """

    text: str
    ends: tuple[int, ...]
    subject_first: bool


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A marked text as token ids, special ones included.

    Attributes:
        subject: place of the token that opens the marks of the subject.
        object: of that of the object.
        is_cut: whether tokens of the text were left out.

    """

    input_ids: list[int]
    subject: int
    object: int
    is_cut: bool


def mark(text: str, subject: MarkedEntity, object_: MarkedEntity) -> MarkedPair:
    """Put the marks into a text.

    Any places are taken: one outside of the text is its nearest end, and where the entities overlap
    the second begins where the first ends. The contract and the server refuse such rows.
    """
    both = [(subject, _MARKS[0]), (object_, _MARKS[1])]
    subject_first = (subject.start, subject.end) <= (object_.start, object_.end)
    parts: list[str] = []
    done = 0
    for entity, (outer, inner) in both if subject_first else both[::-1]:
        start = min(max(entity.start, done), len(text))
        end = min(max(entity.end, start), len(text))
        before = text[done:start]
        # A blank parts a mark from a word beside it, unless one stands there.
        lead = "" if not (before and parts) or before[0].isspace() else " "
        gap = "" if not (before or parts) or before[-1:].isspace() else " "
        kind = entity.type.replace("_", " ").lower()
        opening = f"{outer} {inner} {kind} {inner} "
        parts += [f"{lead}{before}{gap}", opening, text[start:end], f" {outer}"]
        done = end
    rest = text[done:]
    parts.append(rest if not rest or rest[0].isspace() else f" {rest}")
    ends = np.cumsum([len(part) for part in parts])
    return MarkedPair("".join(parts), tuple(ends.tolist()), subject_first)


def marked_pairs(rows: "pa.Table") -> list[MarkedPair]:
    """The marked text of each row.

    Args:
        rows: with text, and start, end and type of subject and object.

    """
    columns = [
        rows[name].to_pylist()
        for name in (
            "text", "subject_start", "subject_end", "subject_type",
            "object_start", "object_end", "object_type",
        )
    ]  # fmt: skip
    return [
        mark(text, MarkedEntity(*own[:3]), MarkedEntity(*own[3:]))
        for text, *own in zip(*columns, strict=True)
    ]


def encode_pairs(
    pairs: Sequence[MarkedPair], tokenizer: "PreTrainedTokenizerFast", max_length: int
) -> Iterator[EncodedPair]:
    """Token ids of each marked text.

    A text that is too long keeps both entities with their marks. Left out are the tokens farthest
    from them: on both sides, then in the middle between the two, and of an entity, or a type, that
    is itself too long those at its end.

    Args:
        pairs: marked texts.
        tokenizer: a fast tokenizer of transformers.
        max_length: tokens that a text is cut to, special ones included.

    Raises:
        BaseModelError: the tokenizer gives no token for a mark.
        DataError: the marks alone are longer than that.

    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    probe = backend.encode("a")
    real = [place for place, special in enumerate(probe.special_tokens_mask) if not special]
    before, after = probe.ids[: real[0]], probe.ids[real[-1] + 1 :]
    room = max_length - len(before) - len(after)
    for batch in batches_of([pair.text for pair in pairs]):
        encodings = backend.encode_batch(list(batch), add_special_tokens=False)
        for pair, encoding in zip(pairs[: len(batch)], encodings, strict=True):
            parts = _by_part(encoding.ids, encoding.offsets, pair.ends)
            kept = fit(parts, room)
            yield _joined(kept, before, after, pair, is_cut=sum(map(len, parts)) > room)
        pairs = pairs[len(batch) :]


def _by_part(
    ids: Sequence[int], offsets: Sequence[tuple[int, int]], ends: Sequence[int]
) -> list[list[int]]:
    """The tokens of each part; a token is of the part in which its last character stands."""
    parts: list[list[int]] = [[] for _ in ends]
    last = [max(end - 1, 0) for _, end in offsets]
    for token, part in zip(ids, np.searchsorted(ends, last, side="right").tolist(), strict=True):
        parts[min(part, _BEHIND)].append(token)
    return parts


def fit(parts: list[list[int]], room: int) -> list[list[int]]:
    """The tokens of each part that are kept, at most as many as the room in all.

    Raises:
        DataError: there is no room for the marks themselves.

    """
    left = room - sum(len(parts[part]) for part in _CLOSINGS)
    if left < len(_OPENINGS):
        raise DataError(
            f"the marks of two entities take {room - left + len(_OPENINGS)} tokens, and "
            f"tokenization.max_length leaves room for {room}; set it higher"
        )
    kept = list(parts)
    for first, second in (_OPENINGS, _ENTITIES):
        kept[first], kept[second] = _both(parts[first], parts[second], left)
        left -= len(kept[first]) + len(kept[second])
    between = parts[_BETWEEN]
    if len(between) > left:
        head = -(-left // 2)
        kept[_BETWEEN] = between[:head] + between[len(between) - (left - head) :]
        left = 0
    else:
        left -= len(between)
    before, behind = parts[_BEFORE], parts[_BEHIND]
    own = min(len(before), max(left // 2, left - len(behind)))
    kept[_BEFORE], kept[_BEHIND] = before[len(before) - own :], behind[: left - own]
    return kept


def _both(first: list[int], second: list[int], room: int) -> tuple[list[int], list[int]]:
    """As much of both as there is room for, the longer one cut before the other."""
    size = min(len(first), max(room - len(second), -(-room // 2)))
    return first[:size], second[: room - size]


def _joined(
    parts: Sequence[list[int]],
    before: Sequence[int],
    after: Sequence[int],
    pair: MarkedPair,
    *,
    is_cut: bool,
) -> EncodedPair:
    if lacking := [part for part in _OPENINGS if not parts[part]]:
        raise BaseModelError(
            f"the tokenizer gives no token for the marks of an entity (part {lacking[0]} of "
            f"{pair.text[:60]!r}), which relation_extraction needs; take another base model"
        )
    places = [len(before) + sum(map(len, parts[:part])) for part in _OPENINGS]
    subject, object_ = places if pair.subject_first else places[::-1]
    inside = [token for part in parts for token in part]
    return EncodedPair([*before, *inside, *after], subject, object_, is_cut)

"""Whether an explanation names the words that people took a label from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import rankdata

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.explanation.methods import WordAttributions
from tasks.explanation.network import Floats
from tasks.explanation.settings import RationaleSettings
from tasks.explanation.words import EncodedText, Word
from tasks.records.data import SourceFile
from tasks.sources.named_files import pin_named, read_pinned

# A token is of the rationale where at least this share of the annotators marked it.
AGREED: Final = 0.5
_SETTING: Final = "explanation.rationales.path"


@dataclass(frozen=True)
class Rationale:
    """The passages of a text that people took its label from, as (start, end) in characters."""

    passages: tuple[tuple[int, int], ...]

    def marks(self, words: Sequence[Word]) -> list[bool]:
        """Whether each word lies in a passage, wholly or in part."""
        return [
            any(start < word.end and word.start < end for start, end in self.passages)
            for word in words
        ]


def pin_rationales(settings: RationaleSettings, store: ObjectStore) -> SourceFile:
    """Fingerprint the file of the rationales.

    Raises:
        DataError: it cannot be read, or a line is not as the settings say.
        StoreError: the store cannot be reached.

    """
    pinned = pin_named(_SETTING, settings.path, store)
    read_rationales(settings, pinned, store)
    return pinned


def read_rationales(
    settings: RationaleSettings, pinned: SourceFile, store: ObjectStore
) -> Mapping[str, Rationale]:
    """The rationale of each text that has one; texts that nobody marked anything in have none.

    Args:
        settings: the names of the fields.
        pinned: the file, as `pin_rationales` gave it.
        store: holds it, if it is not local.

    Raises:
        DataError: as `pin_rationales`, and where the file changed since.
        StoreError: likewise.

    """
    found = {}
    try:
        lines = read_pinned(_SETTING, pinned, store).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{_SETTING}: {pinned.uri} is no UTF-8: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            text, rationale = _read(line, settings, f"{pinned.uri}, line {number}")
            if rationale.passages:
                found[text] = rationale
    return found


def _read(line: str, settings: RationaleSettings, where: str) -> tuple[str, Rationale]:
    try:
        row = json.loads(line)
        text, tokens, marks = (
            row[name] for name in (settings.text, settings.tokens, settings.marks)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"explanation.rationales: {where} must be JSON with {settings.text!r}, "
            f"{settings.tokens!r} and {settings.marks!r}; it says {line[:80]!r} ({error!r})"
        ) from error
    if not _is_marked(text, tokens, marks):
        raise DataError(
            f"explanation.rationales: {where}: {settings.marks!r} must hold for each annotator a 0 "
            f"or 1 for each of the {len(tokens) if isinstance(tokens, list) else 0} tokens, and "
            f"{settings.text!r} be a text; it says {str(marks)[:80]}"
        )
    places = _places(text, tokens, where)
    agreed = np.mean(marks, axis=0) >= AGREED if marks else np.zeros(len(tokens), bool)
    return text, Rationale(tuple(one for one, is_in in zip(places, agreed, strict=True) if is_in))


def _is_marked(text: Any, tokens: Any, marks: Any) -> bool:
    if not (isinstance(text, str) and isinstance(tokens, list) and isinstance(marks, list)):
        return False
    return all(isinstance(token, str) for token in tokens) and all(
        isinstance(one, list)
        and len(one) == len(tokens)
        and all(mark in (0, 1) for mark in one)  # a list among them equals neither
        for one in marks
    )


def _places(text: str, tokens: Sequence[str], where: str) -> list[tuple[int, int]]:
    """Where each token stands, one behind the other."""
    found, end = [], 0
    for token in tokens:
        start = text.find(token, end)
        if start < 0:
            raise DataError(
                f"explanation.rationales: {where}: the token {token!r} does not stand in the text "
                "behind the one before it"
            )
        end = start + len(token)
        found.append((start, end))
    return found


def agreements(
    encoded: Sequence[EncodedText],
    attributions: Sequence[WordAttributions],
    rationales: Mapping[str, Rationale],
) -> Floats:
    """How well each row's attributions rank the words of its rationale before the others, (N,).

    Area under the ROC curve: the chance that a word of the rationale stands before one that is not.
    0.5 is what an order by chance comes to. No number (NaN) of a row without a rationale, or whose
    rationale holds none or all of the words that the model reads.
    """
    found = np.full(len(encoded), np.nan)
    for row, (text, one) in enumerate(zip(encoded, attributions, strict=True)):
        rationale = rationales.get(text.text)
        if rationale is None or not text.read:
            continue
        read = list(text.read)
        inside = np.array(rationale.marks(text.words))[read]
        found[row] = _auc(inside, one.values[read])
    return found


def _auc(inside: "np.ndarray[Any, np.dtype[np.bool_]]", values: Floats) -> float:
    positives, negatives = int(inside.sum()), int((~inside).sum())
    if not positives or not negatives:
        return float("nan")
    above = float(rankdata(values)[inside].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)

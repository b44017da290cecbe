"""Training rows in other words: translated by one registered line, and back by another.

Sennrich, Haddow and Birch 2016 (arXiv:1511.06709) make pairs to learn translation from in this way;
Xie et al. 2020 (UDA, arXiv:1904.12848) put texts that have a label in other words by it.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa

from infra.errors import SettingsError
from infra.parquet_tables import TableWriter
from infra.store import ObjectStore
from tasks.augmentation.augmenting import (
    Row,
    asked_rows,
    draw_order,
    read_rows_and_texts,
    why_left_out,
)
from tasks.augmentation.known_texts import KnownTexts, form_of
from tasks.augmentation.methods import BACK_TRANSLATION
from tasks.augmentation.settings import BackTranslationSettings
from tasks.augmentation.translated_texts import RoundTrip, TranslatedTexts
from tasks.augmentation.translation_languages import Tell, language_of
from tasks.perturbations.untouched import PLACEHOLDER
from tasks.records.back_translation import BackTranslations, Translators
from tasks.records.data import DataReport
from tasks.records.golden import GoldenSets
from tasks.task_types.generation.written_texts import WrittenTexts
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape

logger = logging.getLogger(__name__)

# Why what came back makes no new row.
CUT: Final = "longer than a translation line reads or writes"
OTHER_NUMBERS: Final = "a number or placeholder came or went"
OTHER_LANGUAGE: Final = "not in the language that is translated"
UNLIKE: Final = "too unlike its parent (min_chrf)"
# Texts that are translated and kept at once; after each such run it is said how far it has come.
TEXTS_AT_ONCE: Final = 64
# A shorter text does not tell its language.
_TOLD_CHARACTERS: Final = 20
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("row_id", "text", "between", "back", "reason")]
)

Translate = Callable[[Sequence[str]], list[RoundTrip]]


def back_translate_rows(
    store: ObjectStore,
    data: DataReport,
    golden: GoldenSets | None,
    task_type: str,
    settings: BackTranslationSettings,
    seed: int,
    translators: Translators,
    tell: Tell,
) -> BackTranslations:
    """Translate training rows in the order of their draws, until enough make new rows.

    Args:
        store: holds the clean rows and the models, and will hold what these write.
        data: the clean rows.
        golden: sets that no model learns from.
        task_type: of the line.
        settings: how many rows, and how like their parents.
        seed: of the augmentation.
        translators: whom to ask.
        tell: the language of texts.

    Raises:
        SettingsError: the rows are in another language than the first of them reads.
        DataError: there are no training rows, or the clean rows lack a column.
        BaseModelError: a model cannot be loaded.
        StoreError: the store does not answer, or holds other weights than were registered.

    """
    shape = shape_of(task_type)
    with TemporaryDirectory(prefix="assayline-back-translation-") as name:
        train, known = read_rows_and_texts(store, data, golden, shape, Path(name))
    _refuse_another_language(
        [text or "" for text in train[shape.inputs[0].name].to_pylist()], translators, tell
    )
    round_trip = Selection(settings, shape, translators.language, tell)
    rows = translated_rows(
        train, round_trip, known, seed, TranslatedTexts(store, translators).of
    )  # fmt: skip
    with TableWriter(BACK_TRANSLATION.replace("_", "-"), _SCHEMA, store) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=_SCHEMA))
        artifact = writer.close()
    return BackTranslations(artifact, len(rows), translators)


@dataclass(frozen=True)
class Selection:
    """Which of the texts that came back make new rows.

    Attributes:
        language: of the texts, as ISO 639-1 code; empty where it is not known.
        tell: the language of texts.

    """

    settings: BackTranslationSettings
    shape: RowShape
    language: str
    tell: Tell

    def reasons(self, texts: Sequence[str], trips: Sequence[RoundTrip]) -> list[str]:
        """Why each makes none; empty where it may make one."""
        came_back = [one.back or "" for one in trips]
        told = [self._in_language(ones) for ones in (texts, came_back)]
        return [
            self._reason(text, back, native=all(native))
            for text, back, native in zip(texts, came_back, zip(*told, strict=True), strict=True)
        ]

    def _in_language(self, texts: Sequence[str]) -> list[bool]:
        """Whether nothing says that a text is in another language."""
        if not self.language:
            return [True] * len(texts)
        codes = self.tell(texts, _TOLD_CHARACTERS, [self.language])
        return [code in {None, self.language} for code in codes]

    def _reason(self, text: str, back: str, *, native: bool) -> str:
        if not back:
            return CUT
        if not native:
            return OTHER_LANGUAGE
        if _marks_of(text) != _marks_of(back):
            return OTHER_NUMBERS
        alike = WrittenTexts([text], [back]).corpus_score("chrf")
        return UNLIKE if alike < self.settings.min_chrf else ""


def _marks_of(text: str) -> Counter[str]:
    """Numbers in digits, whatever parts their thousands, and placeholders of a text."""
    numbers = (re.sub(r"[.,](?=\d{3}(?!\d))", "", one) for one in _NUMBER.findall(text))
    return Counter([*numbers, *PLACEHOLDER.findall(text)])


def translated_rows(
    train: pa.Table, selection: Selection, known: KnownTexts, seed: int, translate: Translate
) -> list[dict[str, str | None]]:
    """Rows as `BackTranslations` keeps them, of as many training rows as the share needs.

    Args:
        train: training rows, sorted by row_id.
        selection: which texts make new rows.
        known: texts that there are already; new ones are added.
        seed: of the augmentation.
        translate: texts there and back.

    """
    settings, column = selection.settings, selection.shape.inputs[0].name
    asked, taken = asked_rows(settings.share, train.num_rows), 0
    rows: list[dict[str, str | None]] = []
    for parents in _runs(train, settings.share, seed):
        texts = [parent[column] or "" for parent in parents]
        trips = translate(texts)
        reasons = selection.reasons(texts, trips)
        for parent, text, trip, reason in zip(parents, texts, trips, reasons, strict=True):
            rows.append(
                {"row_id": parent["row_id"], "text": text, "between": trip.between,
                 "back": trip.back, "reason": reason}
            )  # fmt: skip
            new: Row = {**parent, column: (trip.back or "").strip()}
            if not reason and not why_left_out(parent, new, selection.shape, known):
                known.trained.add(form_of(new[column]))
                taken += 1
        logger.info(
            "back-translation: %s of %s training rows translated, %s new rows of %s",
            f"{len(rows):,}", f"{train.num_rows:,}", f"{taken:,}", f"{asked:,}",
        )  # fmt: skip
        if taken >= asked:
            break
    return rows


def _runs(train: pa.Table, share: float, seed: int) -> Iterator[list[Row]]:
    """Training rows in the order of their draws, as many in a run as are translated at once."""
    parents = (parent for parent, _ in draw_order(train, BACK_TRANSLATION, share, seed))
    while run := list(islice(parents, TEXTS_AT_ONCE)):
        yield run


def _refuse_another_language(texts: Sequence[str], translators: Translators, tell: Tell) -> None:
    own = language_of(texts, tell)
    if own and translators.language and own != translators.language:
        raise SettingsError(
            f"augmentation.back_translation.to names {translators.to.name}, which translates from "
            f"{translators.language}, and most of the line's training rows are in {own}; name a "
            f"line that translates from {own}, and one back"
        )

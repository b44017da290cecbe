"""Between which languages a translation line translates, by the rows that it was trained on."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow.parquet as pq

from infra.errors import SettingsError
from infra.store import ObjectStore
from tasks.records.back_translation import Translator, Translators

# From texts, the characters that tell a language, and the expected languages (none: any), to the
# ISO 639-1 code of each.
Tell = Callable[[Sequence[str], int, Sequence[str]], Sequence[str | None]]

# Rows that are read, and characters of a sample of them: enough to tell also by short sentences.
ROWS_READ: Final = 400
_SAMPLE_CHARACTERS: Final = 120
# Share of the samples that must be in one language for that to be the line's.
_MOST: Final = 0.6


def find_languages(store: ObjectStore, translators: Translators, tell: Tell) -> Translators:
    """The two with the languages that they translate between.

    Args:
        store: holds the rows that they were trained on.
        translators: by digest.
        tell: the language of texts.

    Raises:
        SettingsError: the languages do not meet; the message names all that do not.
        StoreError: the store does not answer, or lacks their rows.

    """
    to, back = (_of_line(store, one, tell) for one in (translators.to, translators.back))
    wrong = [
        f"augmentation.back_translation.{setting} names {one.name}, which translates {does} "
        f"{seen}, and {other.name} translates {others} {wanted}"
        for setting, one, other, does, others, seen, wanted in (
            ("back", translators.back, translators.to, "from", "to", back[0], to[1]),
            ("back", translators.back, translators.to, "to", "from", back[1], to[0]),
        )
        if seen and wanted and seen != wanted
    ]
    if wrong:
        raise SettingsError(
            f"{'; '.join(wrong)}. Right would be a line that translates what `to` writes back into "
            "what it reads"
        )
    return replace(translators, language=to[0] or back[1], between=to[1] or back[0])


def _of_line(store: ObjectStore, translator: Translator, tell: Tell) -> tuple[str, str]:
    """Languages of source and target; empty where the rows do not tell."""
    if translator.data is None:
        return "", ""
    with TemporaryDirectory(prefix="assayline-languages-") as name:
        path = store.get_file(translator.data, Path(name) / "clean.parquet")
        with pq.ParquetFile(path, pre_buffer=False) as file:
            batches = file.iter_batches(ROWS_READ, columns=["source", "target"])
            rows = [row for batch in islice(batches, 1) for row in batch.to_pylist()]
    source, target = (
        language_of([row[column] or "" for row in rows], tell) for column in ("source", "target")
    )
    return source, target


def language_of(texts: Sequence[str], tell: Tell) -> str:
    """ISO 639-1 code of the language that most of the texts are in; empty where none is.

    Short texts are told together: a sentence of ten characters by itself tells nothing.
    """
    samples = list(_samples(texts[:ROWS_READ]))
    told = Counter(code for code in tell(samples, 1, []) if code)
    if not told:
        return ""
    code, found = told.most_common(1)[0]
    return code if found >= _MOST * len(samples) else ""


def _samples(texts: Sequence[str]) -> list[str]:
    """The texts joined to samples of some characters each; a rest that is shorter is left out."""
    samples, joined = [], ""
    for text in texts:
        joined = f"{joined} {text}".strip()
        if len(joined) >= _SAMPLE_CHARACTERS:
            samples.append(joined)
            joined = ""
    return samples or [joined] * bool(joined)

"""Out-of-distribution texts, from a file that the settings name."""

import json
from collections.abc import Iterator
from typing import Any, Final

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.perturbations.draws import rank_of
from tasks.probes.out_of_distribution.settings import FAMILY, OutOfDistributionSettings
from tasks.records.data import SourceFile
from tasks.sources.named_files import pin_named, read_lines

_SETTING: Final = "probes.out_of_distribution.path"
_PLAIN: Final = ".txt"
_SHOWN: Final = 60


def pin_out_of_distribution_texts(
    settings: OutOfDistributionSettings, store: ObjectStore
) -> SourceFile:
    """Fingerprint the file, which must be readable.

    Raises:
        DataError: it cannot be read, a line is no such text, or there are too few.
        StoreError: the store cannot be reached.

    """
    pinned = pin_named(_SETTING, settings.path, store)
    read_out_of_distribution_texts(settings, pinned, store)
    return pinned


def read_out_of_distribution_texts(
    settings: OutOfDistributionSettings, pinned: SourceFile, store: ObjectStore
) -> list[str]:
    """The texts of least hash, each once.

    Args:
        settings: how many.
        pinned: the file, as `pin_out_of_distribution_texts` gave it.
        store: holds it, if it is not local.

    Raises:
        DataError, StoreError: as `pin_out_of_distribution_texts`; or the file changed.

    """
    lines = read_lines(_SETTING, pinned, store)
    texts = list(dict.fromkeys(_texts(pinned.uri, lines)))
    if len(texts) < settings.min_rows:
        raise DataError(
            f"{_SETTING}: {pinned.uri} has {len(texts)} distinct texts, and "
            f"probes.out_of_distribution.min_rows asks for {settings.min_rows}; add some"
        )
    texts.sort(key=lambda text: (rank_of(0, FAMILY, text), text))
    return texts[: settings.rows]


def _texts(uri: str, lines: list[str]) -> Iterator[str]:
    plain = uri.lower().endswith(_PLAIN)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        yield line.strip() if plain else _text_of(uri, number, line)


def _text_of(uri: str, number: int, line: str) -> str:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise _wrong(uri, number, line) from error
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise _wrong(uri, number, line)
    return text.strip()


def _wrong(uri: str, number: int, line: str) -> DataError:
    return DataError(
        f"{_SETTING}: line {number} of {uri} is {line[:_SHOWN]!r}; right would be "
        '{"text": "an out-of-distribution text"}, or one text a line in a file that ends in .txt'
    )

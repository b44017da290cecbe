"""The n-grams of held-out sets, and the rows that share one."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import PurePosixPath
from typing import BinaryIO, Final

import numpy as np

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.records.data import SourceFile
from tasks.sources.named_files import open_named, pin_named
from tasks.text_normalisation import normalise
from tasks.validation.leakage.hashing import (
    Flags,
    Hashes,
    hash_ngrams,
    hash_strings,
)
from tasks.validation.leakage.settings import BenchmarkSettings, LeakageSettings

_BATCH_TEXTS: Final = 2048
_MAX_FIELD_CHARACTERS: Final = 2**31 - 1


@dataclass(frozen=True)
class Benchmark:
    """What of a held-out set no training row may share.

    Attributes:
        ngrams: hashes of its n-grams, sorted.
        short_texts: hashes of its texts that are shorter than an n-gram, sorted.

    """

    name: str
    ngrams: Hashes
    short_texts: Hashes


def read_benchmarks(settings: LeakageSettings, store: ObjectStore) -> tuple[Benchmark, ...]:
    """The n-grams of every benchmark that the settings name.

    Raises:
        DataError: a file is missing, broken or empty, lacks the column, or two share a name.

    """
    names = [benchmark.name for benchmark in settings.benchmarks]
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"leakage.benchmarks names {name!r} {names.count(name)} times; keep one"
            )
    return tuple(
        _read_benchmark(benchmark, settings.ngram_words, store) for benchmark in settings.benchmarks
    )


def find_shared(
    texts: Sequence[str], text_hashes: Hashes, benchmark: Benchmark, words: int
) -> tuple[Flags, Flags]:
    """Which normalised texts share an n-gram with the benchmark, and which are its short texts."""
    hashes, text_of, counts = hash_ngrams(texts, words)
    shared = np.zeros(len(texts), np.bool_)
    shared[text_of[_stand_in(hashes, benchmark.ngrams)]] = True
    return shared, (counts < words) & _stand_in(text_hashes, benchmark.short_texts)


def _stand_in(hashes: Hashes, known: Hashes) -> Flags:
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.asarray(known[places] == hashes)


def pin_benchmarks(settings: LeakageSettings, store: ObjectStore) -> tuple[SourceFile, ...]:
    """Fingerprint the file of every benchmark as it is now.

    Raises:
        DataError: a file is missing or cannot be read.
        StoreError: the store cannot be reached.

    """
    return tuple(pin_named(_setting(one), one.path, store) for one in settings.benchmarks)


def _read_benchmark(settings: BenchmarkSettings, words: int, store: ObjectStore) -> Benchmark:
    ngrams, short_texts = [], []
    for texts in _batches(_read_texts(settings, store)):
        forms = [form for form in map(normalise, texts) if form]
        hashes, _, counts = hash_ngrams(forms, words)
        ngrams.append(np.unique(hashes))
        short_texts.append(hash_strings(forms)[counts < words])
    if not any(len(found) for found in (*ngrams, *short_texts)):
        raise DataError(f"{_name(settings)} holds no text; name a file of its texts")
    return Benchmark(
        settings.name, np.unique(np.concatenate(ngrams)), np.unique(np.concatenate(short_texts))
    )


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    texts = iter(texts)
    while batch := list(islice(texts, _BATCH_TEXTS)):
        yield batch


def _setting(settings: BenchmarkSettings) -> str:
    return f"leakage.benchmarks, {settings.name}"


def _name(settings: BenchmarkSettings) -> str:
    return f"{_setting(settings)}: {settings.path}"


def _read_texts(settings: BenchmarkSettings, store: ObjectStore) -> Iterator[str]:
    ending = PurePosixPath(settings.path).suffix
    if ending not in _READERS:
        known = ", ".join(_READERS)
        raise DataError(f"{_name(settings)} ends in {ending!r}; its ending must be one of {known}")
    with open_named(_setting(settings), settings.path, store) as file:
        yield from _READERS[ending](file, settings)


def _decoded_lines(file: BinaryIO, settings: BenchmarkSettings) -> Iterator[str]:
    """Lines with their ends, as UTF-8, without a byte order mark."""
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{_name(settings)}: line {number} is not valid UTF-8 (byte "
                f"0x{line[error.start]:02x}); save the file as UTF-8"
            ) from error


def _read_lines(file: BinaryIO, settings: BenchmarkSettings) -> Iterator[str]:
    return _decoded_lines(file, settings)


def _read_table(file: BinaryIO, settings: BenchmarkSettings, delimiter: str) -> Iterator[str]:
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    reader = csv.reader(_decoded_lines(file, settings), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        place = _place_of_column(header, settings)
        for fields in reader:
            if fields and len(fields) != len(header):
                raise DataError(
                    f"{_name(settings)}: line {reader.line_num} has {len(fields)} field(s), and "
                    f"the header has {len(header)}"
                )
            yield from fields[place : place + 1]
    except csv.Error as error:
        raise DataError(f"{_name(settings)}: line {reader.line_num}: {error}") from error


def _read_csv(file: BinaryIO, settings: BenchmarkSettings) -> Iterator[str]:
    return _read_table(file, settings, ",")


def _read_tsv(file: BinaryIO, settings: BenchmarkSettings) -> Iterator[str]:
    return _read_table(file, settings, "\t")


def _read_jsonl(file: BinaryIO, settings: BenchmarkSettings) -> Iterator[str]:
    seen: dict[str, None] = {}
    for number, line in enumerate(_decoded_lines(file, settings), start=1):
        if line.strip():
            entry = _parse_object(line, number, settings)
            seen.update(dict.fromkeys(entry))
            value = entry.get(settings.column)
            if value is not None:
                yield _as_text(value, f"line {number}", settings)
    if seen:
        _place_of_column(list(seen), settings)


def _parse_object(line: str, number: int, settings: BenchmarkSettings) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(f"{_name(settings)}: line {number} is broken JSON: {error}") from error
    if not isinstance(entry, dict):
        raise DataError(f"{_name(settings)}: line {number} is no JSON object")
    return entry


def _as_text(value: object, where: str, settings: BenchmarkSettings) -> str:
    if not isinstance(value, str):
        raise DataError(
            f"{_name(settings)}: {where}: {settings.column!r} holds {type(value).__name__}; it "
            "must be text"
        )
    # Half of a surrogate pair is valid JSON and no character.
    return value.encode("utf-8", "replace").decode()


def _read_parquet(file: BinaryIO, settings: BenchmarkSettings) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file, pre_buffer=False)
        _place_of_column(table.schema_arrow.names, settings)
        for batch in table.iter_batches(_BATCH_TEXTS, columns=[settings.column]):
            for value in batch.column(0).drop_null().to_pylist():
                yield _as_text(value, "the column", settings)
    except pa.ArrowException as error:
        raise DataError(f"{_name(settings)} cannot be read as Parquet: {error}") from error


def _place_of_column(present: Sequence[str], settings: BenchmarkSettings) -> int:
    if settings.column in present:
        return present.index(settings.column)
    if not present:
        raise DataError(f"{_name(settings)} is empty; it should have {settings.column!r}")
    near = get_close_matches(settings.column, present, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    names = ", ".join(map(repr, present))
    raise DataError(f"{_name(settings)} has no column {settings.column!r}; it has {names}{hint}")


_READERS: Final[dict[str, Callable[[BinaryIO, BenchmarkSettings], Iterator[str]]]] = {
    ".txt": _read_lines,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}

"""What a row is told by: values without surrounding white space, its digest, and its split."""

import hashlib
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.ingestion.splits import SplitSettings, splits_of
from tasks.sources.visible import are_visible
from tasks.task_types.row_identities import identities_of
from tasks.task_types.rows import RowShape

DIGEST_BYTES: Final = 32
_SPACE: Final = 0x20
_DELETE: Final = 0x7F
_WHOLE_NUMBER: Final = r"^([+-]?[0-9]+)\.0+$"
_HEX_PAIRS: Final = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)


def trim(rows: pa.Table, shape: RowShape, group_columns: tuple[str, ...]) -> pa.Table:
    """Rows without white space around texts, labels, groups and clusters; empty is null.

    A text of which nothing can be seen is empty. A cluster that a column of numbers wrote as 7.0,
    where another file has 7, is 7. The labels of a row are a set, so they are sorted. Tokens, tags
    and turns stay as they are. An answer still starts where its number in the context says, and an
    entity stands where its numbers say; rows of one text with entities are a cluster, and pairs of
    answers to one prompt, where the source names none.
    """
    kinds = {column.name: column.kind for column in shape.columns}
    kinds |= dict.fromkeys((*group_columns, "cluster"), "text")
    trimmed = rows
    for name, kind in kinds.items():
        if kind in {"text", "label"}:
            trimmed = _replace(trimmed, name, _trim(_whole(rows[name])))
        elif kind == "labels":
            trimmed = _replace(trimmed, name, _sort_labels(_whole(rows[name])))
    clusters = _without_decimals(trimmed["cluster"])
    trimmed = _replace(trimmed, "cluster", clusters)
    if passage := shape.passage:
        answers, contexts = rows[passage.answer], rows[passage.context]
        moved = pc.subtract(_leading_spaces(answers), _leading_spaces(contexts))
        trimmed = _replace(trimmed, passage.start, pc.add(rows[passage.start], moved))
    if shape.entities:
        moved = _leading_spaces(rows[shape.entities[0].text])
        for name in (place for one in shape.entities for place in (one.start, one.end)):
            trimmed = _replace(trimmed, name, pc.subtract(rows[name], moved))
        texts = _whole(trimmed[shape.entities[0].text])
        trimmed = _replace(trimmed, "cluster", _clusters_by(texts, trimmed["cluster"]))
    if shape.preference:
        prompts = identities_of(trimmed, replace(shape, preference=None))
        trimmed = _replace(trimmed, "cluster", _clusters_by(prompts, trimmed["cluster"]))
    return trimmed


def _clusters_by(texts: pa.Array, clusters: pa.ChunkedArray) -> pa.ChunkedArray:
    """The cluster of each row; of one without, a digest of the text that it shares with others.

    So all pairs of entities of a text, or of answers to a prompt, fall in one split, and are drawn
    together.
    """
    own = as_hex(as_binary(digests_of(pc.fill_null(texts, ""))))
    return pa.chunked_array([pc.coalesce(_whole(clusters), own)])


def _without_decimals(clusters: pa.ChunkedArray) -> pa.ChunkedArray:
    if clusters.null_count == len(clusters):
        return clusters
    return pc.replace_substring_regex(clusters, _WHOLE_NUMBER, r"\1")


def _replace(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.field(name), values)


def _leading_spaces(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """How many characters of white space each text begins with."""
    left = pc.utf8_length(pc.utf8_ltrim_whitespace(texts))
    return pc.fill_null(pc.subtract(pc.utf8_length(texts), left), 0).cast(pa.int64())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _trim(values: pa.Array) -> pa.Array:
    lengths = pc.binary_length(values)
    if not pc.any(pc.equal(lengths, 0)).as_py() and _is_trimmed(values, lengths):
        return values
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(are_visible(trimmed), trimmed, pa.scalar(None, pa.string()))


def _is_trimmed(values: pa.Array, lengths: pa.Array) -> bool:
    """Whether each text begins and ends with a printable ASCII character: a quick look.

    It saves a copy of the texts, and says False of other texts that need no trimming too.
    """
    held = pc.fill_null(lengths, 0).to_numpy() > 0
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    characters = np.frombuffer(data or b"", np.uint8)
    outer = np.concatenate([characters[ends[:-1][held]], characters[ends[1:][held] - 1]])
    return bool(((outer > _SPACE) & (outer < _DELETE)).all())


def _sort_labels(lists: pa.Array) -> pa.Array:
    found = pa.table({"row": pc.list_parent_indices(lists), "label": _trim(pc.list_flatten(lists))})
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    labels = found.sort_by([("row", "ascending"), ("label", "ascending")])["label"]
    return pa.ListArray.from_arrays(offsets, _whole(labels), mask=lists.is_null())


def digests_of(texts: pa.Array, salt: str = "") -> NDArray[np.uint8]:
    """SHA-256(salt + text) of each text; (N, 32). None of the texts may be null."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].tolist()
    view, salted = memoryview(data or b""), salt.encode()
    if salted:
        found = [_sha256(salted, view[a:z]) for a, z in pairwise(ends)]
    else:
        hash_ = hashlib.sha256
        found = [hash_(view[a:z]).digest() for a, z in pairwise(ends)]
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, DIGEST_BYTES)


def _sha256(salt: bytes, text: memoryview) -> bytes:
    digest = hashlib.sha256(salt)
    digest.update(text)
    return digest.digest()


def assign_splits(
    clusters: pa.ChunkedArray,
    identities: pa.Array,
    digests: NDArray[np.uint8],
    settings: SplitSettings,
) -> pa.Array:
    """The split of each row: by its cluster if it has one, else by its identity."""
    clusters = _whole(clusters)
    if clusters.null_count < len(clusters):
        return splits_of(digests_of(pc.coalesce(clusters, identities), settings.salt), settings)
    return splits_of(digests_of(identities, settings.salt) if settings.salt else digests, settings)


def as_hex(digests: pa.Array) -> pa.Array:
    """Digests (fixed size binary) as row_ids."""
    count = len(digests)
    raw = np.frombuffer(digests.buffers()[1], np.uint8)
    start = digests.offset * DIGEST_BYTES
    pairs = _HEX_PAIRS[raw[start : start + count * DIGEST_BYTES]]
    width = 2 * DIGEST_BYTES
    offsets = np.arange(0, width * (count + 1), width, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(pairs))


def as_binary(digests: NDArray[np.uint8]) -> pa.Array:
    """Digests (N, 32) as an Arrow array."""
    buffer = pa.py_buffer(np.ascontiguousarray(digests))
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(DIGEST_BYTES), len(digests), [None, buffer]
    )

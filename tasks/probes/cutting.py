"""Tokens without some of their rows, for models that learn the rest as the candidate does."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from infra.digests import digest_of
from infra.store import ObjectStore, sha256_of_file
from tasks.records.training import Tokens
from tasks.task_types.examples import IDS_ENDING

TRAIN = "train"
# Whether a row stays, by its row_id.
Kept = Callable[[str], bool]


def cut_tokens(tokens: Tokens, kept: Mapping[str, Kept], *, store: ObjectStore) -> Tokens:
    """The tokens of the rows that stay; splits that are not named are all there.

    Counted are the examples, tokens and planted rows that stay; `truncated_by_split` is that of
    all.

    Args:
        tokens: of the candidate.
        kept: by split, which rows stay.
        store: holds the tokens.

    Raises:
        StoreError: the tokens are missing.

    """
    rows, counts, canaries = {**tokens.rows_by_split}, {**tokens.tokens_by_split}, 0
    with tempfile.TemporaryDirectory(prefix="cut-") as name:
        folder = store.get_folder(tokens.artifact, Path(name) / "tokens")
        for split, stays in kept.items():
            path = folder / f"{split}.arrow"
            whole = _read(path)
            row_ids = whole["row_id"].to_pylist()
            cut = whole.filter(pa.array([stays(row_id) for row_id in row_ids], pa.bool_()))
            _write(cut, path)
            rows[split], counts[split] = cut.num_rows, _tokens_in(cut)
            if split == TRAIN:
                canaries = sum(map(stays, _planted(row_ids, tokens.canary_rows)))
        digest = digest_of({one.name: sha256_of_file(one) for one in sorted(folder.iterdir())})
        artifact = store.put_folder(store.uri("tokens", digest), folder)
    return replace(
        tokens,
        artifact=artifact,
        rows_by_split=rows,
        tokens_by_split=counts,
        canary_rows=canaries if TRAIN in kept else tokens.canary_rows,
    )


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()


def _write(rows: pa.Table, path: Path) -> None:
    path.unlink()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())


def _tokens_in(rows: pa.Table) -> int:
    ids = [name for name in rows.column_names if name.endswith(IDS_ENDING)]
    return sum(pc.sum(pc.list_value_length(rows[name])).as_py() or 0 for name in ids)


def _planted(row_ids: Sequence[str], count: int) -> list[str]:
    """Ids of the planted rows, which stand behind all others; a row may be several examples."""
    distinct = list(dict.fromkeys(row_ids))
    return distinct[len(distinct) - count :]

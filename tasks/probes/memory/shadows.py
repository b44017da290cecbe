"""Shadow models: trained as the candidate is, each on half of its training rows."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.digests import digest_of
from infra.store import ObjectStore, sha256_of_file
from tasks.perturbations.draws import rank_of
from tasks.records.training import Tokens
from tasks.resampling import Floats
from tasks.task_types.examples import IDS_ENDING

_SPLIT_FILE: Final = "train.arrow"
# A loss of 0 has no finite odds.
_LEAST_LOSS: Final = 1e-12


def learns(shadow: int, row_id: str, seed: int) -> bool:
    """Whether a shadow learns a row: of each two shadows in turn one does, and by chance which.

    Args:
        shadow: its number, from 0.
        row_id: of the row.
        seed: of the halves.

    """
    half = rank_of(seed, "shadow", f"{shadow // 2}", row_id) % 2
    return half == shadow % 2


def cut_for_shadow(tokens: Tokens, shadow: int, seed: int, *, store: ObjectStore) -> Tokens:
    """The tokens of the rows that a shadow learns; validation and test rows are all there.

    Counted are its own examples, tokens and planted rows; `truncated_by_split` stays that of all.

    Args:
        tokens: of the candidate.
        shadow: its number, from 0.
        seed: of the halves.
        store: holds the tokens.

    Raises:
        StoreError: the tokens are missing.

    """
    with tempfile.TemporaryDirectory(prefix="shadow-") as name:
        folder = store.get_folder(tokens.artifact, Path(name) / "tokens")
        path = folder / _SPLIT_FILE
        with pa.OSFile(str(path), "rb") as source:
            table = pa.ipc.open_file(source).read_all()
        row_ids = table["row_id"].to_pylist()
        half = table.filter(pa.array([learns(shadow, row_id, seed) for row_id in row_ids]))
        path.unlink()
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, half.schema) as writer:
            writer.write_table(half.combine_chunks())
        digest = digest_of({one.name: sha256_of_file(one) for one in sorted(folder.iterdir())})
        artifact = store.put_folder(store.uri("tokens", digest), folder)
    ids = [name for name in half.column_names if name.endswith(IDS_ENDING)]
    learned = sum(pc.sum(pc.list_value_length(half[name])).as_py() or 0 for name in ids)
    return replace(
        tokens,
        artifact=artifact,
        rows_by_split={**tokens.rows_by_split, "train": half.num_rows},
        tokens_by_split={**tokens.tokens_by_split, "train": learned},
        canary_rows=sum(
            learns(shadow, row_id, seed) for row_id in _planted(row_ids, tokens.canary_rows)
        ),
    )


def _planted(row_ids: Sequence[str], count: int) -> list[str]:
    """Ids of the planted rows, which stand behind all others; a row may be several examples."""
    distinct = list(dict.fromkeys(row_ids))
    return distinct[len(distinct) - count :]


def likelihood_ratios(
    losses: Floats, of_shadows: Floats, row_ids: Sequence[str], seed: int
) -> Floats:
    """How much surer the candidate is of each row than models that did not learn it, (N,).

    The offline attack of Carlini et al. 2022 (arXiv:2112.03570) with one variance for all rows, as
    they advise for few shadows: the log-odds of the row's probability, exp(-loss), under the
    candidate, less their mean under the shadows that did not learn it. Of a held-out row, which no
    shadow learned, as many shadows count, drawn as if it had been a training row.

    Args:
        losses: of the candidate, (N,).
        of_shadows: of S shadows, (S, N).
        row_ids: of the rows, (N,).
        seed: of the halves.

    """
    numbers = range(len(of_shadows))
    without = np.array(
        [[not learns(shadow, row_id, seed) for row_id in row_ids] for shadow in numbers]
    )  # (S, N)
    odds = _log_odds(of_shadows)
    means = np.where(without, odds, 0.0).sum(axis=0) / without.sum(axis=0)
    return np.asarray(_log_odds(losses) - means)


def _log_odds(losses: Floats) -> Floats:
    """Of the probability exp(-loss): log p - log(1 - p)."""
    least = np.maximum(losses, _LEAST_LOSS)
    return np.asarray(-least - np.log(-np.expm1(-least)))

"""Shadow models: trained as the candidate is, each on half of its training rows."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from infra.store import ObjectStore
from tasks.perturbations.draws import rank_of
from tasks.probes.cutting import TRAIN, cut_tokens
from tasks.records.training import Tokens
from tasks.resampling import Floats

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
    return cut_tokens(tokens, {TRAIN: lambda row_id: learns(shadow, row_id, seed)}, store=store)


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

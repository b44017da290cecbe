"""Whether the base model's vocabulary lacks more, or less, of the text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.drift.intervals import Share, of_change
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import Draws, Floats, Membership, Permutations

_TEXTS_AT_ONCE = 1_000


def count_unknown(folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """Unknown tokens and all tokens of each text, (U, 2), by the tokenizer of a model folder."""
    from infra.transformers_logs import quiet_transformers
    from tasks.task_types.tokenizers import load_tokenizer

    counts = np.zeros((len(texts), 2), np.float32)
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            encoded = tokenizer(
                list(texts[start : start + _TEXTS_AT_ONCE]),
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
            for place, ids in enumerate(encoded, start):
                counts[place] = ids.count(tokenizer.unk_token_id), len(ids)
    return counts


def measure_unknown(
    question: Question,
    counts: NDArray[np.float32],
    membership: Membership,
    permutations: Permutations,
) -> Measurement:
    """Change of the share of unknown tokens, p by permutation of rows.

    Tokens of one text are no independent draws, so the rows are permuted and not the tokens.

    Args:
        question: that is asked.
        counts: unknown and all tokens of each row, (U, 2).
        membership: of the U rows.
        permutations: of rows.

    """
    if min(counts[side, 1].sum() for side in (membership.before, membership.now)) == 0:
        return question.untold("one side has no tokens", membership.rows)

    def changes(before: Floats, now: Floats) -> Draws:
        totals = np.stack([counts.T @ before, counts.T @ now]).astype(np.float64)  # (2, 2, p)
        # A permutation can leave a side without tokens; its share is then 0.
        shares = totals[:, 0] / np.maximum(totals[:, 1], 1)
        return np.asarray(np.abs(shares[1] - shares[0]))

    found = permutations.of(changes, membership, question.name)
    before, now = (_share(counts, membership, side) for side in (membership.before, membership.now))
    ends = of_change(before, now, _correlation(counts, membership))
    test = permutations.test(membership)
    return question.answered(found.observed, found.p_value, test, membership.rows, ends)


def _share(counts: NDArray[np.float32], membership: Membership, side: NDArray[np.bool_]) -> Share:
    """Share of unknown tokens on one side; one more row has as many tokens as the mean."""
    unknown, tokens = (counts * side[:, None]).astype(np.float64).T
    total = tokens.sum()
    variance = membership.variance_of(_influences(counts, side))
    own = replace(membership, now=side)
    units = own.units[1]
    met = float((unknown / total).max()) if membership.clusters is None else 0.0
    return Share(float(unknown.sum() / total), float(variance), max(1 / units, met), units)


def _influences(counts: NDArray[np.float32], side: NDArray[np.bool_]) -> Draws:
    """What each row adds to the error of the share of unknown tokens on one side, (U,)."""
    unknown, tokens = (counts * side[:, None]).astype(np.float64).T
    total = tokens.sum()
    return np.asarray((unknown - unknown.sum() / total * tokens) / total)


def _correlation(counts: NDArray[np.float32], membership: Membership) -> float:
    """Of the two shares, through the rows that stand on both sides.

    Of means over n and m rows of one spread with k in common it is k / sqrt(nm). Where the kept
    rows differ less among themselves than the others they tie the shares less: with 2% unknown
    among the kept and 10% among the new the ends at k / sqrt(nm) missed the change in one draw of
    eleven. So it is taken as the influences of the rows have it, and never above that.
    """
    n, m = membership.rows
    most = int((membership.before & membership.now).sum()) / (n * m) ** 0.5
    before, now = (_influences(counts, side) for side in (membership.before, membership.now))
    apart, together = (float(membership.variance_of(before + sign * now)) for sign in (-1, 1))
    spread = float(membership.variance_of(before) * membership.variance_of(now)) ** 0.5
    return float(min(most, max(0.0, (together - apart) / (4 * spread)))) if spread else most

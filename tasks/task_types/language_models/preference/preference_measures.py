"""What is measured of a model that was tuned to preferences, and the rule that it has to beat."""

from typing import TYPE_CHECKING

import numpy as np

from tasks.resampling import Floats
from tasks.task_types.measures import Measured, mean_of, unbounded_ratio

if TYPE_CHECKING:
    import pyarrow as pa


def measure_preferences(answers: "pa.Table") -> Measured:
    """Rewards against preferences, the policy against its reference, and how far they are apart.

    A row's score is 1 where the chosen answer has the higher reward, 1/2 where both have the same,
    else 0. Of a rule that has no probabilities the first metric alone is measured.
    """
    chosen, rejected = (_floats(answers, f"{side}_reward") for side in ("chosen", "rejected"))
    right = share_right(chosen, rejected)
    measures = [mean_of("preference_accuracy", right)]
    if "chosen_policy" in answers.column_names:
        policy, reference = (
            share_right(*(_floats(answers, f"{side}_{model}") for side in ("chosen", "rejected")))
            for model in ("policy", "reference")
        )
        measures += [
            unbounded_ratio(
                "reward_margin", chosen - rejected, np.ones(len(right)), greater_is_better=True
            ),
            mean_of("likelihood_accuracy", policy),
            mean_of("reference_accuracy", reference),
            mean_of("accuracy_over_reference", policy - reference, low=-1.0),
            unbounded_ratio(
                "kl_to_reference", _floats(answers, "divergence"), _floats(answers, "tokens"),
                by_token=True,
            ),
        ]  # fmt: skip
    return Measured(tuple(measures), row_scores=right, leading=("preference_accuracy",))


def share_right(chosen: Floats, rejected: Floats) -> Floats:
    """1 where the chosen answer has more, 1/2 where both have the same, else 0, (N,)."""
    right: Floats = (np.sign(chosen - rejected) + 1) / 2
    return right


def length_baseline(train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
    """Prefer the longer answer, or the shorter one, whichever was preferred in training rows.

    Length tells much of many preferences (Singhal et al. 2023, arXiv:2310.03716).
    """
    import pyarrow as pa

    if not train.num_rows:
        return "there are no training rows"
    longer_is_better = 1.0 if share_right(*_lengths(train)).mean() >= 1 / 2 else -1.0
    names = ("chosen_reward", "rejected_reward")
    return pa.table(
        {
            name: longer_is_better * lengths
            for name, lengths in zip(names, _lengths(test), strict=True)
        }
    )


def _lengths(rows: "pa.Table") -> tuple[Floats, Floats]:
    """Characters (N,) of the chosen and of the rejected answers."""
    chosen, rejected = (
        np.array([len(text) for text in rows.column(side).to_pylist()], dtype=np.float64)
        for side in ("chosen", "rejected")
    )
    return chosen, rejected


def _floats(answers: "pa.Table", name: str) -> Floats:
    found: Floats = answers.column(name).to_numpy().astype(np.float64)
    return found

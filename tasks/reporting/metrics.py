"""What a reader has to know of a metric: its scale, its better side, its name on the hub.

A metric that is not listed is shown on an axis of its own, under its own name.
"""

from dataclasses import dataclass
from typing import Final

SHARE: Final = "from 0 to 1"
POINTS: Final = "from 0 to 100"
# How a comparison or a family names what it makes of a metric.
_BEFORE: Final = ("worst_group_", "largest_")
_BEHIND: Final = ("_gain", "_gap", "_difference", "_ratio", "_mean", "_drop")


@dataclass(frozen=True)
class Metric:
    """One metric, however it is named in full.

    Attributes:
        scale: metrics of one scale share an axis.
        falls: whether a lower number is better.
        hub: Hugging Face's name of the metric; empty where it is that of the metric.

    """

    scale: str
    falls: bool = False
    hub: str = ""


_SHARES: Final = (
    "accuracy", "balanced_accuracy", "macro_f1", "macro_precision", "macro_recall", "micro_f1",
    "micro_precision", "micro_recall", "precision", "recall", "f1", "roc_auc", "pr_auc",
    "subset_accuracy", "jaccard", "ranking_average_precision", "entity_f1", "entity_precision",
    "entity_recall", "entity_f1_lenient", "entity_precision_lenient", "entity_recall_lenient",
    "macro_entity_f1", "token_accuracy", "exact_match", "normalised_match", "has_answer_f1",
    "has_answer_exact_match", "no_answer_accuracy", "no_answer_f1", "rouge_1", "rouge_2",
    "rouge_l", "mrr", "accuracy_at_1", "masked_accuracy", "masked_token_accuracy",
    "next_sentence_accuracy", "preference_accuracy", "likelihood_accuracy", "reference_accuracy",
    "row_score", "score", "selection_rate", "true_positive_rate",
    "subgroup_auc", "bpsn_auc", "bnsp_auc", "demographic_parity",
    "equal_opportunity", "equalized_odds", "predictive_parity", "treatment_equality",
    "false_negative_share", "same_predictions", "pass_rate", "agreement", "comprehensiveness",
    "rationale_auc", "coverage", "set_coverage", "auroc", "flagged",
)  # fmt: skip
_FALLING_SHARES: Final = (
    "brier", "hamming_loss", "repetition", "flip_rate", "score_shift", "sufficiency",
    "selective_risk", "error_rate", "false_positive_rate", "answered",
)  # fmt: skip
# Shares as well, but they run from -1.
_CORRELATIONS: Final = (
    "matthews_correlation", "spearman", "r2", "mean_cosine", "cddpl", "accuracy_over_reference",
    "identity_words",
)  # fmt: skip
_HUB: Final = {
    "macro_f1": "f1", "micro_f1": "f1", "macro_precision": "precision",
    "micro_precision": "precision", "macro_recall": "recall", "micro_recall": "recall",
    "entity_f1": "seqeval", "macro_entity_f1": "seqeval", "entity_precision": "seqeval",
    "entity_recall": "seqeval",
    "entity_f1_lenient": "seqeval", "rouge_1": "rouge", "rouge_2": "rouge", "rouge_l": "rouge",
    "spearman": "spearmanr", "r2": "r_squared", "brier": "brier_score",
}  # fmt: skip
METRICS: Final[dict[str, Metric]] = {
    **{name: Metric(SHARE, hub=_HUB.get(name, "")) for name in _SHARES},
    **{name: Metric(SHARE, falls=True, hub=_HUB.get(name, "")) for name in _FALLING_SHARES},
    **{name: Metric("from -1 to 1", hub=_HUB.get(name, "")) for name in _CORRELATIONS},
    **{name: Metric(POINTS) for name in ("bleu", "chrf")},
    **{name: Metric("in the target's unit", falls=True) for name in ("mae", "rmse")},
    "randomisation_correlation": Metric("from -1 to 1", falls=True),
    "calibration_error": Metric("error", falls=True),
    "adaptive_calibration_error": Metric("error", falls=True),
    "log_loss": Metric("nats", falls=True),
    "bits_per_byte": Metric("bits", falls=True),
    "reward_margin": Metric("reward"),
    "kl_to_reference": Metric("nats a token", falls=True),
    "perplexity": Metric("perplexity", falls=True),
    "pseudo_perplexity": Metric("perplexity", falls=True),
    "pretraining_loss": Metric("loss", falls=True),
    "positive_aeg": Metric("from -0.5 to 0.5"),
    "negative_aeg": Metric("from -0.5 to 0.5"),
    "size_share": Metric("of the other's size", falls=True),
    "speed_up": Metric("times the other's speed"),
    "set_size": Metric("labels", falls=True),
    "length_ratio": Metric("of the target's length"),
}


def metric_of(name: str) -> Metric:
    """The metric that an estimate is of: ``slice.length.q1.chrf`` and ``chrf_gain`` are of chrf."""
    found = _listed(name)
    return METRICS[found] if found else Metric(scale=f"of {name.rpartition('.')[2]}")


def _listed(name: str) -> str:
    """The first part of a name that is a listed metric, whatever was made of it; else empty."""
    for part in name.split("."):
        for plain in (part, _stripped(part)):
            if plain in METRICS:
                return plain
    return ""


def _stripped(part: str) -> str:
    for ending in _BEHIND:
        part = part.removesuffix(ending)
    for start in _BEFORE:
        part = part.removeprefix(start)
    return part


def is_better_lower(name: str) -> bool:
    """Whether a lower number is better: of an error, a loss or a drop, not of a gain in it."""
    if name.endswith("_drop"):
        return True
    if name.startswith("fairness.") and name.endswith("_ratio"):  # of the least to the most group
        return False
    return metric_of(name).falls and not name.endswith(("_gain", "_gap", "_difference"))


def hub_name(name: str) -> str:
    """Hugging Face's name of a metric, given without its family."""
    return metric_of(name).hub or name

"""What models of each task type are measured by: names, ranges and better sides, without a number.

A gate is checked against these before anything runs. tests/unit/task_types/test_metrics.py holds
them against what evaluation makes of answers.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from infra.catalogue import Catalogue

Better = Literal["higher", "lower", "neither"]
# What a metric is made for: all rows together, each label, or each type of entity.
Each = Literal["", "label", "entity type"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of the answers to test rows.

    Attributes:
        name: as in ``quality.NAME``, and of one for each label as in ``quality.NAME.LABEL``.
        low: the least that it can be.
        high: the most.
        better: which side is better; neither of a ratio that should be near one.
        compared: whether it is compared with baseline and champion (``baseline.NAME_gain``).
        each: what it is made for, where that is not all rows together.

    """

    name: str
    low: float = 0.0
    high: float = 1.0
    better: Better = "higher"
    compared: bool = False
    each: Each = ""


def _shares(*names: str, each: Each = "") -> tuple[Metric, ...]:
    return tuple(Metric(name=name, each=each) for name in names)


def _compared(*names: str, high: float = 1.0) -> tuple[Metric, ...]:
    return tuple(Metric(name=name, high=high, compared=True) for name in names)


def _falling(*names: str, low: float = 0.0, high: float = 1.0) -> tuple[Metric, ...]:
    return tuple(Metric(name=name, low=low, high=high, better="lower") for name in names)


_BY_LABEL: Final = _shares("precision", "recall", "f1", each="label")
CLASSIFICATION: Final = (
    *_compared("macro_f1", "accuracy"),
    *_shares(
        "micro_f1", "balanced_accuracy", "macro_precision", "macro_recall", "roc_auc", "pr_auc"
    ),
    Metric(name="matthews_correlation", low=-1.0),
    *_falling("brier", "calibration_error", "adaptive_calibration_error"),
    *_falling("log_loss", high=math.inf),
    *_BY_LABEL,
)
MULTI_LABEL: Final = (
    *_compared("macro_f1", "micro_f1", "subset_accuracy"),
    *_shares(
        "macro_precision", "macro_recall", "micro_precision", "micro_recall", "jaccard",
        "ranking_average_precision",
    ),
    *_falling("hamming_loss"),
    *_BY_LABEL,
)  # fmt: skip
REGRESSION: Final = (
    Metric(name="rmse", high=math.inf, better="lower", compared=True),
    Metric(name="r2", low=-math.inf, compared=True),
    Metric(name="spearman", low=-1.0, compared=True),
    *_falling("mae", high=math.inf),
)
TAGGING: Final = (
    *_compared("entity_f1", "macro_entity_f1"),
    *_shares("entity_precision", "entity_recall", "token_accuracy"),
    *_shares("entity_f1_lenient", "entity_precision_lenient", "entity_recall_lenient"),
    *_shares("entity_f1", "entity_precision", "entity_recall", each="entity type"),
)
QUESTION_ANSWERING: Final = (
    *_compared("f1", "exact_match"),
    *_shares("has_answer_f1", "has_answer_exact_match", "no_answer_accuracy", "no_answer_f1"),
)
RELATION_EXTRACTION: Final = (
    *_compared("micro_f1", "macro_f1"),
    *_shares("micro_precision", "micro_recall", "macro_precision", "macro_recall", "accuracy"),
    *_falling("brier", "calibration_error", "adaptive_calibration_error"),
    *_falling("log_loss", high=math.inf),
    *_BY_LABEL,
)
_WRITTEN: Final = (
    Metric(name="length_ratio", high=math.inf, better="neither"),
    *_falling("repetition"),
)
TRANSLATION: Final = (
    *_compared("chrf", "bleu", high=100.0),
    *_shares("rouge_1", "rouge_2", "rouge_l"),
    *_WRITTEN,
)
SUMMARISATION: Final = (
    *_compared("rouge_l", "rouge_1", "rouge_2"),
    Metric(name="chrf", high=100.0),
    Metric(name="bleu", high=100.0),
    *_WRITTEN,
)
SENTENCE_EMBEDDING: Final = (
    *_compared("mrr", "accuracy_at_1"),
    Metric(name="mean_cosine", low=-1.0),
)
CAUSAL_LM: Final = (
    Metric(name="bits_per_byte", high=math.inf, better="lower", compared=True),
    *_falling("perplexity", low=1.0, high=math.inf),
)
CHAT: Final = (
    *CAUSAL_LM,
    *_compared("exact_match", "normalised_match"),
    *_compared("chrf", high=100.0),
    *_compared("rouge_1", "rouge_2", "rouge_l"),
)
PREFERENCE: Final = (
    *_compared("preference_accuracy"),
    *_shares("likelihood_accuracy", "reference_accuracy"),
    Metric(name="accuracy_over_reference", low=-1.0),
    Metric(name="reward_margin", low=-math.inf, high=math.inf),
    *_falling("kl_to_reference", high=math.inf),
)
MASKED_LM: Final = (
    *_compared("masked_accuracy"),
    *_shares("masked_token_accuracy"),
    *_falling("pseudo_perplexity", low=1.0, high=math.inf),
)
NEXT_SENTENCE: Final = (*_compared("next_sentence_accuracy"), *MASKED_LM)

METRICS: Final[Catalogue[tuple[Metric, ...]]] = Catalogue(
    chosen_by="task_type",
    group="assayline.task_types",
    part="metrics",
    entries={
        "classification": "tasks.task_types.metrics:CLASSIFICATION",
        "multi_label": "tasks.task_types.metrics:MULTI_LABEL",
        "regression": "tasks.task_types.metrics:REGRESSION",
        "tagging": "tasks.task_types.metrics:TAGGING",
        "question_answering": "tasks.task_types.metrics:QUESTION_ANSWERING",
        "relation_extraction": "tasks.task_types.metrics:RELATION_EXTRACTION",
        "translation": "tasks.task_types.metrics:TRANSLATION",
        "summarisation": "tasks.task_types.metrics:SUMMARISATION",
        "sentence_embedding": "tasks.task_types.metrics:SENTENCE_EMBEDDING",
        "chat": "tasks.task_types.metrics:CHAT",
        "preference": "tasks.task_types.metrics:PREFERENCE",
        "causal_lm": "tasks.task_types.metrics:CAUSAL_LM",
        "masked_lm": "tasks.task_types.metrics:MASKED_LM",
        "next_sentence": "tasks.task_types.metrics:NEXT_SENTENCE",
    },
)


def metrics_of(task_type: str) -> tuple[Metric, ...] | None:
    """What models of a task type are measured by; None where its distribution does not say.

    Raises:
        SettingsError: what its entry point names cannot be loaded.

    """
    return METRICS.load(task_type) if METRICS.names_part(task_type) else None

"""Which fast tests each module of numbers is held to, those of the module itself first."""

_UNIT = "tests/unit"
_FAIRNESS = f"{_UNIT}/fairness"
_GAPS = (f"{_FAIRNESS}/test_rates_and_gaps.py", f"{_FAIRNESS}/test_assessment.py")
_EVALUATION = f"{_UNIT}/evaluation"
_KINDS = f"{_UNIT}/task_types"
_LABELS = "tasks/task_types/labels"
_LANGUAGE = "tasks/task_types/language_models"

TARGETS: dict[str, tuple[str, ...]] = {
    "tasks/resampling.py": (f"{_UNIT}/test_resampling.py", f"{_FAIRNESS}/test_disparities.py"),
    "tasks/resampling_units.py": (
        f"{_UNIT}/test_resampling_units.py",
        f"{_EVALUATION}/test_intervals.py",
    ),
    "tasks/verdicts.py": (f"{_UNIT}/test_verdicts.py", f"{_UNIT}/test_resampling.py"),
    "tasks/task_types/measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_EVALUATION}/test_metrics.py",
        f"{_EVALUATION}/test_intervals.py",
    ),
    f"{_LABELS}/classification_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_EVALUATION}/test_metrics.py",
        f"{_EVALUATION}/test_comparators.py",
        f"{_KINDS}/test_classification.py",
    ),
    f"{_LABELS}/confusion.py": (
        f"{_KINDS}/test_confusion.py",
        f"{_KINDS}/test_measures.py",
        f"{_EVALUATION}/test_metrics.py",
    ),
    f"{_LABELS}/ranking.py": (
        f"{_KINDS}/test_ranking.py",
        f"{_KINDS}/test_measures.py",
        f"{_EVALUATION}/test_metrics.py",
    ),
    f"{_LABELS}/calibration.py": (
        f"{_KINDS}/test_calibration.py",
        f"{_KINDS}/test_measures.py",
        f"{_EVALUATION}/test_metrics.py",
    ),
    f"{_LABELS}/multi_label_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_multi_label.py",
    ),
    f"{_LABELS}/regression_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_regression.py",
    ),
    "tasks/task_types/generation/generation_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_generation_measures.py",
    ),
    f"{_LANGUAGE}/answer_measures.py": (f"{_KINDS}/test_measures.py", f"{_KINDS}/test_chat.py"),
    f"{_LANGUAGE}/language_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_causal_lm.py",
    ),
    f"{_LANGUAGE}/masked_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_masked_lm.py",
    ),
    f"{_LANGUAGE}/pair_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_next_sentence.py",
    ),
    "tasks/task_types/questions/question_answering_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_question_answering.py",
    ),
    "tasks/task_types/tags/tagging_measures.py": (
        f"{_KINDS}/test_measures.py",
        f"{_KINDS}/test_tagging.py",
    ),
    "tasks/evaluation/intervals.py": (
        f"{_EVALUATION}/test_quantities.py",
        f"{_EVALUATION}/test_intervals.py",
        f"{_EVALUATION}/test_comparison.py",
    ),
    "tasks/evaluation/comparison.py": (f"{_EVALUATION}/test_comparison.py",),
    "tasks/evaluation/slices.py": (f"{_EVALUATION}/test_slices.py",),
    "tasks/evaluation/slice_search.py": (f"{_EVALUATION}/test_slices.py",),
    "tasks/evaluation/slice_results.py": (f"{_EVALUATION}/test_slices.py",),
    "tasks/fairness/rates.py": _GAPS,
    "tasks/fairness/gaps.py": _GAPS,
    "tasks/fairness/disparities.py": (f"{_FAIRNESS}/test_disparities.py", *_GAPS),
    "tasks/fairness/group_rates.py": _GAPS,
    "tasks/fairness/calibration.py": (f"{_FAIRNESS}/test_calibration.py", _GAPS[1]),
    "tasks/fairness/rankings.py": (f"{_FAIRNESS}/test_subgroup_auc.py", _GAPS[1]),
    "tasks/fairness/subgroup_auc.py": (f"{_FAIRNESS}/test_subgroup_auc.py",),
    "tasks/fairness/row_scores.py": (f"{_FAIRNESS}/test_row_scores.py",),
    "tasks/fairness/counterfactuals.py": (f"{_FAIRNESS}/test_counterfactuals.py",),
    "tasks/registry/policy.py": (f"{_UNIT}/registry/test_policy.py",),
    "tasks/registry/transitions.py": (f"{_UNIT}/registry/test_transitions.py",),
    "tasks/registry/latency.py": (f"{_UNIT}/registry/test_latency.py",),
    "tasks/representation/measures.py": (f"{_UNIT}/representation/test_measures.py",),
}

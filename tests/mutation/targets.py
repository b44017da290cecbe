"""Which fast tests each module of numbers is held to: files, and options of pytest."""

_UNIT = "tests/unit"
_FAIRNESS = f"{_UNIT}/fairness"
_EVALUATION = f"{_UNIT}/evaluation"
_KINDS = f"{_UNIT}/task_types"
_LABELS = "tasks/task_types/labels"
_LANGUAGE = "tasks/task_types/language_models"
_MEASURES = f"{_KINDS}/test_measures.py"
_SUMMED = f"{_KINDS}/test_language_measures.py"
_GAPS = (
    f"{_FAIRNESS}/test_group_rates.py",
    f"{_FAIRNESS}/test_disparities.py",
    f"{_FAIRNESS}/test_rates_and_gaps.py",
    "-k",
    "not cover and not any_rows and not 9-0",
)
_SLICES = (f"{_EVALUATION}/test_slice_search.py", f"{_EVALUATION}/test_slices.py")
# Of tests of task types those that train no model and start no server.
_UNTRAINED = ("-k", "not trained and not training and not served")
_TRANSITIONS = (
    f"{_UNIT}/registry/test_transitions.py",
    f"{_UNIT}/registry/test_line_state.py",
)

TARGETS: dict[str, tuple[str, ...]] = {
    "tasks/resampling.py": (f"{_UNIT}/test_resampling.py",),
    "tasks/resampling_units.py": (
        f"{_UNIT}/test_resampling_units.py",
        f"{_EVALUATION}/test_intervals.py",
    ),
    "tasks/verdicts.py": (f"{_UNIT}/test_verdicts.py",),
    "tasks/task_types/measures.py": (_MEASURES, f"{_EVALUATION}/test_metrics.py"),
    f"{_LABELS}/classification_measures.py": (
        f"{_KINDS}/test_classification_measures.py",
        _MEASURES,
    ),
    f"{_LABELS}/confusion.py": (
        f"{_KINDS}/test_confusion.py",
        _MEASURES,
        f"{_EVALUATION}/test_metrics.py",
    ),
    f"{_LABELS}/ranking.py": (
        f"{_KINDS}/test_ranking.py",
        _MEASURES,
        f"{_EVALUATION}/test_metrics.py",
    ),
    f"{_LABELS}/calibration.py": (f"{_KINDS}/test_calibration.py", _MEASURES),
    f"{_LABELS}/multi_label_measures.py": (
        _MEASURES,
        f"{_KINDS}/test_multi_label.py",
        *_UNTRAINED,
    ),
    f"{_LABELS}/regression_measures.py": (_MEASURES, f"{_KINDS}/test_regression.py", *_UNTRAINED),
    "tasks/task_types/relations/relation_measures.py": (
        _MEASURES,
        f"{_KINDS}/test_relation_extraction.py",
        "-k",
        "measure or metrics or rows or unit or closed or alike or direction",
    ),
    "tasks/task_types/generation/generation_measures.py": (
        _MEASURES,
        f"{_KINDS}/test_generation_measures.py",
    ),
    f"{_LANGUAGE}/answer_measures.py": (
        _SUMMED,
        _MEASURES,
        f"{_KINDS}/test_chat.py",
        "-k",
        "measures or chrf or compared",
    ),
    f"{_LANGUAGE}/language_measures.py": (
        _SUMMED,
        _MEASURES,
        f"{_KINDS}/test_causal_lm.py",
        *_UNTRAINED,
    ),
    f"{_LANGUAGE}/preference/preference_measures.py": (
        f"{_KINDS}/test_preference.py",
        "-k",
        "right or baseline or rewards",
    ),
    f"{_LANGUAGE}/masked_measures.py": (
        _SUMMED,
        _MEASURES,
        f"{_KINDS}/test_masked_lm.py",
        *_UNTRAINED,
    ),
    f"{_LANGUAGE}/pair_measures.py": (
        _SUMMED,
        _MEASURES,
        f"{_KINDS}/test_next_sentence.py",
        *_UNTRAINED,
    ),
    "tasks/task_types/questions/question_answering_measures.py": (
        _MEASURES,
        f"{_KINDS}/test_question_answering.py",
        *_UNTRAINED,
    ),
    "tasks/task_types/tags/tagging_measures.py": (
        _MEASURES,
        f"{_KINDS}/test_tagging.py",
        *_UNTRAINED,
    ),
    "tasks/evaluation/intervals.py": (
        f"{_EVALUATION}/test_quantities.py",
        f"{_EVALUATION}/test_intervals.py",
    ),
    "tasks/evaluation/comparison.py": (f"{_EVALUATION}/test_comparison.py",),
    "tasks/evaluation/slices.py": _SLICES,
    "tasks/evaluation/slice_search.py": _SLICES,
    "tasks/evaluation/slice_results.py": _SLICES,
    "tasks/fairness/rates.py": _GAPS,
    "tasks/fairness/gaps.py": _GAPS,
    "tasks/fairness/disparities.py": _GAPS,
    "tasks/fairness/group_rates.py": _GAPS,
    "tasks/fairness/calibration.py": (f"{_FAIRNESS}/test_calibration.py",),
    "tasks/fairness/rankings.py": (f"{_FAIRNESS}/test_subgroup_auc.py",),
    "tasks/fairness/subgroup_auc.py": (f"{_FAIRNESS}/test_subgroup_auc.py",),
    "tasks/fairness/row_scores.py": (f"{_FAIRNESS}/test_row_scores.py",),
    "tasks/fairness/counterfactuals.py": (f"{_FAIRNESS}/test_counterfactuals.py",),
    "tasks/registry/policy.py": (f"{_UNIT}/registry/test_policy.py",),
    "tasks/registry/transitions.py": _TRANSITIONS,
    "tasks/registry/line_state.py": _TRANSITIONS,
    "tasks/registry/outcomes.py": _TRANSITIONS,
    "tasks/registry/latency.py": (f"{_UNIT}/registry/test_latency.py",),
    "tasks/canary/sequential.py": (f"{_UNIT}/canary/test_sequential.py",),
    "tasks/canary/tallies.py": (f"{_UNIT}/canary/test_tallies.py",),
    "tasks/representation/measures.py": (f"{_UNIT}/representation/test_measures.py",),
}

"""Which world shows each way in which an interval is made, and each family of gates.

`tests/unit/test_simulated_estimators.py` reads the code and holds the two tables against it: a
function that makes an interval, or a family of gates, that stands in none of them turns it red.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

# Calls that make an interval, or a metric from which one is made.
MAKERS = frozenset(
    {
        "Estimate", "Largest", "Measure", "Quantity", "answered", "estimate_from_draws",
        "estimate_of_proportion", "exact", "exact_ladder", "gain_of", "ladder_around", "level_of",
        "levels", "macro_area", "mean_of", "mean_of_some", "negated", "of_sums", "ratio_of",
        "ratio_of_sums", "tail_quantiles", "unbounded_ratio",
    }
)  # fmt: skip

# World and estimate, by the function that makes the interval.
SHOWN_BY: Mapping[str, tuple[str, str]] = {
    "drift.domain_classifier.measure_domains": ("drift, classifier, 100 rows", "drift.effect"),
    "drift.embeddings.measure_embeddings": ("drift, embeddings, 300 rows", "drift.effect"),
    "drift.labels.measure_labels": (
        "shift: 300 test rows, 900 of training", "shift.test.label_shares",
    ),
    "drift.lengths.measure_lengths": (
        "shift: 300 test rows, 900 of training", "shift.test.text_length",
    ),
    "drift.lengths.measure_lengths_by_cluster": (
        "drift, lengths, 60 authors of 10", "drift.effect",
    ),
    "drift.unknown_tokens.measure_unknown": ("drift, unknown, most rows kept", "drift.effect"),
    "drift.words.measure_vocabulary": (
        "shift: 300 test rows, 900 of training", "shift.test.vocabulary",
    ),
    "evaluation.behaviour.pass_rates": (
        "suite of 30 rows, 0.9 pass", "behaviour.suite.negation.pass_rate",
    ),
    "evaluation.behaviour._of_clusters": (
        "suite of 20 templates of 10, 0.8 pass, alike by 0.3", "behaviour.suite.negation.pass_rate",
    ),
    "evaluation.comparison._gains": ("written: 120 texts", "champion.chrf_gain"),
    "evaluation.comparison._own_levels": ("written: 120 texts", "champion.chrf"),
    "evaluation.comparison._ratios": ("written: 120 texts", "champion.chrf_ratio"),
    "evaluation.fresh._of_part": ("fresh: 30% of 400 rows", "fresh.macro_f1"),
    "evaluation.golden.measure_golden": ("golden: 120 rows", "golden.team.macro_f1"),
    "evaluation.intervals._estimate": ("five even labels, 625 rows", "quality.macro_f1"),
    "evaluation.intervals.closed_form": ("a share of 0.9825, 209 rows", "quality.accuracy"),
    "evaluation.intervals.gain_of": (
        "gain -0.02 over 100 rows, 0.02 better", "champion.macro_f1_gain",
    ),
    "evaluation.intervals.level_of": ("40 clusters of 15 rows", "quality.macro_f1"),
    "evaluation.intervals.levels": ("five even labels, 625 rows", "quality.macro_f1"),
    "evaluation.intervals.ratio_of": (
        "gain -0.02 over 100 rows, 0.02 better", "champion.macro_f1_ratio",
    ),
    "evaluation.recipe.recipe_metric": (
        "5 seeds that differ by 0.1, 600 rows", "recipe.accuracy",
    ),
    "evaluation.slice_calibration.measure_slice_calibration": (
        "confidence: 0.1 too much, 300 rows", "slice.part.a.overconfidence",
    ),
    "evaluation.slice_results._gap": (
        "worst slice of parts: 0.7 and 0.9, 400 rows", "slice.worst_found.score_gap",
    ),
    "evaluation.slice_results.measure_slices": (
        "slices: 0.8 and 0.9, 300 rows", "slice.part.a.macro_f1",
    ),
    "fairness.calibration.error_of_group": (
        "calibration of a group: 400 rows", "fairness.x.calibration_error.g0",
    ),
    "fairness.calibration.largest_error": (
        "calibration of a group: 400 rows", "fairness.x.worst_group_calibration_error",
    ),
    "fairness.calibration.largest_gap": (
        "calibration of a group: 400 rows", "fairness.x.calibration_error_difference",
    ),
    "fairness.conditional_disparity.disparity_estimates": (
        "unlike errors, 40 authors of 20 by cluster", "fairness.x.largest_cddpl",
    ),
    "fairness.counterfactuals._mean": (
        "flips of 1.75% of 209 rows", "counterfactual.w.score_shift",
    ),
    "fairness.counterfactuals._share": (
        "default policy: flips of 0.05 over 86 rows", "counterfactual.words.flip_rate",
    ),
    "fairness.disparities.LargestDifference.__init__": (
        "two attributes at once: 400 rows", "fairness.g+h.accuracy_difference",
    ),
    "fairness.disparities.SmallestRatio.__init__": (
        "two attributes at once: 400 rows", "fairness.g+h.accuracy_ratio",
    ),
    "fairness.disparities.SmallestRatio.estimate": (
        "unlike errors, 40 authors of 20 by row", "fairness.x.treatment_equality_ratio",
    ),
    "fairness.disparities.WorstGroup.__init__": (
        "two attributes at once: 400 rows", "fairness.g+h.worst_group_accuracy",
    ),
    "fairness.disparities.WorstGroup.estimate": (
        "numbers of a group: 300 rows", "fairness.x.worst_group_f1",
    ),
    "fairness.disparities._outwards": (
        "women alone 0.80 of 41 rows", "fairness.gender_exclusive.accuracy_difference",
    ),
    "fairness.group_rates._accuracy_gap": (
        "numbers of a group: 300 rows", "fairness.x.accuracy_gap.g0",
    ),
    "fairness.group_rates._add_drawn": ("numbers of a group: 300 rows", "fairness.x.f1.g0.yes"),
    "fairness.group_rates._own_estimates": (
        "numbers of a group: 300 rows", "fairness.x.precision.g0.yes",
    ),
    "fairness.rankings._over_groups": (
        "ranking of 40 authors of 12 by row", "fairness.x.bpsn_auc_mean.yes",
    ),
    "fairness.rankings._subgroup": (
        "ranking of 40 authors of 12 by cluster", "fairness.x.bpsn_auc.g0.yes",
    ),
    "fairness.rates.exact_ends": (
        "gap 0.10 of 300 rows a group", "fairness.x.accuracy_difference",
    ),
    "fairness.row_scores._group": (
        "row scores of a group: 200 rows, alike by 4", "fairness.x.row_score_gap.g0",
    ),
    "label_checks.confident_learning.error_shares": (
        "labels: 0.1 wrong of 20 clusters of 10 a label", "labels.error_share.a",
    ),
    "label_checks.spurious._estimate": (
        "labels: a word with 0.7 and 0.3 of 40 authors of 8 held out",
        "labels.predictor.information",
    ),
    "label_checks.spurious._largest": (
        "labels: a word with 0.7 and 0.3 of 40 authors of 8 held out",
        "labels.spurious_correlation",
    ),
    "registry.latency.latency_p95": ("latency of 100 requests", "staging.latency_p95_ms"),
    "representation.associations.mutual_information": (
        "associations: 60 authors of 10", "representation.gender.she.yes",
    ),
    "resampling.Largest.add": (
        "row scores of a group: 200 rows, alike by 4", "fairness.x.row_score_difference",
    ),
    "resampling.Largest.estimate": (
        "row scores of a group: 200 rows, alike by 4", "fairness.x.row_score_ratio",
    ),
    "resampling.estimate_from_draws": (
        "row scores of a group: 200 rows, alike by 4", "fairness.x.row_score.g0",
    ),
    "resampling.estimate_of_proportion": (
        "numbers of a group: 300 rows", "fairness.x.selection_rate.g0.yes",
    ),
    "resampling.exact_ladder": ("a share of 0.9825, 209 rows", "quality.accuracy"),
    "resampling.negated": ("two attributes at once: 400 rows", "fairness.g+h.worst_group_accuracy"),
    "task_types.embeddings.retrieval_measures.measure_ranks": (
        "retrieval: 120 texts", "quality.mrr",
    ),
    "task_types.generation.generation_measures._bleu": ("written: 120 texts", "quality.bleu"),
    "task_types.generation.generation_measures._chrf": ("written: 120 texts", "quality.chrf"),
    "task_types.generation.generation_measures._repetition": (
        "written: 120 texts", "quality.repetition",
    ),
    "task_types.generation.generation_measures.length_ratio": (
        "length ratio of 300 texts", "quality.length_ratio",
    ),
    "task_types.generation.generation_measures.measure_texts": (
        "written: 120 texts", "quality.rouge_l",
    ),
    "task_types.labels.calibration.calibration_error": (
        "temperature of 100 validation rows, 300 test rows", "quality.calibration_error",
    ),
    "task_types.labels.calibration.probability_measures": (
        "overconfident, 200 rows", "quality.log_loss",
    ),
    "task_types.labels.confusion._share": (
        "rare labels: 1 of 5 rows, told 0.8, among 600", "quality.recall.label 0",
    ),
    "task_types.labels.confusion.overall_measures": (
        "a label of 3%, 600 rows", "quality.balanced_accuracy",
    ),
    "task_types.labels.multi_label_measures._macro_measures": (
        "label sets: 200 rows", "quality.macro_f1",
    ),
    "task_types.labels.multi_label_measures._micro_measures": (
        "label sets: 200 rows", "quality.micro_f1",
    ),
    "task_types.labels.multi_label_measures._share": ("label sets: 200 rows", "quality.f1.d"),
    "task_types.labels.multi_label_measures.measure_label_sets": (
        "label sets: 200 rows", "quality.jaccard",
    ),
    "task_types.labels.ranking.macro_area": ("areas: two classes, 150 rows", "quality.roc_auc"),
    "task_types.labels.ranking.ranking_measures": (
        "areas: three classes, 300 rows", "quality.pr_auc",
    ),
    "task_types.labels.regression_measures.measure_predictions.measure": (
        "numbers: 120 rows", "quality.r2",
    ),
    "task_types.labels.regression_measures.spearman": ("numbers: 120 rows", "quality.spearman"),
    "task_types.language_models.answer_measures._mean_of_answered": (
        "chat: 120 turns, a fifth without an answer", "quality.normalised_match",
    ),
    "task_types.language_models.answer_measures.answer_chrf": (
        "chat: 120 turns, a fifth without an answer", "quality.chrf",
    ),
    "task_types.language_models.language_measures.bits_per_byte": (
        "likelihood: 200 texts", "quality.bits_per_byte",
    ),
    "task_types.language_models.language_measures.perplexity": (
        "perplexity of 300 texts", "quality.perplexity",
    ),
    "task_types.language_models.masked_measures.share_of": (
        "hidden words: 150 rows", "quality.masked_accuracy",
    ),
    "task_types.measures.mean_of": ("overconfident, 200 rows", "quality.brier"),
    "task_types.measures.mean_of_some": ("own metrics: 200 rows", "quality.polarity"),
    "task_types.measures.of_sums": ("five even labels, 625 rows", "quality.macro_f1"),
    "task_types.measures.ratio_of_sums": ("tags: 120 sentences", "quality.entity_f1"),
    "task_types.measures.unbounded_ratio": ("own metrics: 200 rows", "quality.seconds"),
    "task_types.questions.question_answering_measures._no_answer_f1": (
        "questions: 150, three in ten without an answer", "quality.no_answer_f1",
    ),
    "task_types.questions.question_answering_measures._ratio": (
        "questions: 150, three in ten without an answer", "quality.has_answer_f1",
    ),
    "task_types.questions.question_answering_measures.measure_answers": (
        "questions: 150, three in ten without an answer", "quality.f1",
    ),
    "task_types.tags.tagging_measures._macro": ("tags: 120 sentences", "quality.macro_entity_f1"),
    "task_types.tags.tagging_measures._of_spans": ("tags: 120 sentences", "quality.entity_f1"),
    "task_types.tags.tagging_measures._token_accuracy": (
        "tags: 120 sentences", "quality.token_accuracy",
    ),
}  # fmt: skip
# Why others have no world of their own.
NOT_SHOWN: Mapping[str, str] = {
    "drift.measurement.Question.of_same_rows": "both sides hold the same rows: no sampling error",
    "evaluation.evaluation.evaluate_weights": "hands metrics to `levels`, and adds the others here",
    "monitoring.labelled_rows._measure": "hands metrics to `levels` and groups to their rates",
    "monitoring.predictions._of_confidence": "as lengths of drift; years of it: monitor_worlds.py",
    "monitoring.predictions._of_labels": "as labels of drift; years of it: monitor_worlds.py",
    "registry.staging._measure": "sizes and seconds as they were measured: no interval",
    "registry.staging.same_predictions": "counts fixed rows: no sampling error",
    "task_types.own_metrics._measure": "hands given scores to `mean_of_some` or `unbounded_ratio`",
    "verdicts.exact": "what has no sampling error",
    "verdicts.undetermined": "what is not told",
}
# World and estimate, by family of gates.
FAMILIES: Mapping[str, tuple[str, str]] = {
    "quality": ("five even labels, 625 rows", "quality.macro_f1"),
    "champion": ("gain -0.02 over 625 rows", "champion.accuracy_gain"),
    # One function compares with all other models; years of anchors are in creep_worlds.py.
    "anchor": ("written: 120 texts", "champion.chrf_gain"),
    "baseline": ("written: 120 texts", "champion.chrf_gain"),
    "recipe": ("5 seeds that differ by 0.1, 600 rows", "recipe.accuracy"),
    "fresh": ("fresh: 30% of 400 rows", "fresh.macro_f1_gain"),
    "golden": ("golden: 60 authors of 6", "golden.team.macro_f1_gain"),
    "behaviour": (
        "suite of 20 templates of 10, 0.8 pass, alike by 0.3", "behaviour.suite.negation.pass_rate",
    ),
    "labels": (
        "labels: a word with 0.7 and 0.3 of 40 authors of 8 held out",
        "labels.spurious_correlation",
    ),
    "slice": ("worst slice of words and parts: 0.85 and 0.85, 100 authors of 6",
              "slice.worst_found.score_gap"),
    "fairness": (
        "women alone 0.80 of 41 rows", "fairness.gender_exclusive.accuracy_difference",
    ),
    "counterfactual": (
        "default policy: flips of 0.05 over 86 rows", "counterfactual.words.flip_rate",
    ),
    "staging": ("latency of 100 requests", "staging.latency_p95_ms"),
}  # fmt: skip


def makers_of_intervals(tasks: Path) -> set[str]:
    """Functions below a folder that make an interval themselves, named from the folder down."""
    return {
        name
        for path in tasks.rglob("*.py")
        for name, function in _functions(
            ast.parse(path.read_text()), ".".join(path.relative_to(tasks).with_suffix("").parts)
        )
        if MAKERS.intersection(_calls(function))
    }


def _functions(node: ast.AST, within: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{within}.{child.name}"
            if isinstance(child, ast.FunctionDef):
                yield name, child
            yield from _functions(child, name)


def _calls(node: ast.AST) -> Iterator[str]:
    """Names that a function calls; not what functions within it call."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        if isinstance(child, ast.Call):
            if isinstance(child.func, ast.Name):
                yield child.func.id
            elif isinstance(child.func, ast.Attribute) and child.func.attr == "answered":
                yield "answered"
        yield from _calls(child)

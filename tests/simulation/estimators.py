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
        "estimate_from_two_draws", "estimate_of_proportion", "exact", "exact_ladder", "gain_of",
        "ladder_around", "level_of", "levels", "macro_area", "mean_of", "mean_of_some", "negated",
        "of_sums", "ratio_of", "ratio_of_sums", "tail_quantiles", "unbounded_ratio",
    }
)  # fmt: skip

# By world, the functions whose interval it shows, each with the estimate that has it.
SHOWS: Mapping[str, Mapping[str, str]] = {
    "40 clusters of 15 rows": {"evaluation.intervals.level_of": "quality.macro_f1"},
    "5 seeds that differ by 0.1, 600 rows": {"evaluation.recipe.recipe_metric": "recipe.accuracy"},
    "a label of 3%, 600 rows": {
        "task_types.labels.confusion.overall_measures": "quality.balanced_accuracy",
    },
    "a share of 0.9825, 209 rows": {
        "evaluation.intervals.closed_form": "quality.accuracy",
        "resampling.exact_ladder": "quality.accuracy",
    },
    "abstention: 300 rows, 0.3 of a group that is less sure": {
        "abstention.measuring._of_part": "abstention.x.coverage_gap.g",
        "abstention.measuring._overall": "abstention.selective_risk",
        "abstention.measuring._share": "abstention.error_rate",
        "abstention.measuring._sizes": "abstention.set_size",
    },
    "answers: 425 held out, 2000 in a window": {
        "monitoring.predictions._of_numbers": "predictions.confidence",
        "monitoring.predictions._of_labels": "predictions.label_shares",
    },
    "areas: three classes, 300 rows": {
        "task_types.labels.ranking.ranking_measures": "quality.pr_auc",
    },
    "areas: two classes, 150 rows": {"task_types.labels.ranking.macro_area": "quality.roc_auc"},
    "associations: 60 authors of 10": {
        "representation.associations.mutual_information": "representation.gender.she.yes",
        "resampling.estimate_from_two_draws": "representation.gender.she.yes",
    },
    "calibration of a group: 400 rows": {
        "fairness.calibration.error_of_group": "fairness.x.calibration_error.g0",
        "fairness.calibration.largest_error": "fairness.x.worst_group_calibration_error",
        "fairness.calibration.largest_gap": "fairness.x.calibration_error_difference",
    },
    "chat: 120 turns, a fifth without an answer": {
        "task_types.language_models.answer_measures._mean_of_answered": "quality.normalised_match",
        "task_types.language_models.answer_measures.answer_chrf": "quality.chrf",
    },
    "compression, groups: 240 rows, lost 0 and 0.05": {
        "fairness.group_gains._gain": "uncompressed.x.row_score_gain.g1",
    },
    "compression, slices: 240 rows, lost 0 and 0.05": {
        "evaluation.slice_results.slice_gains": "uncompressed.slice.part.b.row_score_gain",
    },
    "confidence: 0.1 too much, 300 rows": {
        "evaluation.slice_calibration.measure_slice_calibration": "slice.part.a.overconfidence",
    },
    "default policy: flips of 0.05 over 86 rows": {
        "fairness.counterfactuals._share": "counterfactual.words.flip_rate",
    },
    "canaries: 20, 0.3 learned": {
        "probes.memory.exposure.mean_estimate": "memory.canary_exposure",
    },
    "drift, classifier, 100 rows": {"drift.domain_classifier.measure_domains": "drift.effect"},
    "drift, embeddings, 300 rows": {"drift.embeddings.measure_embeddings": "drift.effect"},
    "drift, lengths, 60 authors of 10": {
        "drift.lengths.measure_lengths_by_cluster": "drift.effect",
    },
    "drift, unknown, most rows kept": {"drift.unknown_tokens.measure_unknown": "drift.effect"},
    "explanation: falls of 0.2 over 40 authors of 5": {
        "explanation.intervals.ExplainedRows.mean": "explanation.occlusion.comprehensiveness_gain",
    },
    "five even labels, 625 rows": {
        "evaluation.intervals._estimate": "quality.macro_f1",
        "evaluation.intervals.levels": "quality.macro_f1",
        "task_types.measures.of_sums": "quality.macro_f1",
    },
    "flips of 1.75% of 209 rows": {
        "fairness.counterfactuals._mean": "counterfactual.w.score_shift",
    },
    "fresh: 30% of 400 rows": {"evaluation.fresh._of_part": "fresh.macro_f1"},
    "gain -0.02 over 100 rows, 0.02 better": {
        "evaluation.intervals.gain_of": "champion.macro_f1_gain",
        "evaluation.intervals.ratio_of": "champion.macro_f1_ratio",
    },
    "gap 0.10 of 300 rows a group": {"fairness.rates.exact_ends": "fairness.x.accuracy_difference"},
    "golden: 120 rows": {"evaluation.golden.measure_golden": "golden.team.macro_f1"},
    "hidden words: 150 rows": {
        "task_types.language_models.masked_measures.share_of": "quality.masked_accuracy",
    },
    "label sets: 200 rows": {
        "task_types.labels.multi_label_measures._macro_measures": "quality.macro_f1",
        "task_types.labels.multi_label_measures._micro_measures": "quality.micro_f1",
        "task_types.labels.multi_label_measures._share": "quality.f1.d",
        "task_types.labels.multi_label_measures.measure_label_sets": "quality.jaccard",
    },
    "labels: 0.1 wrong of 20 clusters of 10 a label": {
        "label_checks.confident_learning.error_shares": "labels.error_share.a",
    },
    "labels: a word with 0.7 and 0.3 of 40 authors of 8 held out": {
        "label_checks.spurious._measure": "labels.predictor.information",
        "label_checks.spurious._largest": "labels.spurious_correlation",
    },
    "harm: 100 texts a group, 0.02 and 0.1 and 0.2": {
        "probes.shares.Texts._share": "harm.lexicon_rate",
    },
    "latency of 100 requests": {"registry.latency.latency_p95": "staging.latency_p95_ms"},
    "mitigation: a gap of 0.2 that is 0.05, 150 rows a group": {
        "fairness.gap_gains._gain": "unmitigated.x.accuracy_difference_gain",
        "fairness.paired_gaps._ladder": "unmitigated.x.accuracy_difference_gain",
        "fairness.paired_gaps._of_largest": "unmitigated.x.equal_opportunity_difference_gain",
    },
    "length ratio of 300 texts": {
        "task_types.generation.generation_measures.length_ratio": "quality.length_ratio",
    },
    "likelihood: 200 texts": {
        "task_types.language_models.language_measures.bits_per_byte": "quality.bits_per_byte",
    },
    "membership: 300 rows of a side, 0.3 apart": {
        "probes.memory.attacks.area_estimate": "memory.membership_auc",
        "probes.memory.attacks.tpr_estimate": "memory.tpr_at_1_fpr",
    },
    "numbers of a group: 300 rows": {
        "fairness.disparities.WorstGroup.estimate": "fairness.x.worst_group_f1",
        "fairness.group_rates._accuracy_gap": "fairness.x.accuracy_gap.g0",
        "fairness.group_rates._add_drawn": "fairness.x.f1.g0.yes",
        "fairness.group_rates._own_estimates": "fairness.x.precision.g0.yes",
        "resampling.estimate_of_proportion": "fairness.x.selection_rate.g0.yes",
    },
    "numbers: 120 rows": {
        "task_types.labels.regression_measures.measure_predictions.measure": "quality.r2",
        "task_types.labels.regression_measures.spearman": "quality.spearman",
    },
    "overconfident, 200 rows": {
        "task_types.labels.calibration.probability_measures": "quality.log_loss",
        "task_types.measures.mean_of": "quality.brier",
    },
    "own metrics: 200 rows": {
        "task_types.measures.mean_of_some": "quality.polarity",
        "task_types.measures.unbounded_ratio": "quality.seconds",
    },
    "perplexity of 300 texts": {
        "task_types.language_models.language_measures.perplexity": "quality.perplexity",
    },
    "preferences: 200 pairs": {
        "task_types.language_models.preference.preference_measures.measure_preferences": (
            "quality.preference_accuracy"
        ),
    },
    "questions: 150, three in ten without an answer": {
        "task_types.questions.question_answering_measures._no_answer_f1": "quality.no_answer_f1",
        "task_types.questions.question_answering_measures._ratio": "quality.has_answer_f1",
        "task_types.questions.question_answering_measures.measure_answers": "quality.f1",
    },
    "ranking of 40 authors of 12 by cluster": {
        "fairness.rankings._subgroup": "fairness.x.bpsn_auc.g0.yes",
    },
    "ranking of 40 authors of 12 by row": {
        "fairness.rankings._over_groups": "fairness.x.bpsn_auc_mean.yes",
    },
    "rare labels: 1 of 5 rows, told 0.8, among 600": {
        "task_types.labels.confusion._share": "quality.recall.label 0",
    },
    "relations: 200 pairs, 0.8 right": {
        "task_types.relations.relation_measures._macro": "quality.macro_f1",
        "task_types.relations.relation_measures._micro": "quality.micro_f1",
        "task_types.relations.relation_measures.relation_measures": "quality.micro_f1",
    },
    "retrieval: 120 texts": {
        "task_types.embeddings.retrieval_measures.measure_ranks": "quality.mrr",
    },
    "row scores of a group: 200 rows, alike by 4": {
        "fairness.row_scores._group": "fairness.x.row_score_gap.g0",
        "resampling.Largest.add": "fairness.x.row_score_difference",
        "resampling.Largest.estimate": "fairness.x.row_score_ratio",
        "resampling.estimate_from_draws": "fairness.x.row_score.g0",
    },
    "shift: 300 test rows, 900 of training": {
        "drift.labels.measure_labels": "shift.test.label_shares",
        "drift.lengths.measure_lengths": "shift.test.text_length",
        "drift.words.measure_vocabulary": "shift.test.vocabulary",
    },
    "slices: 0.8 and 0.9, 300 rows": {
        "evaluation.slice_results.measure_slices": "slice.part.a.macro_f1",
    },
    "stereotypes: 300 pairs": {
        "probes.language_bias.judging.share_measure": (
            "language_bias.crows_pairs.stereotype_preference"
        ),
    },
    "stereotypes: 40 templates of 25 questions, alike by 0.15": {
        "probes.language_bias.judging.mean_measure": "language_bias.bbq.accuracy_clear",
        "probes.language_bias.judging._bias_ambiguous": "language_bias.bbq.bias_ambiguous",
        "probes.language_bias.judging._bias_clear": "language_bias.bbq.bias_clear",
    },
    "stereotypes: 40 occupations of 10 sentences, alike by 0.15": {
        "probes.language_bias.pronoun_judging._gap": "language_bias.winobias.accuracy_gap",
    },
    "stereotypes: 60 targets of 8 sentences": {
        "probes.language_bias.judging._icat": "language_bias.stereoset.icat",
    },
    "suite of 20 templates of 10, 0.8 pass, alike by 0.3": {
        "evaluation.behaviour._of_clusters": "behaviour.suite.negation.pass_rate",
    },
    "suite of 30 rows, 0.9 pass": {
        "evaluation.behaviour.pass_rates": "behaviour.suite.negation.pass_rate",
    },
    "tags: 120 sentences": {
        "task_types.measures.ratio_of_sums": "quality.entity_f1",
        "task_types.tags.tagging_measures._macro": "quality.macro_entity_f1",
        "task_types.tags.tagging_measures._of_spans": "quality.entity_f1",
        "task_types.tags.tagging_measures._token_accuracy": "quality.token_accuracy",
    },
    "teacher: 0.95 alike of 209 rows": {
        "evaluation.agreement_and_cost.agreement": "teacher.agreement",
    },
    "teacher: 7 timings, 1.8 times": {
        "evaluation.timing.estimate_of_ratios": "teacher.speed_up",
    },
    "temperature of 100 validation rows, 300 test rows": {
        "task_types.labels.calibration.calibration_error": "quality.calibration_error",
    },
    "two attributes at once: 400 rows": {
        "fairness.disparities.LargestDifference.__init__": "fairness.g+h.accuracy_difference",
        "fairness.disparities.SmallestRatio.__init__": "fairness.g+h.accuracy_ratio",
        "fairness.disparities.WorstGroup.__init__": "fairness.g+h.worst_group_accuracy",
        "resampling.negated": "fairness.g+h.worst_group_accuracy",
    },
    "unlike errors, 40 authors of 20 by cluster": {
        "fairness.conditional_disparity.disparity_estimates": "fairness.x.largest_cddpl",
    },
    "unlike errors, 40 authors of 20 by row": {
        "fairness.disparities.SmallestRatio.estimate": "fairness.x.treatment_equality_ratio",
    },
    "women alone 0.80 of 41 rows": {
        "fairness.disparities._outwards": "fairness.gender_exclusive.accuracy_difference",
    },
    "worst slice of parts: 0.7 and 0.9, 400 rows": {
        "evaluation.slice_results._gap": "slice.worst_found.score_gap",
    },
    "written: 120 texts": {
        "evaluation.comparison._gains": "champion.chrf_gain",
        "evaluation.comparison._own_levels": "champion.chrf",
        "evaluation.comparison._ratios": "champion.chrf_ratio",
        "task_types.generation.generation_measures._bleu": "quality.bleu",
        "task_types.generation.generation_measures._chrf": "quality.chrf",
        "task_types.generation.generation_measures._repetition": "quality.repetition",
        "task_types.generation.generation_measures.measure_texts": "quality.rouge_l",
    },
}  # fmt: skip
# World and estimate, by the function that makes the interval.
SHOWN_BY: Mapping[str, tuple[str, str]] = {
    function: (world, estimate)
    for world, shown in SHOWS.items()
    for function, estimate in shown.items()
}
# Why others have no world of their own.
NOT_SHOWN: Mapping[str, str] = {
    "drift.measurement.Question.of_same_rows": "both sides hold the same rows: no sampling error",
    "evaluation.augmentation_gains._estimates": "hands metrics to `levels`, as golden sets do",
    "evaluation.base_models.choosing._behind": (
        "hands gains to `draw`, at a level for all pairs; test_recommendation.py has a world of it"
    ),
    "evaluation.base_models.choosing._judge": "hands metrics to `levels`",
    "evaluation.base_models.choosing._words": "hands a metric to `levels`",
    "evaluation.intervals.level": "hands one metric to `levels`",
    "evaluation.evaluation.evaluate_weights": "hands metrics to `levels`, and adds the others here",
    "evaluation.evaluation.privacy_of": "follows from noise and steps: no sampling error",
    "evaluation.validation_rows.evaluate_on_validation": "hands metrics to `levels`",
    "evaluation.validation_rows.time_beside": "hands paired timings to `estimate_of_ratios`",
    "evaluation.agreement_and_cost.size_share": "bytes of files: no sampling error",
    "fairness.gap_gains.gap_gains": "gaps of another model, under another name",
    "mitigation.removal._named_right": "hands a share to `estimate_of_proportion`",
    "monitoring.labelled_rows._measure": "hands metrics to `levels` and groups to their rates",
    "probes.leave_one_domain_out.measuring._Asked.told": "hands metrics to `levels`",
    "probes.robustness.judging.flips_and_shifts": "hands shares and means to `levels`",
    "probes.out_of_distribution.judging.judge_scores": "hands areas and shares to `levels`",
    "probes.out_of_distribution.judging.share_answered": "hands a share to `level`",
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
    "teacher": ("teacher: 0.9 alike of 40 authors of 8", "teacher.agreement"),
    "uncompressed": (
        "compression, groups: 800 rows, lost 0.01 and 0.1",
        "uncompressed.x.worst_group_row_score_gain",
    ),
    # One function tells the gains of groups over all other models.
    "unmitigated": (
        "compression, groups: 800 rows, lost 0.01 and 0.1",
        "uncompressed.x.worst_group_row_score_gain",
    ),
    # What golden sets are compared by compares with a model without new rows, too.
    "augmentation": ("golden: 60 authors of 6", "golden.team.macro_f1_gain"),
    "language_bias": (
        "stereotypes: 300 pairs", "language_bias.crows_pairs.stereotype_preference",
    ),
    "memory": ("membership: 300 rows of a side, 0.3 apart", "memory.tpr_at_1_fpr"),
    "harm": ("harm: 250 texts a group, 0.01 and 0.05", "harm.lexicon_rate"),
    # Rates are handed to `levels`, and drops are the gains of the rows as they are.
    "robustness": ("suite of 20 templates of 10, 0.8 pass, alike by 0.3",
                   "behaviour.suite.negation.pass_rate"),
    "explanation": (
        "explanation: falls of 0.2 over 150 rows", "explanation.occlusion.comprehensiveness_gain",
    ),
    "abstention": (
        "abstention: 300 rows, 0.3 of a group that is less sure", "abstention.selective_risk",
    ),
    # Drops are the gains of one model over another on the same rows.
    "leave_one_domain_out": ("golden: 60 authors of 6", "golden.team.macro_f1_gain"),
    # Areas are those of two classes, and shares are handed to `levels`.
    "out_of_distribution": ("areas: two classes, 150 rows", "quality.roc_auc"),
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

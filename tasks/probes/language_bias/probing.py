"""Ask a trained language model about published sentences and questions: a stage's function."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.errors import SettingsError
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.asking import (
    Scored,
    ScoredPronouns,
    score_answers,
    score_pairs,
    score_pronouns,
    score_triplets,
)
from tasks.probes.language_bias.completions import complete, judge_completions
from tasks.probes.language_bias.files import files_of_probes, read_probe
from tasks.probes.language_bias.judging import judge_pairs, judge_questions, judge_triplets
from tasks.probes.language_bias.pronoun_judging import judge_pronouns
from tasks.probes.language_bias.settings import LanguageBiasSettings
from tasks.records.data import SourceFile
from tasks.records.evaluation import Scores
from tasks.records.language_bias import (
    CROWS_PAIRS,
    STEREOSET,
    WINOBIAS,
    WINOGENDER,
    BiasExample,
    BiasProbe,
    LanguageBias,
)
from tasks.records.training import Weights
from tasks.task_types.text_likelihood import (
    TEXT_LIKELIHOODS,
    TextLikelihood,
    why_no_likelihood,
)
from tasks.verdicts import Estimate


def add_language_bias(
    scores: Scores,
    weights: Weights,
    files: Sequence[SourceFile],
    task_type: str,
    settings: LanguageBiasSettings,
    evaluation: EvaluationSettings,
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with language_bias.* of each probe.

    Args:
        scores: of the candidate.
        weights: the candidate.
        files: of the probes, as they were pinned.
        task_type: what the model is for.
        settings: of the probes.
        evaluation: how intervals are made.
        store: holds the artifacts.

    Raises:
        DataError: a file has not its layout, or changed.
        SettingsError: models of the task type give no likelihoods.
        StoreError: an artifact is missing.
        BaseModelError, TrainingError: the model cannot be asked, or its scores are no numbers.

    """
    if why := why_no_likelihood(task_type):
        raise SettingsError(f"probes.language_bias is not for task_type {task_type}: {why}")
    with tempfile.TemporaryDirectory(prefix="language-bias-") as name, quiet_transformers():
        folder = store.get_folder(weights.artifact, Path(name) / "model")
        model = TEXT_LIKELIHOODS.load(task_type).load(folder)
        probes = tuple(
            _probe(model, probe, named, settings, evaluation, store)
            for probe, named in files_of_probes(settings, files)
        )
    found = LanguageBias(model.rule, probes, on=datetime.now(UTC).date().isoformat())
    return replace(scores, estimates=(*scores.estimates, *found.estimates), language_bias=found)


def _probe(
    model: TextLikelihood,
    probe: str,
    files: Sequence[SourceFile],
    settings: LanguageBiasSettings,
    evaluation: EvaluationSettings,
    store: ObjectStore,
) -> BiasProbe:
    read = read_probe(probe, files, settings, store)
    items: list[Any] = list(read.items)
    if read.lexicon and settings.honest:
        completed = complete(model, items, settings.honest.top)
        told, shown = judge_completions(
            items, completed, read.lexicon, settings.min_rows, evaluation
        )
        return BiasProbe(
            probe, tuple(files), len(items), completed.left_out, tuple(told),
            completions=tuple(shown),
        )  # fmt: skip
    estimates: list[Estimate]
    examples: list[BiasExample]
    scored: Scored | ScoredPronouns
    if probe == CROWS_PAIRS:
        scored = score_pairs(model, items)
        estimates, examples = judge_pairs(items, scored, settings.min_rows, evaluation)
    elif probe == STEREOSET:
        scored = score_triplets(model, items)
        estimates, examples = judge_triplets(items, scored, settings.min_rows, evaluation)
    elif probe in {WINOBIAS, WINOGENDER}:
        scored = score_pronouns(model, items)
        estimates, examples = judge_pronouns(probe, items, scored, settings.min_rows, evaluation)
    else:
        scored = score_answers(model, items)
        estimates, examples = judge_questions(probe, items, scored, settings.min_rows, evaluation)
    count, left_out = len(items) + read.unlike, scored.left_out + read.unlike
    return BiasProbe(probe, tuple(files), count, left_out, tuple(estimates), tuple(examples))

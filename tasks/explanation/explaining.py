"""Explain a sample of a candidate's test rows: a stage's function."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.asked_rows import ask_rows, network_of
from tasks.explanation.faithfulness import Faithfulness, measure_faithfulness
from tasks.explanation.global_words import words_by_label
from tasks.explanation.identity_words import identity_estimates
from tasks.explanation.intervals import ExplainedRows
from tasks.explanation.methods import RANDOM, WordAttributions, attribute
from tasks.explanation.network import ExplainedNetwork, Ints
from tasks.explanation.randomisation import LEAST_WORDS, randomised, rank_correlations
from tasks.explanation.rationales import Rationale, agreements, read_rationales
from tasks.explanation.readings import reading_of
from tasks.explanation.settings import ExplanationSettings
from tasks.explanation.words import EncodedText
from tasks.protected_groups.memberships import Membership, column_groups
from tasks.protected_groups.mentions import mentioned_groups, read_terms
from tasks.protected_groups.term_lists import TERMS_FOLDER
from tasks.records.data import DataReport, SourceFile
from tasks.records.evaluation import Scores
from tasks.records.explanation import ExplainedMethod, Explanation
from tasks.records.training import Weights
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate

FAMILY: Final = "explanation"
_SHARES: Final = (-1.0, 1.0)


@dataclass(frozen=True, eq=False)
class _Asked:
    """The rows that are explained, as the model reads them.

    Attributes:
        targets: the model's own answers, (N,) or (N, ...).
        answers: the same in words.
        groups: memberships of the rows.

    """

    network: ExplainedNetwork
    encoded: Sequence[EncodedText]
    targets: Ints
    answers: Sequence[str]
    rows: ExplainedRows
    groups: Sequence[Membership]
    rationales: Mapping[str, Rationale] | None


def add_explanation(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: ExplanationSettings,
    evaluation: EvaluationSettings,
    rationales: SourceFile | None,
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with what is known of why the model answers as it does.

    Args:
        scores: of the candidate.
        weights: the candidate.
        data: the clean rows.
        task_type: of the candidate.
        settings: which rows and methods.
        evaluation: how intervals are made.
        rationales: file of these, as it was pinned; None where the settings name none.
        store: holds the artifacts.

    Raises:
        DataError: the test split is empty, or the file of the rationales changed.
        SettingsError: answers of the task type are not explained, or not by a method.
        StoreError: an artifact is missing.
        TrainingError: the model gives a score that is no number.

    """
    shape = shape_of(task_type)
    with tempfile.TemporaryDirectory(prefix="explanation-") as name, quiet_transformers():
        work = Path(name)
        folder = store.get_folder(weights.artifact, work / "model")
        network = network_of(folder, task_type, weights)
        columns = [column.name for column in shape.inputs]
        clean = store.get_file(data.clean, work / "clean.parquet")
        test = sample_of(clean, columns, data.group_columns, settings)
        inside = None
        if settings.rationales and rationales:
            inside = read_rationales(settings.rationales, rationales, store)
        explained = explain_rows(
            network, test, columns, data.group_columns, settings, evaluation, inside
        )
    return replace(
        scores, estimates=(*scores.estimates, *explained.estimates), explanation=explained
    )


def sample_of(
    clean: Path,
    columns: Sequence[str],
    group_columns: Sequence[str],
    settings: ExplanationSettings,
) -> pa.Table:
    """Test rows by the order of their ids, which are digests: by chance, and the same each time.

    Args:
        clean: Parquet file of the clean rows.
        columns: of the task type's inputs.
        group_columns: of the source.
        settings: how many.

    Raises:
        DataError: there are none.

    """
    wanted = {"row_id", *columns, CLUSTER, *group_columns}
    named = [name for name in pq.read_schema(clean).names if name in wanted]
    rows = pq.read_table(clean, columns=named, filters=[("split", "=", "test")])
    if not rows.num_rows:
        raise DataError("the test split has no rows; give it a larger share in splits, or add rows")
    return rows.sort_by("row_id").slice(0, settings.rows)


def explain_rows(
    network: ExplainedNetwork,
    rows: pa.Table,
    columns: Sequence[str],
    group_columns: Sequence[str],
    settings: ExplanationSettings,
    evaluation: EvaluationSettings,
    rationales: Mapping[str, Rationale] | None = None,
) -> Explanation:
    """Explain rows by each method, and measure what can be measured of that.

    Args:
        network: the model.
        rows: row_id and input columns, and cluster and group columns where there are such; (N,).
        columns: of the task type's inputs.
        group_columns: of the source.
        settings: methods, and what is measured.
        evaluation: how intervals are made.
        rationales: by text, of those that have one; None where people marked nothing.

    Raises:
        SettingsError, TrainingError: as `add_explanation`.

    """
    asked = _asked(network, rows, columns, group_columns, settings, evaluation, rationales)
    names = (*settings.methods, RANDOM)
    by_method = [attribute(network, asked.encoded, asked.targets, name) for name in names]
    faithful = measure_faithfulness(
        network, asked.encoded, asked.targets, by_method, settings.shares
    )
    other = randomised(network, settings.seed) if network.has_gradients else None
    methods = tuple(
        _method(name, asked, found, own, faithful[-1], other)
        for name, found, own in zip(names, by_method, faithful, strict=True)
    )
    first = by_method[0]
    pushing = [
        one if answer != "lower" or network.labels else WordAttributions(-one.values)
        for one, answer in zip(first, asked.answers, strict=True)
    ]
    inside = asked.rationales
    return Explanation(
        rows=len(asked.encoded),
        methods=methods,
        words_by=names[0],
        words=words_by_label(asked.encoded, pushing, asked.answers, asked.groups, settings),
        identity=tuple(
            identity_estimates(asked.encoded, first, settings.identity_attributes, asked.rows)
        ),
        rationales=None if inside is None else sum(e.text in inside for e in asked.encoded),
        inexact=_inexact(network, names, by_method),
        unit="the target's unit" if not network.labels else "log-odds",
        on=datetime.now(UTC).date().isoformat(),
    )


def _asked(
    network: ExplainedNetwork,
    rows: pa.Table,
    columns: Sequence[str],
    group_columns: Sequence[str],
    settings: ExplanationSettings,
    evaluation: EvaluationSettings,
    rationales: Mapping[str, Rationale] | None,
) -> _Asked:
    read = ask_rows(network, rows, columns)
    rows, texts = read.rows, [one.text for one in read.encoded]
    by_cluster = evaluation.by_cluster and CLUSTER in rows.column_names
    clusters = rows[CLUSTER].to_pylist() if by_cluster else None
    groups = [column_groups(name, rows[name]) for name in group_columns]
    groups += [
        mentioned_groups(name, texts, read_terms(TERMS_FOLDER / f"{name}.csv"))
        for name in settings.identity_attributes
        if name not in group_columns
    ]
    return _Asked(
        network,
        read.encoded,
        read.targets,
        read.answers,
        ExplainedRows(rows["row_id"].to_pylist(), clusters, evaluation),
        groups,
        rationales,
    )


def _method(
    name: str,
    asked: _Asked,
    found: Sequence[WordAttributions],
    own: Faithfulness,
    by_chance: Faithfulness,
    other: ExplainedNetwork | None,
) -> ExplainedMethod:
    estimates = tuple(_estimates(name, asked, found, own, by_chance, other))
    return ExplainedMethod(name, estimates, reading_of(estimates))


def _estimates(
    name: str,
    asked: _Asked,
    found: Sequence[WordAttributions],
    own: Faithfulness,
    by_chance: Faithfulness,
    other: ExplainedNetwork | None,
) -> Iterator[Estimate]:
    """Of a regression, whose falls nothing bounds, the intervals are the bootstrap's own."""
    is_share = bool(asked.network.labels)
    bounds, gains = (_SHARES, (-2.0, 2.0)) if is_share else (None, None)
    mean = asked.rows.mean
    yield mean(f"{FAMILY}.{name}.comprehensiveness", own.comprehensiveness, bounds)
    yield mean(f"{FAMILY}.{name}.sufficiency", own.sufficiency, bounds)
    if name != RANDOM:
        more = own.comprehensiveness - by_chance.comprehensiveness
        less = by_chance.sufficiency - own.sufficiency
        yield mean(f"{FAMILY}.{name}.comprehensiveness_gain", more, gains)
        yield mean(f"{FAMILY}.{name}.sufficiency_gain", less, gains)
        if other is not None:
            again = attribute(other, asked.encoded, asked.targets, name)
            values = rank_correlations(asked.encoded, found, again)
            why = f"others have fewer than {LEAST_WORDS} words"
            yield mean(f"{FAMILY}.{name}.randomisation_correlation", values, _SHARES, why)
    if asked.rationales is not None:
        values = agreements(asked.encoded, found, asked.rationales)
        why = "others have no rationale"
        yield mean(f"{FAMILY}.{name}.rationale_auc", values, (0.0, 1.0), why)


def _inexact(
    network: ExplainedNetwork, names: Sequence[str], by_method: Sequence[Sequence[WordAttributions]]
) -> int | None:
    """Rows whose integrated gradients miss their sum at the most points."""
    if "integrated_gradients" not in names or not network.has_gradients:
        return None
    found = by_method[names.index("integrated_gradients")]
    return sum(not one.is_exact for one in found)

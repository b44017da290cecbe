"""What the page says of a metric agrees with what the task types measure."""

import numpy as np
import pyarrow as pa
import pytest

from tasks.reporting.metrics import METRICS, hub_name, is_better_lower, metric_of
from tasks.task_types.embeddings.retrieval_measures import measure_ranks
from tasks.task_types.generation.generation_measures import measure_texts
from tasks.task_types.generation.written_texts import WrittenTexts
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.labels.multi_label_measures import measure_label_sets
from tasks.task_types.labels.regression_measures import measure_predictions
from tasks.task_types.language_models.language_measures import likelihood_table, measure_likelihood
from tasks.task_types.language_models.pair_measures import measure_pairs
from tasks.task_types.measures import Measured
from tasks.task_types.questions.question_answering_measures import measure_answers
from tasks.task_types.tags.tagging_measures import measure_tags

ONE = np.ones(2)


def everything_measured() -> list[Measured]:
    """Two rows of each family of task types, both right."""
    probabilities = [[0.9, 0.1], [0.2, 0.8]]
    hidden = ("nll", "tokens", "right_tokens", "words", "right_words", "pairs", "right_pairs")
    return [
        measure_classes(
            pa.table({"label": ["a", "b"]}),
            pa.table({"predicted": [0, 1], "probabilities": probabilities}), ("a", "b"),
        ),
        measure_label_sets(
            np.array([[True, False], [False, True]]), np.array(probabilities), 0.5, ("a", "b")
        ),
        measure_predictions(np.arange(2.0), np.arange(2.0)),
        measure_tags(pa.array([["B-A"], ["O"]]), pa.array([["B-A"], ["O"]]), ("B-A", "O")),
        measure_answers(["a b", "c d"], ["a", ""], ["a", ""]),
        measure_texts(WrittenTexts(["a b", "c"], ["a b", "c"]), ("chrf",)),
        measure_likelihood(pa.table(likelihood_table(ONE, ONE, ["a", "b"]))),
        measure_pairs(pa.table(dict.fromkeys(hidden, ONE))),
        measure_ranks(np.array([1, 2]), ONE),
    ]  # fmt: skip


def test_every_metric_is_known_and_its_better_side_is_the_measures() -> None:
    for measured in everything_measured():
        for one in measured.measures:
            assert one.name.partition(".")[0] in METRICS, one.name
            if one.name != "repetition":  # which leads nowhere, and is judged by nobody
                assert is_better_lower(f"quality.{one.name}") != one.greater_is_better, one.name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("quality.f1.sport.2", "f1"), ("champion.bits_per_byte_gain", "bits_per_byte"),
        ("slice.length.q1.chrf", "chrf"), ("fairness.gender.worst_group_accuracy", "accuracy"),
        ("fairness.gender.f1_ratio", "f1"), ("fairness.gender.bpsn_auc_mean.toxic", "bpsn_auc"),
        ("quality.length_ratio", "length_ratio"),
    ],
)  # fmt: skip
def test_a_metric_is_found_in_what_is_made_of_it(name: str, plain: str) -> None:
    assert metric_of(name) == METRICS[plain]


def test_only_a_level_can_be_better_lower() -> None:
    assert is_better_lower("quality.rmse")
    assert not is_better_lower("champion.rmse_gain")
    assert not is_better_lower("slice.length.q1.score_gap")


def test_an_unknown_metric_has_an_axis_of_its_own() -> None:
    assert metric_of("quality.novelty").scale != metric_of("quality.wit").scale
    assert not is_better_lower("quality.novelty")


def test_names_on_the_hub() -> None:
    assert (hub_name("macro_f1"), hub_name("rouge_l"), hub_name("novelty")) == (
        "f1", "rouge", "novelty",
    )  # fmt: skip

"""Names and values as MLflow admits them, held against MLflow's own checks."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import (
    MAX_ENTITY_KEY_LENGTH,
    MAX_METRICS_PER_BATCH,
    MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
    MAX_TAG_VAL_LENGTH,
    _validate_length_limit,
    _validate_metric_name,
    _validate_param_name,
)

from infra import mlflow_names
from infra.mlflow_names import MAX_NAME_CHARS, mlflow_name, shortened

NAMES = st.text(st.sampled_from("ab/._-: \n\t\\\0R&Dé中😀\u202e\u0301"), max_size=12) | st.text()


@given(NAMES)
@example("https://example.org/a//b/../c")
@example("..")
@example("..:")
@example("")
@example("a\n")
@example("中" * 10_000)
def test_mlflow_admits_every_name(name: str) -> None:
    written = mlflow_name(name)
    _validate_metric_name(written)
    _validate_param_name(written)
    _validate_length_limit("name", MAX_ENTITY_KEY_LENGTH, written)


@given(NAMES, NAMES)
@example("recall.R&D", "recall.R_D")
@example("a//b", "a/_/b")
@example("x" * 300, "x" * 301)
def test_two_names_are_never_written_as_one(one: str, other: str) -> None:
    assert (mlflow_name(one) == mlflow_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["test_macro_f1", "test_recall_世界", "a b/c:d-e.f", "x" * 250])
def test_a_name_that_mlflow_admits_stays(name: str) -> None:
    assert mlflow_name(name) == name


def test_a_changed_name_can_still_be_read() -> None:
    assert mlflow_name("recall.https://a.b/c").startswith("recall.https:/_/a.b/c-")


@given(st.text(), st.integers(30, 60))
def test_a_shortened_text_says_how_long_it_was(text: str, characters: int) -> None:
    short = shortened(text * 4, characters)
    assert len(short) <= characters
    assert short == text * 4 or short.endswith(f"({len(text) * 4:,} characters)")


def test_the_limits_are_those_of_mlflow() -> None:
    assert MAX_NAME_CHARS == MAX_ENTITY_KEY_LENGTH
    assert mlflow_names.MAX_PARAM_CHARS == MAX_PARAM_VAL_LENGTH
    assert mlflow_names.MAX_RUN_TAG_CHARS == MAX_TAG_VAL_LENGTH
    assert mlflow_names.MAX_VERSION_TAG_CHARS == MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH
    assert mlflow_names.MAX_METRICS_PER_REQUEST == MAX_METRICS_PER_BATCH
    assert mlflow_names.MAX_PARAMS_PER_REQUEST == MAX_PARAMS_TAGS_PER_BATCH

"""Linear probes on frozen features: folds, strengths, and answers as examiners read them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tasks.task_types.embeddings.embedding import embed_texts
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.probing.linear import (
    CLASS_GRID,
    NUMBER_GRID,
    fit_classes,
    fit_numbers,
    groups_of,
)
from tasks.task_types.probing.probe import PROBES, ProbedRows, probe_of, why_no_probe
from tasks.task_types.row_shapes import ROW_SHAPES

LIMITS = TokenLimits(max_length=48)
LABELS = ("film", "sport")


def table(number: int, **columns: Sequence[Any]) -> pa.Table:
    return pa.table({"row_id": [f"{row:064x}" for row in range(number)], **columns})


def topics(number: int) -> pa.Table:
    texts = ["good bad film said", "match was won late goal"]
    return table(
        number,
        text=[f"{texts[row % 2]} {row}" for row in range(number)],
        label=[LABELS[row % 2] for row in range(number)],
    )


def apart(number: int, width: int = 4) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features in which two classes lie apart, and the classes."""
    random = np.random.default_rng(0)
    classes = np.arange(number) % 2
    features = random.normal(size=(number, width)).astype(np.float32)
    features[:, 0] += 6 * classes
    return features, classes.astype(np.int64)


def test_classes_are_fitted_at_the_strength_that_cross_validation_takes() -> None:
    """The model is scikit-learn's own of that strength on all rows."""
    features, classes = apart(60)
    found = fit_classes(features, classes, np.arange(60), 0)
    assert not isinstance(found, str)
    strength = found[-1].C
    assert strength in CLASS_GRID
    wanted = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1_000))
    wanted.fit(features, classes)
    np.testing.assert_allclose(
        found.predict_proba(features), wanted.predict_proba(features), atol=1e-6
    )
    assert (found.predict(features) == classes).mean() > 0.95


def test_of_equal_strengths_the_strongest_is_taken() -> None:
    """All strengths tell these apart."""
    features = np.repeat([[0.0], [50.0]], 20, axis=0).astype(np.float32)
    found = fit_classes(features, np.repeat([0, 1], 20), np.arange(40), 0)
    assert not isinstance(found, str)
    assert min(CLASS_GRID) == found[-1].C


def test_rows_of_a_cluster_do_not_choose_the_strength_for_each_other() -> None:
    """Features that name the cluster tell its label to its other rows, and nothing to others.

    Row by row a weak strength learns them by heart; cluster by cluster it gains nothing.
    """
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(40), 6)
    classes = np.repeat(random.permutation(np.arange(40) % 2), 6)
    features = np.eye(40, dtype=np.float32)[clusters]
    by_cluster = fit_classes(features, classes, clusters, 0)
    by_row = fit_classes(features, classes, np.arange(240), 0)
    assert not isinstance(by_cluster, str)
    assert not isinstance(by_row, str)

    def error(rows: NDArray[Any]) -> list[float]:
        from sklearn.metrics import f1_score
        from sklearn.model_selection import StratifiedGroupKFold

        folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        scores = []
        for train, test in folds.split(features, classes, rows):
            model = LogisticRegression(C=10.0).fit(features[train], classes[train])
            scores.append(f1_score(classes[test], model.predict(features[test]), average="macro"))
        return scores

    assert np.mean(error(np.arange(240))) > 0.95
    assert np.mean(error(clusters)) < 0.7
    groups = groups_of(
        table(240, cluster=[f"c{one}" for one in clusters], text=["a"] * 240, label=["b"] * 240)
    )
    assert len(np.unique(groups)) == 40


def test_a_row_without_a_cluster_is_a_group_of_its_own() -> None:
    rows = table(4, cluster=["a", None, "a", None])
    first, second, third, fourth = groups_of(rows)
    assert first == third
    assert len({first, second, fourth}) == 3
    assert len(set(groups_of(table(5)))) == 5


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ([0, 0, 0, 0], "have one label only"),
        ([0, 0, 0, 1], "one row of all labels but one"),
    ],
)
def test_too_few_rows_of_a_label_are_a_reason(classes: list[int], said: str) -> None:
    found = fit_classes(np.ones((4, 2), np.float32), np.array(classes), np.arange(4), 0)
    assert isinstance(found, str)
    assert said in found


def test_numbers_are_fitted_by_ridge() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(80, 3)).astype(np.float32)
    targets = 100 + 5.0 * features[:, 0] + random.normal(size=80)
    found = fit_numbers(features, targets, np.arange(80), 0)
    assert not isinstance(found, str)
    assert found[-1].alpha in NUMBER_GRID
    wanted = make_pipeline(StandardScaler(), Ridge(alpha=found[-1].alpha)).fit(features, targets)
    np.testing.assert_allclose(found.predict(features), wanted.predict(features), rtol=1e-6)
    assert np.corrcoef(found.predict(features), targets)[0, 1] > 0.9
    few = fit_numbers(features[:5], targets[:5], np.zeros(5, np.int64), 0)
    assert isinstance(few, str)
    assert "too few, or of one cluster" in few


def probed(task_type: str, labels: tuple[str, ...], rows: pa.Table, folder: Path) -> pa.Table:
    """What a probe of the tiny model answers to its own training rows."""
    probe = probe_of(task_type, labels, LIMITS, 0)
    asked = ProbedRows(rows, probe.features(folder, rows))
    answers = probe.answers(asked, asked)
    assert not isinstance(answers, str), answers
    return answers


def leading(task_type: str, labels: tuple[str, ...], rows: pa.Table, answers: pa.Table) -> float:
    measured = examiner_of(task_type, labels, LIMITS).measure(rows, answers)
    name = measured.leading[0] if task_type != "sentence_embedding" else "mrr"
    return next(one for one in measured.measures if one.name == name).value


def test_a_class_probe_answers_as_the_examiner_reads(tiny_model: Path) -> None:
    rows = topics(40)
    answers = probed("classification", LABELS, rows, tiny_model)
    assert leading("classification", LABELS, rows, answers) > 0.9
    scores = np.stack(answers["probabilities"].to_pylist())
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    probe = probe_of("classification", LABELS, LIMITS, 0)
    np.testing.assert_array_equal(
        probe.features(tiny_model, rows),
        embed_texts(tiny_model, rows["text"].to_pylist(), max_length=LIMITS.max_length),
    )


def test_a_label_that_no_training_row_has_is_given_to_none(tiny_model: Path) -> None:
    answers = probed("classification", ("aa", *LABELS), topics(40), tiny_model)
    scores = np.stack(answers["probabilities"].to_pylist())
    assert scores.shape == (40, 3)
    assert (scores[:, 0] == 0).all()
    assert set(answers["predicted"].to_pylist()) == {1, 2}


def test_a_label_set_probe_learns_each_label_for_itself(tiny_model: Path) -> None:
    rows = topics(40)
    labels = ("all", "film", "none")
    sets = [["all", "film"] if label == "film" else ["all"] for label in rows["label"].to_pylist()]
    rows = rows.append_column("labels", pa.array(sets))
    scores = np.stack(probed("multi_label", labels, rows, tiny_model)["probabilities"].to_pylist())
    assert (scores[:, 0] == 1).all()
    assert (scores[:, 2] == 0).all()
    is_film = np.array([label == "film" for label in rows["label"].to_pylist()])
    assert ((scores[:, 1] > 0.5) == is_film).mean() > 0.9


def test_a_number_probe_answers_in_the_targets_own_units(tiny_model: Path) -> None:
    rows = topics(40)
    targets = [100.0 if label == "film" else 900.0 for label in rows["label"].to_pylist()]
    rows = rows.append_column("target", pa.array(targets))
    answers = probed("regression", (), rows, tiny_model)
    assert leading("regression", (), rows, answers) < 200


def test_pairs_are_searched_by_the_base_models_own_vectors(tiny_model: Path) -> None:
    """As the examiner of sentence embeddings searches them."""
    source = [f"good film {row}" for row in range(12)]
    rows = table(12, source=source, target=[f"{one} said" for one in source])
    answers = probed("sentence_embedding", (), rows, tiny_model)
    wanted = examiner_of("sentence_embedding", (), LIMITS).predict(tiny_model, rows)
    assert answers["rank"].to_pylist() == wanted["rank"].to_pylist()
    np.testing.assert_allclose(answers["cosine"], wanted["cosine"], atol=1e-5)


def test_other_task_types_say_why_there_is_no_probe() -> None:
    without = set(ROW_SHAPES.names) - set(PROBES.names)
    assert {"tagging", "translation", "chat"} <= without
    for name in without:
        assert f"the task_type is {name}" in why_no_probe(name)
    assert not any(map(why_no_probe, PROBES.names))


@given(st.permutations(range(24)))
def test_the_order_of_the_rows_does_not_matter_to_groups(order: list[int]) -> None:
    clusters = [None if row % 5 == 0 else f"c{row % 7}" for row in range(24)]
    rows = table(24, cluster=clusters)
    found, moved = groups_of(rows), groups_of(rows.take(pa.array(order)))
    assert (found[order] == moved).all()

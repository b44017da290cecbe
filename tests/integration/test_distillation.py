"""Distillation on a real store and MLflow with tiny models: asked once, learned to the bit."""

import dataclasses
import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from flows import learning
from flows.config import RetrainConfig
from flows.learning import find_models, lesson_of
from infra.errors import SettingsError, StoreError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport
from tasks.records.distillation import Asked, RegisteredTeacher, Teacher
from tasks.records.evaluation import Champion, Scores
from tasks.records.lesson import Lesson, SoftLabels
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.teacher import teacher_of
from tasks.registry.version_tags import (
    DATA_TAG,
    DATA_URI_TAG,
    TASK_TYPE_TAG,
    WEIGHTS_TAG,
    WEIGHTS_URI_TAG,
)
from tasks.task_types.labels.text_logits import text_logits
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training import asked_examples as asking
from tasks.training.distillation import soft_labels as keeping
from tasks.training.distillation.settings import DistillationSettings
from tasks.training.distillation.soft_labels import write_soft_labels
from tasks.training.distillation.student import take_layers
from tasks.training.distillation.teacher import Student, pin_teacher
from tasks.training.settings import TrainingSettings
from tasks.training.shards import fetch_shards
from tasks.training.train import train_model, training_key
from tests.integration.test_training import CutError, steps_in
from tests.registered import add_version

pytestmark = pytest.mark.slow

KIND = "classification"
SETTINGS = TrainingSettings(epochs=3, learning_rate=5e-3, batch_size=8, seed=3)
TEMPERATURE = 2.0


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other make a tiny model on a busy machine ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokens(store: ObjectStore, topics: tuple[DataReport, BaseModel]) -> Tokens:
    data, base = topics
    return tokenize_splits(store, data, base, KIND, TokenizationSettings(max_length=32))


@pytest.fixture(scope="module")
def master(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> Weights:
    """A trained model of two layers."""
    return train_model(store, tracking, "masters", tokens, topics[1], KIND, SETTINGS)


@pytest.fixture(scope="module")
def teacher(master: Weights, topics: tuple[DataReport, BaseModel], own_store: None) -> Teacher:
    data, base = topics
    settings = DistillationSettings.model_validate({"teacher": {"line": "masters"}})
    version = Champion(
        "masters", 4, master.artifact.sha256, "", master.artifact.uri, data.clean.sha256,
        data.clean.uri,
    )  # fmt: skip
    student = Student(KIND, base, 32, data.labels)
    return pin_teacher(settings, RegisteredTeacher(version, KIND), student)


@pytest.fixture(scope="module")
def own_store(store: ObjectStore) -> Iterator[None]:
    """Where a model in the store is fetched from by its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.base_models.open_store", lambda: store)
        yield


@pytest.fixture(scope="module")
def student(store: ObjectStore, teacher: Teacher) -> BaseModel:
    return take_layers(store, teacher, [1], KIND)


@pytest.fixture(scope="module")
def soft(store: ObjectStore, tokens: Tokens, teacher: Teacher) -> SoftLabels:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "ROWS_A_SHARD", 64)
        return write_soft_labels(store, tokens, teacher, KIND, Asked(TEMPERATURE))


def of(soft: SoftLabels) -> Lesson:
    return Lesson(soft, TEMPERATURE, 0.7)


@pytest.fixture(scope="module")
def lesson(soft: SoftLabels) -> Lesson:
    return of(soft)


def train(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    student: BaseModel,
    lesson: Lesson | None,
    settings: TrainingSettings = SETTINGS,
    **options: Any,
) -> Weights:
    return train_model(
        store, tracking, "pupils", tokens, student, KIND, settings, lesson=lesson, **options
    )


@pytest.fixture(scope="module")
def taught(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, student: BaseModel, lesson: Lesson
) -> Weights:
    return train(store, tracking, tokens, student, lesson)


def test_the_teacher_is_asked_about_every_training_row_in_its_place(
    store: ObjectStore,
    soft: SoftLabels,
    tokens: Tokens,
    teacher: Teacher,
    master: Weights,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    assert len(soft.shards) == 4  # of 200 rows, 64 a shard
    parts = []
    for path in fetch_shards(store, of(soft), tmp_path / "soft")["train"]:
        with pa.memory_map(str(path)) as source:
            parts.append(pa.ipc.open_file(source).read_all())
    kept = pa.concat_tables(parts)
    rows = pa.ipc.open_file(
        pa.memory_map(str(store.get_folder(tokens.artifact, tmp_path / "tokens") / "train.arrow"))
    ).read_all()
    assert kept["row_id"].equals(rows["row_id"])
    import pyarrow.parquet as pq

    clean = pq.read_table(store.get_file(topics[0].clean, tmp_path / "clean.parquet"))
    texts = dict(zip(clean["row_id"].to_pylist(), clean["text"].to_pylist(), strict=True))
    folder = store.get_folder(master.artifact, tmp_path / "master")
    asked = [texts[row] for row in kept["row_id"].to_pylist()]
    logits, _ = text_logits(folder, asked, max_length=32)
    np.testing.assert_allclose(np.stack(kept["soft_logits"].to_numpy()), logits, atol=1e-4)
    assert teacher.labels == topics[0].labels


def test_the_teacher_is_asked_once_and_goes_on_where_it_was_cut_off(
    store: ObjectStore,
    tokens: Tokens,
    teacher: Teacher,
    soft: SoftLabels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[range] = []
    about = asking.AskedModel.about

    def note(self: Any, rows: Any, numbers: range) -> Any:
        asked.append(numbers)
        return about(self, rows, numbers)

    monkeypatch.setattr(asking.AskedModel, "about", note)
    monkeypatch.setattr(keeping, "ROWS_A_SHARD", 64)
    assert write_soft_labels(store, tokens, teacher, KIND, Asked(TEMPERATURE)) == soft
    # Neither another temperature nor another weight asks again: what is kept is the same.
    assert write_soft_labels(store, tokens, teacher, KIND, Asked(5.0)) == soft
    assert asked == []
    store.delete(soft.shards[2].uri)
    assert write_soft_labels(store, tokens, teacher, KIND, Asked(TEMPERATURE)) == soft
    assert asked == [range(128, 192)]


def test_labels_in_another_order_are_told_by_their_names(
    store: ObjectStore, tokens: Tokens, teacher: Teacher, soft: SoftLabels, tmp_path: Path
) -> None:
    turned = dataclasses.replace(teacher, labels=teacher.labels[::-1])
    other = write_soft_labels(store, tokens, turned, KIND, Asked(TEMPERATURE))
    (whole,) = fetch_shards(store, of(other), tmp_path)["train"]
    with pa.memory_map(str(whole)) as source:
        values = np.stack(pa.ipc.open_file(source).read_all()["soft_logits"].to_numpy())
    first = fetch_shards(store, of(soft), tmp_path / "first")["train"][0]
    with pa.memory_map(str(first)) as source:
        known = np.stack(pa.ipc.open_file(source).read_all()["soft_logits"].to_numpy())
    np.testing.assert_allclose(values[:64], known[:, ::-1], atol=1e-5)


def test_a_student_learns_from_its_teacher_alone(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    soft: SoftLabels,
    topics: tuple[DataReport, BaseModel],
) -> None:
    """With the whole weight on the teacher, a base model that knows nothing learns to answer."""
    weights = train(store, tracking, tokens, topics[1], Lesson(soft, TEMPERATURE, 1.0))
    assert weights.epochs[-1].validation_metrics["accuracy"] > 0.6  # by chance a third
    run = tracking._client.get_run(weights.run_id)
    assert run.data.params["teacher"] == "version 4 of masters"
    assert run.data.params["distillation_weight"] == "1.0"


def test_the_first_loss_is_that_of_both_by_hand(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, soft: SoftLabels, student: BaseModel
) -> None:
    """All three trainings begin with the same step, so that their first losses must mix."""
    one_step = SETTINGS.model_copy(update={"epochs": 1, "dropout": 0.0})
    first = []
    for weight in (None, 0.25, 1.0):
        lesson = None if weight is None else Lesson(soft, TEMPERATURE, weight)
        trained = train(store, tracking, tokens, student, lesson, one_step)
        first.append(trained.curve[0].loss)
    hard, mixed, own = first
    assert own != pytest.approx(hard, rel=1e-2)
    assert mixed == pytest.approx(0.25 * own + 0.75 * hard, rel=1e-4)


def test_a_training_that_was_cut_off_gives_the_same_bits(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    student: BaseModel,
    lesson: Lesson,
    taught: Weights,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("tasks.training.callbacks.PROGRESS_EVERY_S", 0.0)
    settings = SETTINGS.model_copy(update={"checkpoint_every_s": 0.001})

    def cut(percent: float, _words: str) -> None:
        time.sleep(0.03)
        if percent >= 64:
            raise CutError

    with pytest.raises(CutError):
        train(store, tracking, tokens, student, lesson, settings, progress=cut)
    key = training_key(tokens, student, KIND, settings, lesson)
    assert steps_in(store, store.uri("checkpoints", key))[-1] > 25
    with caplog.at_level(logging.INFO, logger="tasks"):
        weights = train(store, tracking, tokens, student, lesson, settings)
    assert weights.resumed_from_step > 25
    assert weights.artifact == taught.artifact
    assert weights.epochs == taught.epochs


def test_two_workers_learn_the_same(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    student: BaseModel,
    lesson: Lesson,
) -> None:
    plain = SETTINGS.model_copy(update={"epochs": 1, "dropout": 0.0})
    alone = train(store, tracking, tokens, student, lesson, plain)
    both = train(store, tracking, tokens, student, lesson, plain.model_copy(update={"workers": 2}))
    assert [point.loss for point in both.curve] == pytest.approx(
        [point.loss for point in alone.curve], rel=1e-3
    )


@pytest.fixture(scope="module")
def judged(
    store: ObjectStore,
    tracking: Tracking,
    taught: Weights,
    teacher: Teacher,
    topics: tuple[DataReport, BaseModel],
) -> Scores:
    return evaluate_weights(
        taught, topics[0], None, KIND, EvaluationSettings(), store=store,
        tracking=tracking, teacher=teacher,
    )  # fmt: skip


def test_the_student_is_held_against_its_teacher(judged: Scores) -> None:
    found = {one.name: one for one in judged.measured}
    gain = found["teacher.macro_f1_gain"]
    assert gain.value == pytest.approx(
        found["quality.macro_f1"].value - found["teacher.macro_f1"].value  # type: ignore[operator]
    )
    agreement = found["teacher.agreement"]
    assert agreement.value is not None
    assert agreement.n == 60
    assert agreement.low is not None
    assert agreement.low < agreement.value <= 1
    size = found["teacher.size_share"].value
    assert size is not None
    assert 0.5 < size < 1  # one layer of two, and all embeddings
    speed = found["teacher.speed_up"]
    assert speed.value is not None
    assert speed.low is not None
    assert speed.low < speed.value
    (record,) = judged.versions
    assert (record.comparator, record.name, record.rows) == ("teacher", "version 4 of masters", 60)
    assert {one.comparator for one in judged.comparisons} == {"baseline", "teacher"}


def test_a_teacher_in_a_folder_is_not_compared_without_its_rows(
    store: ObjectStore,
    tracking: Tracking,
    taught: Weights,
    master: Weights,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    data, base = topics
    folder = store.get_folder(master.artifact, tmp_path / "master")
    settings = DistillationSettings.model_validate({"teacher": {"folder": str(folder)}})
    teacher = pin_teacher(settings, None, Student(KIND, base, 32, data.labels))
    scores = evaluate_weights(
        taught, data, None, KIND, EvaluationSettings(), store=store, tracking=tracking,
        teacher=teacher,
    )  # fmt: skip
    found = {one.name: one for one in scores.measured}
    assert "nothing in the registry names them" in found["teacher.macro_f1_gain"].reason
    assert "may have learned the test rows" in found["teacher.agreement"].reason
    assert found["teacher.size_share"].value is not None


def test_lost_weights_of_a_teacher_are_told(
    store: ObjectStore, topics: tuple[DataReport, BaseModel], own_store: None
) -> None:
    base = topics[1]
    artifact = Artifact(store.uri("weights", "0" * 64), "0" * 64, 0)
    version = Champion("masters", 5, artifact.sha256, "", artifact.uri)
    settings = DistillationSettings.model_validate({"teacher": {"line": "masters"}})
    with pytest.raises(StoreError, match="weights"):
        pin_teacher(settings, RegisteredTeacher(version, KIND), Student(KIND, base, 32, None))


@pytest.fixture(scope="module")
def registered(
    master: Weights,
    topics: tuple[DataReport, BaseModel],
    store: ObjectStore,
    tracking: Tracking,
    tmp_path_factory: pytest.TempPathFactory,
) -> int:
    """A version of the model, under an alias that somebody set; and one that others registered."""
    tags = {
        WEIGHTS_TAG: master.artifact.sha256, WEIGHTS_URI_TAG: master.artifact.uri,
        DATA_TAG: topics[0].clean.sha256, DATA_URI_TAG: topics[0].clean.uri,
        TASK_TYPE_TAG: KIND,
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("registered")
    tracking._client.create_registered_model("known-masters")
    version, _ = add_version("known-masters", folder, tags, store, tracking)
    other, _ = add_version("known-masters", folder, {}, store, tracking)
    tracking.set_alias("known-masters", "master", version)
    tracking.set_alias("known-masters", "stranger", other)
    return version


@pytest.mark.parametrize(
    ("name", "alias", "said"),
    [
        ("nobody", "production", "has the aliases none"),
        ("known-masters", "production", "has the aliases master, stranger"),
        ("known-masters", "stranger", "of which weights it was made: others registered it"),
    ],
)
@pytest.mark.usefixtures("registered")
def test_a_teacher_that_cannot_be_had_is_told(
    store: ObjectStore, tracking: Tracking, name: str, alias: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        teacher_of(name, alias, store=store, tracking=tracking)


def test_the_flow_finds_teacher_and_layers_and_asks_once(
    store: ObjectStore,
    tracking: Tracking,
    registered: int,
    tokens: Tokens,
    own_store: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the flow calls its stages, without the server that keeps their results."""
    del own_store
    monkeypatch.setattr("tasks.stages.distillation.open_store", lambda: store)
    monkeypatch.setattr("tasks.stages.distillation.open_tracking", lambda: tracking)
    monkeypatch.setattr("tasks.stages.caching.gpu_slot", nullcontext)
    monkeypatch.setattr("tasks.stages.tokenization.open_store", lambda: store)
    for stage in ("pin_teacher", "take_layers", "ask_teacher", "pin_base_model", "build_student"):
        monkeypatch.setattr(learning, stage, getattr(learning, stage).fn)
    distillation = {
        "teacher": {"line": "known-masters", "alias": "master"}, "student_layers": [0],
        "weight": 0.3,
    }  # fmt: skip
    config = RetrainConfig.model_validate(
        {
            "line": "pupils", "source": {"format": "csv", "path": "topics.csv"},
            "tokenization": {"max_length": 32}, "distillation": distillation,
        }
    )  # fmt: skip
    base, teacher = find_models(config)
    assert base
    assert teacher
    assert teacher.name == f"version {registered} of known-masters"
    assert base.reference.startswith(store.uri("base-models"))
    lesson = lesson_of(config, tokens, base, teacher)
    assert isinstance(lesson, Lesson)
    assert (lesson.weight, lesson.temperature, lesson.soft_labels.rows) == (0.3, 2.0, 200)
    assert lesson_of(config, tokens, base, teacher) == lesson
    scratch = {"architecture": "bert", "hidden_size": 32, "layers": 3, "heads": 2}
    of_states = {**distillation, "student_layers": None, "hidden_states": {"layers": [3]}}
    values = config.model_dump(exclude={"base_model", "distillation"}, exclude_unset=True)
    new, taught_by = find_models(
        RetrainConfig.model_validate(
            {**values, "base_model": {"scratch": scratch}, "distillation": of_states}
        )
    )
    assert new
    assert taught_by
    assert taught_by.compared == ((3, 2),)
    plain = RetrainConfig.model_validate(
        {"line": "pupils", "source": {"format": "csv", "path": "topics.csv"}}
    )
    assert lesson_of(plain, tokens, base, None) is None

"""Teachers of hidden words, texts, hidden states and vectors, on a real store and MLflow."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from infra.base_models import fingerprint, locate
from infra.errors import SettingsError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport
from tasks.records.distillation import Asked, RegisteredTeacher, Teacher
from tasks.records.evaluation import Champion
from tasks.records.lesson import Lesson
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.task_types.tokenizers import load_tokenizer, longest_text, vocabulary_digest
from tasks.tokenization.from_scratch.building import build_student
from tasks.tokenization.settings import ScratchSettings, TokenizationSettings
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
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS
from tests.integration.test_training import CutError, steps_in
from tests.unit.task_types.pair_models import pairs
from tests.unit.task_types.pair_models import tiny_model as pair_model

pytestmark = pytest.mark.slow

SETTINGS = TrainingSettings(epochs=3, learning_rate=5e-3, batch_size=8, seed=3)
NAMED = DistillationSettings.model_validate({"teacher": {"line": "masters"}})


@pytest.fixture(scope="module", autouse=True)
def one_thread(store: ObjectStore) -> Iterator[None]:
    """Threads that wait for each other are slow; models are fetched from the tests' own store."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.base_models.open_store", lambda: store)
        yield
    torch.set_num_threads(before)


def pinned(
    master: Weights,
    data: DataReport,
    student: Student,
    settings: DistillationSettings = NAMED,
) -> Teacher:
    version = Champion(
        "masters", 4, master.artifact.sha256, "", master.artifact.uri, data.clean.sha256,
        data.clean.uri,
    )  # fmt: skip
    return pin_teacher(settings, RegisteredTeacher(version, student.task_type), student)


def tables_of(store: ObjectStore, lesson: Lesson, folder: Path) -> list[pa.Table]:
    found = []
    for path in fetch_shards(store, lesson, folder)["train"]:
        with pa.memory_map(str(path)) as source:
            found.append(pa.ipc.open_file(source).read_all())
    return found


def assert_resumes_to_the_same_bits(
    store: ObjectStore,
    tracking: Tracking,
    learned: tuple[Tokens, BaseModel, str],
    lesson: Lesson,
    whole: Weights,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.training.callbacks.PROGRESS_EVERY_S", 0.0)
    tokens, base, kind = learned
    settings = SETTINGS.model_copy(update={"checkpoint_every_s": 0.001})

    def cut(percent: float, _words: str) -> None:
        time.sleep(0.03)
        if percent >= 64:
            raise CutError

    with pytest.raises(CutError):
        train_model(store, tracking, "pupils", tokens, base, kind, settings, cut, lesson)
    key = training_key(tokens, base, kind, settings, lesson)
    assert steps_in(store, store.uri("checkpoints", key))[-1] > 10
    again = train_model(store, tracking, "pupils", tokens, base, kind, settings, lesson=lesson)
    assert again.resumed_from_step > 10
    assert again.artifact == whole.artifact


def test_a_student_guesses_the_words_that_its_teacher_guesses(
    store: ObjectStore,
    tracking: Tracking,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = "masked_lm"
    data, base = replace(topics[0], task_type=kind, labels=()), topics[1]
    tokens = tokenize_splits(store, data, base, kind, TokenizationSettings(max_length=32))
    master = train_model(store, tracking, "masters", tokens, base, kind, SETTINGS)
    teacher = pinned(master, data, Student(kind, None, 32, None))
    drawn: list[str] = []
    about = asking.AskedModel.about

    def note(self: Any, rows: Any, numbers: range) -> Any:
        drawn.append(f"{rows[0]['seed']}")
        return about(self, rows, numbers)

    monkeypatch.setattr(asking.AskedModel, "about", note)
    two = write_soft_labels(store, tokens, teacher, kind, Asked(2.0, rounds=2))
    soft = write_soft_labels(store, tokens, teacher, kind, Asked(2.0, rounds=SETTINGS.epochs))
    assert (two.rounds, soft.rounds, soft.shards[:2]) == (2, 3, two.shards)
    assert len(drawn) == len(set(drawn)) == 3  # each draw once, however many epochs come later

    lesson = Lesson(soft, 2.0, 1.0)
    assert len(tables_of(store, lesson, tmp_path / "soft")) == 3
    student = take_layers(store, teacher, [1], kind)
    taught = train_model(store, tracking, "p", tokens, student, kind, SETTINGS, lesson=lesson)
    alone = train_model(store, tracking, "p", tokens, student, kind, SETTINGS)
    assert taught.artifact != alone.artifact
    assert taught.epochs[-1].train_loss < 0.8 * taught.epochs[0].train_loss
    assert_resumes_to_the_same_bits(
        store, tracking, (tokens, student, kind), lesson, taught, monkeypatch
    )
    scores = evaluate_weights(
        taught, data, None, kind, EvaluationSettings(), store=store, tracking=tracking,
        teacher=teacher,
    )  # fmt: skip
    found = {one.name: one.value for one in scores.measured}
    assert found["teacher.masked_accuracy_gain"] is not None
    assert found["teacher.agreement"] is not None


@pytest.fixture(scope="module")
def sentences(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    """Sentences of a few words and their translation, as clean rows."""
    rows = pairs(400)
    split = ["train"] * 300 + ["validation"] * 40 + ["test"] * 60
    path = tmp_path_factory.mktemp("sentences") / "clean.parquet"
    pq.write_table(rows.append_column("split", pa.array(split)), path)
    clean = store.put_file(store.uri("clean", "sentences.parquet"), path)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=(), group_columns=(),
        rows_by_split={"train": 300, "validation": 40, "test": 60}, rows_by_label={},
        rows_quarantined=0, quarantined_by_reason={}, task_type="translation", lengths={},
        personal_data=(), leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


def test_a_student_learns_to_write_what_its_teacher_writes(
    store: ObjectStore,
    tracking: Tracking,
    sentences: DataReport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = "translation"
    folder = pair_model(tmp_path / "t5", "t5")
    found = fingerprint(folder)
    base = BaseModel(str(folder), None, found.sha256, found.tokenizer_sha256)
    tokens = tokenize_splits(store, sentences, base, kind, TokenizationSettings(max_length=32))
    master = train_model(
        store, tracking, "masters", tokens, base, kind,
        SETTINGS.model_copy(update={"epochs": 6}),
    )  # fmt: skip
    teacher = pinned(master, sentences, Student(kind, base, 32, None))

    monkeypatch.setattr(keeping, "ROWS_WRITTEN_A_SHARD", 128)
    about, calls = asking.AskedModel.about, []

    def cut(self: Any, rows: Any, numbers: range) -> Any:
        if len(calls) == 2:
            raise CutError
        calls.append(numbers)
        return about(self, rows, numbers)

    asked = Asked(2.0, writes=True)
    with monkeypatch.context() as patch:
        patch.setattr(asking.AskedModel, "about", cut)
        with pytest.raises(CutError):
            write_soft_labels(store, tokens, teacher, kind, asked)
        calls.clear()  # it goes on behind the two shards that are there
        soft = write_soft_labels(store, tokens, teacher, kind, asked)
    assert calls == [range(256, 300)]

    table = pa.concat_tables(tables_of(store, Lesson(soft, 2.0, 0.5), tmp_path / "soft"))
    written = store.get_folder(tokens.artifact, tmp_path / "tokens") / "train.arrow"
    own = pa.ipc.open_file(pa.memory_map(str(written))).read_all()
    both = (one["target_ids"].to_pylist() for one in (table, own))
    same = [said == target for said, target in zip(*both, strict=True)]
    assert sum(same) / len(same) > 0.3  # it has learned most of its little language
    assert [len(one) for one in table["soft_tokens"].to_pylist()] == [
        16 * len(one) for one in table["target_ids"].to_pylist()
    ]
    # Both losses, at the tokens of what was written; and what was written alone.
    trained = {}
    for weight in (0.5, 0.0):
        kept = write_soft_labels(store, tokens, teacher, kind, replace(asked, outputs=weight > 0))
        lesson = Lesson(kept, 2.0, weight)
        trained[weight] = train_model(
            store, tracking, "pupils", tokens, base, kind, SETTINGS, lesson=lesson
        )
    assert trained[0.5].artifact != trained[0.0].artifact
    assert trained[0.0].epochs[-1].validation_metrics["token_accuracy"] > 0.4
    assert_resumes_to_the_same_bits(
        store, tracking, (tokens, base, kind), lesson, trained[0.0], monkeypatch
    )
    scores = evaluate_weights(
        trained[0.5], sentences, None, kind, EvaluationSettings(), store=store,
        tracking=tracking, teacher=teacher,
    )  # fmt: skip
    found = {one.name: one.value for one in scores.measured}
    for name in ("chrf_gain", "agreement", "speed_up", "size_share"):
        assert found[f"teacher.{name}"] is not None


def test_a_student_learns_the_hidden_states_of_its_teacher(
    store: ObjectStore,
    tracking: Tracking,
    topics: tuple[DataReport, BaseModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, (data, base) = "classification", topics
    tokens = tokenize_splits(store, data, base, kind, TokenizationSettings(max_length=32))
    master = train_model(store, tracking, "masters", tokens, base, kind, SETTINGS)
    settings = DistillationSettings.model_validate(
        {"teacher": {"line": "masters"}, "hidden_states": {}, "student_layers": [1]}
    )
    teacher = pinned(master, data, Student(kind, None, 32, data.labels), settings)
    assert teacher.compared == ((0, 0), (1, 2))
    monkeypatch.setattr(keeping, "SHARD_BYTES", 200_000)
    soft = write_soft_labels(store, tokens, teacher, kind, Asked(2.0, layers=(0, 2)))
    size = tokens.tokens_by_split["train"] * 2 * 32 * 2
    assert len(soft.shards) == -(-size // 200_000) > 1
    lesson = Lesson(soft, 2.0, 0.5, (0, 1), 3.0)
    student = take_layers(store, teacher, [1], kind)
    taught = train_model(store, tracking, "p", tokens, student, kind, SETTINGS, lesson=lesson)
    assert_resumes_to_the_same_bits(
        store, tracking, (tokens, student, kind), lesson, taught, monkeypatch
    )
    # All that is learned of the states is in their loss, whose weight the rest leaves alone.
    plain = SETTINGS.model_copy(update={"epochs": 1, "dropout": 0.0})
    first = []
    for weight in (0.0, 1.0, 3.0):
        one = Lesson(soft, 2.0, 0.5, (0, 1), weight)
        found = train_model(store, tracking, "p", tokens, student, kind, plain, lesson=one)
        first.append(found.curve[0].loss)
    assert first[1] > first[0] + 0.01
    assert first[2] - first[0] == pytest.approx(3 * (first[1] - first[0]), rel=1e-3)
    both = train_model(
        store, tracking, "p", tokens, student, kind, plain.model_copy(update={"workers": 2}),
        lesson=one,
    )  # fmt: skip
    assert [point.loss for point in both.curve] == pytest.approx(
        [point.loss for point in found.curve], rel=1e-3
    )


def test_a_student_of_random_weights_reads_as_its_teacher_does(
    store: ObjectStore, tracking: Tracking, topics: tuple[DataReport, BaseModel]
) -> None:
    kind, (data, base) = "classification", topics
    tokens = tokenize_splits(store, data, base, kind, TokenizationSettings(max_length=32))
    master = train_model(store, tracking, "masters", tokens, base, kind, SETTINGS)
    sizes = ScratchSettings(
        architecture="bert", hidden_size=16, layers=1, heads=2, max_positions=40
    )
    new = Student(kind, None, 32, data.labels, sizes=(1, 16))
    teacher = pinned(master, data, new)
    states = DistillationSettings.model_validate(
        {"teacher": {"line": "masters"}, "hidden_states": {}}
    )
    with pytest.raises(SettingsError, match="have 32 numbers where those of base_model have 16"):
        pinned(master, data, new, states)
    student = build_student(store, teacher.model, sizes)
    assert build_student(store, teacher.model, sizes) == student
    folder = locate(student.reference, student.revision)
    assert vocabulary_digest(folder) == vocabulary_digest(locate(base.reference, None))
    assert longest_text(folder, load_tokenizer(folder)) == 32  # as its teacher, which reads no more
    soft = write_soft_labels(store, tokens, teacher, kind, Asked(2.0))
    learned = train_model(
        store, tracking, "p", tokens, student, kind, SETTINGS, lesson=Lesson(soft, 2.0, 0.9)
    )
    assert learned.parameters < master.parameters / 1.5
    assert learned.epochs[-1].train_loss < learned.epochs[0].train_loss


def test_a_student_gives_vectors_in_the_direction_of_its_teacher_s(
    store: ObjectStore,
    tracking: Tracking,
    sentences: DataReport,
    topics: tuple[DataReport, BaseModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, base = "sentence_embedding", topics[1]
    data = replace(sentences, task_type=kind)
    tokens = tokenize_splits(store, data, base, kind, TokenizationSettings(max_length=32))
    settings = SETTINGS.model_copy(update={"learning_rate": 1e-3})
    master = train_model(store, tracking, "masters", tokens, base, kind, settings)
    teacher = pinned(master, data, Student(kind, None, 32, None))
    soft = write_soft_labels(store, tokens, teacher, kind, Asked(2.0))
    student = take_layers(store, teacher, [0], kind)
    # With the whole weight on the teacher the loss is one less the cosine, from 0 to 2.
    alone = train_model(
        store, tracking, "p", tokens, student, kind, SETTINGS, lesson=Lesson(soft, 2.0, 1.0)
    )
    assert 0 < alone.epochs[-1].train_loss < alone.epochs[0].train_loss < 2
    lesson = Lesson(soft, 2.0, 0.5)
    taught = train_model(store, tracking, "p", tokens, student, kind, SETTINGS, lesson=lesson)
    assert_resumes_to_the_same_bits(
        store, tracking, (tokens, student, kind), lesson, taught, monkeypatch
    )
    plain = SETTINGS.model_copy(update={"epochs": 1, "dropout": 0.0})
    curves = [
        train_model(
            store, tracking, "p", tokens, student, kind,
            plain.model_copy(update={"workers": workers}), lesson=lesson,
        ).curve
        for workers in (1, 2)
    ]  # fmt: skip
    # The softmax of cosines over 0.05 lets rounding grow from step to step.
    assert [point.loss for point in curves[1][:5]] == pytest.approx(
        [point.loss for point in curves[0][:5]], rel=1e-3
    )
    scores = evaluate_weights(
        taught, data, None, kind, EvaluationSettings(), store=store, tracking=tracking,
        teacher=teacher,
    )  # fmt: skip
    assert {one.name: one.value for one in scores.measured}["teacher.mrr_gain"] is not None

"""A student with half the layers of its teacher, on BBC News, as the shipped line has it.

The peer is the same student, of the same layers and settings, that learns from the labels alone.
Both are held against the teacher on the same test rows. A command of its own, of some minutes:
``python -m benchmarks.training.distillation``. With ``--cache`` it trains nothing, and measures
in a minute or two what a second asking finds: the teacher is then the base model with a head that
was drawn, since what it says does not matter.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu.folder_store import NoTracking
from benchmarks.local_store import environment_of, served_store
from flows.config import RetrainConfig, load_config
from infra.base_models import locate
from infra.store import Artifact, ObjectStore
from tasks.evaluation.evaluation import evaluate_weights
from tasks.ingestion.snapshot import write_snapshot
from tasks.records.data import DataReport, Snapshot
from tasks.records.distillation import Asked, RegisteredTeacher, Teacher
from tasks.records.evaluation import Champion, Scores
from tasks.records.lesson import Lesson, SoftLabels
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.sources.pinning import pin as pin_source
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer
from tasks.tokenization.base_model import pin
from tasks.tokenization.splits import tokenize_splits
from tasks.training.distillation.settings import DistillationSettings
from tasks.training.distillation.soft_labels import write_soft_labels
from tasks.training.distillation.student import take_layers
from tasks.training.distillation.teacher import Student, pin_teacher
from tasks.training.train import train_model
from tasks.validation.validate import validate_snapshot

CONFIGS = Path(__file__).parents[2] / "configs"
TOLD = (
    "quality.macro_f1", "teacher.macro_f1", "teacher.macro_f1_gain", "teacher.agreement",
    "teacher.speed_up", "teacher.size_share",
)  # fmt: skip


def measure() -> dict[str, float]:
    """Train the teacher and both students; the figures of each student beside the teacher."""
    shipped = load_config(CONFIGS / "bbc-news.yaml")
    config = load_config(CONFIGS / "examples" / "bbc-news-small.yaml")
    with served_store() as settings, tempfile.TemporaryDirectory() as home:
        os.environ.update({**environment_of(settings), "ASSAYLINE_HOME": home})
        return _measure(ObjectStore(settings), shipped, config)


def measure_cache() -> dict[str, float]:
    """What a second asking of the same teacher finds, of its answers and of its hidden states."""
    shipped = load_config(CONFIGS / "bbc-news.yaml")
    kind = shipped.task_type
    with served_store() as settings, tempfile.TemporaryDirectory() as home:
        os.environ.update({**environment_of(settings), "ASSAYLINE_HOME": home})
        store, base = ObjectStore(settings), pin(shipped.base_model)
        assert base
        _, data = rows_of_line(store, shipped, base)
        tokens = tokenize_splits(store, data, base, kind, shipped.tokenization)
        folder = Path(home) / "teacher"
        model = learner_of(kind, tokens.labels, TokenLimits.of(tokens)).load_model(
            locate(base.reference, base.revision)
        )
        model.save_pretrained(folder)
        load_tokenizer(locate(base.reference, base.revision)).save_pretrained(folder)
        named = DistillationSettings.model_validate({"teacher": {"folder": str(folder)}})
        length = shipped.tokenization.max_length
        teacher = pin_teacher(named, None, Student(kind, base, length, data.labels))
        figures = _asked_twice(store, tokens, teacher, kind, Asked(2.0))[1]
        both = Asked(2.0, layers=(teacher.layers,))
        soft, of_states = _asked_twice(store, tokens, teacher, kind, both)
        size = sum(shard.size_bytes for shard in soft.shards) / tokens.tokens_by_split["train"]
        return {
            **figures,
            **{f"states_{name}": value for name, value in of_states.items()},
            "states_bytes_a_token": size,
        }


def _asked_twice(
    store: ObjectStore, tokens: Tokens, teacher: Teacher, kind: str, asked: Asked
) -> tuple[SoftLabels, dict[str, float]]:
    """What the teacher says, and what asking it again costs and writes."""
    begun = time.perf_counter()
    soft = write_soft_labels(store, tokens, teacher, kind, asked)
    asked_s, again = time.perf_counter() - begun, _CountingStore(store.settings)
    write_soft_labels(again, tokens, teacher, kind, asked)
    return soft, {
        "teacher_cache_hits": 1 - again.shards_written / len(soft.shards),
        "teacher_asked_s": asked_s,
        "teacher_found_s": time.perf_counter() - begun - asked_s,
    }


def _measure(store: ObjectStore, shipped: RetrainConfig, config: RetrainConfig) -> dict[str, float]:
    line, kind, settings = config.line, config.task_type, config.distillation
    base = pin(shipped.base_model)
    assert settings
    assert settings.student_layers
    assert base
    snapshot, data = rows_of_line(store, shipped, base)
    tokens = tokenize_splits(store, data, base, kind, shipped.tokenization)
    master = train_model(store, NoTracking(), line, tokens, base, kind, shipped.training)
    _say(f"teacher trained in {master.training_s:.0f} s")
    version = Champion(
        shipped.line, 1, master.artifact.sha256, "", master.artifact.uri, data.clean.sha256,
        data.clean.uri,
    )  # fmt: skip
    student = Student(kind, None, config.tokenization.max_length, data.labels)
    teacher = pin_teacher(settings, RegisteredTeacher(version, kind), student)
    begins = take_layers(store, teacher, settings.student_layers, kind)
    soft, figures = _asked_twice(store, tokens, teacher, kind, Asked(settings.temperature))
    lessons = {"taught": Lesson(soft, settings.temperature, settings.weight), "labels_alone": None}
    for name, lesson in lessons.items():
        weights = _student(store, config, tokens, begins, lesson)
        _say(f"{name}: trained in {weights.training_s:.0f} s")
        figures |= _figures(name, _scores(store, config, weights, data, snapshot, teacher))
    figures["distilled_speedup"] = figures["taught_teacher_speed_up"]
    figures["distilled_gain_low"] = figures["taught_teacher_macro_f1_gain_low"]
    return figures


class _CountingStore(ObjectStore):
    """The store as a second training finds it."""

    shards_written = 0

    def put_bytes(self, uri: str, content: bytes) -> Artifact:
        """Write an object, and count it."""
        self.shards_written += 1
        return super().put_bytes(uri, content)


def rows_of_line(
    store: ObjectStore, config: RetrainConfig, base: BaseModel
) -> tuple[Snapshot, DataReport]:
    """The rows of a line, pinned and validated."""
    source = pin_source(config.line, config.source, store)
    snapshot = write_snapshot(source, config.source, config.splits, config.task_type, store)
    return snapshot, validate_snapshot(
        snapshot, base, config.contract, config.leakage, config.privacy, store
    )


def _student(
    store: ObjectStore,
    config: RetrainConfig,
    tokens: Tokens,
    begins: BaseModel,
    lesson: Lesson | None,
) -> Weights:
    return train_model(
        store, NoTracking(), config.line, tokens, begins, config.task_type, config.training,
        lesson=lesson,
    )  # fmt: skip


def _scores(
    store: ObjectStore,
    config: RetrainConfig,
    weights: Weights,
    data: DataReport,
    snapshot: Snapshot,
    teacher: Teacher,
) -> Scores:
    return evaluate_weights(
        weights, data, None, config.task_type, config.evaluation, store=store,
        tracking=NoTracking(), snapshot=snapshot, teacher=teacher,
    )  # fmt: skip


def _figures(name: str, scores: Scores) -> dict[str, float]:
    figures: dict[str, float] = {}
    for one in scores.measured:
        if one.name in TOLD and one.value is not None:
            _say(f"{name}: {one.name} {one.value:.4f} [{one.low:.4f}, {one.high:.4f}], {one.n}")
            told = f"{name}_{one.name.replace('.', '_')}"
            figures[told] = one.value
            if one.low is not None:
                figures[f"{told}_low"] = one.low
    return figures


def _say(text: str) -> None:
    print(f"distillation: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", action="store_true", help="what a second asking finds, alone")
    print(json.dumps(measure_cache() if parser.parse_args().cache else measure()))

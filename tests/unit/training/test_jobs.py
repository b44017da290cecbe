"""A training's job, as a worker on the same machine reads it."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from infra.device import Device
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.lesson import Lesson, Reference, SoftLabels
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.learner import LossSettings
from tasks.task_types.limits import TokenLimits
from tasks.training.engine import taught_of
from tasks.training.jobs import Job, learner_for
from tasks.training.settings import TrainingSettings

TOKENS = Tokens(
    Artifact("s3://assayline/tokens/1", "1" * 64, 1), ("a", "b"), 32, {"train": 4}, {}, {},
    stride=8, max_target_length=5,
)  # fmt: skip
SETTINGS = TrainingSettings(label_smoothing=0.1, class_weights="balanced")
# A worker opens them itself.
STORE, TRACKING = cast("ObjectStore", None), cast("Tracking", None)


class Rows:
    """Four training rows, of which three are of the second class."""

    def column(self, _name: str) -> Any:
        return np.array([1, 1, 0, 1])


@pytest.mark.parametrize("name", ["classification", "tagging"])
def test_a_worker_makes_the_same_learner_again(name: str, tmp_path: Path) -> None:
    learner = learner_for(name, TOKENS, SETTINGS)
    assert learner.name == name
    assert learner.limits == TokenLimits(32, 8, 5)
    assert learner.loss_settings == LossSettings(0.1, balanced=True)
    base = BaseModel("package:x", None, "2" * 64, "3" * 64)
    device = Device("cpu", "float32", 1)
    job = Job(STORE, TRACKING, TOKENS, base, learner, SETTINGS, device, "key", tmp_path, "run", 1.0)
    job.save(tmp_path / "job.json")
    assert Job.load(tmp_path / "job.json", STORE, TRACKING) == job


def test_a_worker_reads_of_which_reference_a_job_is(tmp_path: Path) -> None:
    settings = TrainingSettings.model_validate(
        {"preference": {"beta": 0.4, "label_smoothing": 0.2}}
    )
    learner = learner_for("preference", TOKENS, settings)
    assert learner.loss_settings == LossSettings(beta=0.4, flipped=0.2)
    base = BaseModel("package:x", None, "2" * 64, "3" * 64)
    shards = tuple(Artifact(f"s3://assayline/{n}", str(n) * 64, n) for n in range(3))
    reference = Reference(base, shards[:2], shards[2:], 7)
    job = Job(
        STORE, TRACKING, TOKENS, base, learner, settings, Device("cpu", "float32", 1), "key",
        tmp_path, "run", 1.0, reference,
    )  # fmt: skip
    job.save(tmp_path / "job.json")
    read = Job.load(tmp_path / "job.json", STORE, TRACKING)
    assert read == job
    assert read.soft_labels is None


def test_a_worker_reads_what_a_job_learns_from_a_teacher(tmp_path: Path) -> None:
    shards = tuple(Artifact(f"s3://assayline/{n}", str(n) * 64, n) for n in range(4))
    lesson = Lesson(SoftLabels(shards, "version 1 of a", "4" * 64, 7, 2), 3.0, 0.4, (0, 2), 1.5)
    job = Job(
        STORE, TRACKING, TOKENS, BaseModel("x", None, "2" * 64, "3" * 64),
        learner_for("classification", TOKENS, SETTINGS), SETTINGS, Device("cpu", "float32", 1),
        "key", tmp_path, "run", 1.0, lesson,
    )  # fmt: skip
    job.save(tmp_path / "job.json")
    read = Job.load(tmp_path / "job.json", STORE, TRACKING)
    assert read == job
    assert read.rounds == 2
    taught = taught_of(read)
    assert taught
    assert taught.states
    assert (taught.weight, taught.states.layers, taught.states_weight) == (0.4, (0, 2), 1.5)


def test_a_fitted_job_weighs_the_classes(tmp_path: Path) -> None:
    learner = learner_for("classification", TOKENS, SETTINGS)
    job = Job(
        STORE, TRACKING, TOKENS, BaseModel("x", None, "2", "3"), learner, SETTINGS,
        Device("cpu", "float32", 1), "key", tmp_path, "run",
    )  # fmt: skip
    fitted = job.fitted_to(Rows())
    assert fitted.learner.class_weights == pytest.approx((2.0, 2 / 3))
    plain = fitted.learner.without_loss_settings()
    assert (plain.class_weights, plain.loss_settings) == ((), LossSettings())

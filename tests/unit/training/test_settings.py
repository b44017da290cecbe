"""What is refused before anything long starts, and the course of each learning rate."""

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from infra.device import Device, check_device, precisions_of
from infra.errors import SettingsError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import Vocabulary
from tasks.task_types.learner import LEARNERS, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.arguments import trainer_arguments
from tasks.training.batching import TokenizedRows
from tasks.training.curves import Curves
from tasks.training.settings import TrainingSettings, check_method
from tasks.training.trainer import LineTrainer

CPU = Device("cpu", "float32", 1)
RATE = 1e-3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class_weights": "balanced"}, "training.class_weights is balanced; set it to none"),
        ({"label_smoothing": 0.1}, r"training.label_smoothing is 0.1; set it to 0"),
        ({"batching": "packed"}, "training.batching is packed; set it to padded or auto"),
    ],
)
def test_a_method_that_a_task_type_does_not_know_is_refused(
    changes: dict[str, Any], said: str
) -> None:
    learner = LEARNERS.load("sentence_embedding")
    check_method("sentence_embedding", learner, TrainingSettings())
    with pytest.raises(SettingsError, match=f"task_type sentence_embedding .*{said}"):
        check_method("sentence_embedding", learner, TrainingSettings(**changes))


def test_all_unknown_methods_are_named_at_once() -> None:
    wrong = TrainingSettings(class_weights="balanced", label_smoothing=0.1)
    with pytest.raises(SettingsError, match=r"class_weights is .*; training.label_smoothing is"):
        check_method("regression", LEARNERS.load("regression"), wrong)


@pytest.mark.parametrize(
    "changes",
    [
        {"sharding": "fsdp"},
        {"sharding": "fsdp", "workers": 2, "method": "lora"},
        {"schedule": "on_plateau"},
        {"method": "frozen", "layer_decay": 0.5},
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="set "):
        TrainingSettings(**changes)


def test_a_number_format_that_the_device_lacks_is_refused() -> None:
    check_device(CPU, "auto", 4)
    with pytest.raises(SettingsError, match="float16, which needs a GPU, and the device is cpu"):
        check_device(CPU, "float16", 1)
    assert precisions_of(CPU)[0] == "float32"


def trainer_of(folder: Path, tiny_model: Path, settings: TrainingSettings) -> LineTrainer:
    table = pa.table(
        {
            "row_id": ["a", "b"],
            "input_ids": pa.array([[2, 5, 3], [2, 3]], pa.list_(pa.int32())),
            "labels": pa.array([0, 1], pa.int64()),
        }
    )
    path = folder / "train.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    rows, learner = TokenizedRows(path), learner_of("classification", ("x", "y"), TokenLimits(16))
    with quiet_transformers():
        model = learner.load_model(tiny_model)
        arguments = trainer_arguments(settings, CPU, folder / "out", learner)
        return LineTrainer(
            model, arguments, learner, settings, (rows, rows), Vocabulary(0, 600), Curves()
        )


WARM, STEPS = 4, 16
COURSES = {
    "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * (step - WARM) / (STEPS - WARM))),
    "constant": lambda _step: 1.0,
    "inverse_sqrt": lambda step: math.sqrt(WARM / step),
    "linear": lambda step: (STEPS - step) / (STEPS - WARM),
}


@pytest.mark.parametrize("schedule", list(COURSES))
def test_the_learning_rate_takes_its_course(
    schedule: str, tiny_model: Path, tmp_path: Path
) -> None:
    settings = TrainingSettings(schedule=schedule, learning_rate=RATE, warmup_ratio=WARM / STEPS)
    trainer = trainer_of(tmp_path, tiny_model, settings)
    trainer.create_optimizer()
    course = trainer.create_scheduler(num_training_steps=STEPS)
    for step in range(STEPS):
        expected = step / WARM if step < WARM else COURSES[schedule](step)
        assert course.get_last_lr()[0] == pytest.approx(RATE * expected, rel=1e-6, abs=1e-12)
        trainer.optimizer.step()
        course.step()


@pytest.mark.parametrize(
    ("task", "values"),
    [("classification", (0.5, 0.6, 0.55, 0.58)), ("regression", (3.0, 2.0, 2.5, 2.2))],
)
def test_on_a_plateau_the_rate_falls_to_a_tenth(
    task: str, values: tuple[float, ...], tiny_model: Path, tmp_path: Path
) -> None:
    """Whether the metric is to rise or to fall; one epoch without a better value is borne."""
    settings = TrainingSettings(schedule="on_plateau", learning_rate=RATE, warmup_ratio=0)
    arguments = trainer_arguments(
        settings, CPU, tmp_path / "out", learner_of(task, ("x", "y"), TokenLimits(16))
    )
    trainer = trainer_of(tmp_path, tiny_model, settings)
    trainer.create_optimizer()
    trainer.args.lr_scheduler_kwargs = arguments.lr_scheduler_kwargs
    course = trainer.create_scheduler(num_training_steps=STEPS)
    assert isinstance(course, torch.optim.lr_scheduler.ReduceLROnPlateau)
    rates = []
    for value in values:
        course.step(value)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([RATE, RATE, RATE, RATE / 10])


def test_a_single_row_without_memory_is_named(tiny_model: Path, tmp_path: Path) -> None:
    """A layer asks the real allocator for more than any machine has, whatever the pass."""
    trainer = trainer_of(tmp_path, tiny_model, TrainingSettings(batch_size=2))
    trainer.model.bert.encoder.register_forward_pre_hook(lambda *_: (torch.empty(2**50), None)[1])
    step = next(iter(trainer.get_train_dataloader()))
    with pytest.raises(
        Exception, match="a single row of 3 tokens does not fit into memory"
    ) as told:
        trainer.training_step(trainer.model, step)
    assert type(told.value).__name__ == "TrainingError"
    assert "lower tokenization.max_length" in str(told.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_labels": 3}, r"classifier.* is \(3.*\) there and \(2.*\) in the model"),
        ({"num_hidden_layers": 3}, "is not in the model"),
        ({"num_hidden_layers": 1}, "is not there"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(
    changes: dict[str, int], said: str, tiny_model: Path, tmp_path: Path
) -> None:
    trainer = trainer_of(tmp_path, tiny_model, TrainingSettings())
    config = BertConfig.from_pretrained(tiny_model, **{"num_labels": 2, **changes})
    BertForSequenceClassification(config).save_pretrained(tmp_path / "checkpoint-7")
    with pytest.raises(TrainingError, match=f"checkpoint-7 is of another model: .*{said}"):
        trainer._load_from_checkpoint(str(tmp_path / "checkpoint-7"))
    trainer.model.save_pretrained(tmp_path / "checkpoint-8")
    trainer._load_from_checkpoint(str(tmp_path / "checkpoint-8"))

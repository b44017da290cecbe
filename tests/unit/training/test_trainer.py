from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import PreTrainedModel

from infra.device import Device, deterministic_algorithms
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import Vocabulary
from tasks.task_types.learner import LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.arguments import trainer_arguments
from tasks.training.batching import TokenizedRows
from tasks.training.curves import Curves
from tasks.training.settings import TrainingSettings
from tasks.training.trainer import LineTrainer

CPU = Device("cpu", "float32", 1)
VOCABULARY = Vocabulary(pad_id=0, size=600)


@pytest.fixture
def rows(tmp_path: Path) -> TokenizedRows:
    table = pa.table(
        {
            "row_id": ["a", "b", "c"],
            "input_ids": pa.array([[2, 5, 3], [2, 3], [2, 7, 8, 9, 3]], pa.list_(pa.int32())),
            "labels": pa.array([0, 1, 1], pa.int64()),
        }
    )
    path = tmp_path / "train.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return TokenizedRows(path)


@pytest.fixture
def trainer(tiny_model: Path, rows: TokenizedRows, tmp_path: Path) -> LineTrainer:
    settings = TrainingSettings(weight_decay=0.3, warmup_ratio=0.25, epochs=8, batch_size=3)
    learner = learner_of("classification", ("x", "y"), TokenLimits(16))
    with quiet_transformers():
        model: PreTrainedModel = learner.load_model(tiny_model)
        arguments = trainer_arguments(settings, CPU, tmp_path / "out", learner)
        return LineTrainer(model, arguments, learner, settings, (rows, rows), VOCABULARY, Curves())


def test_rows_are_read_as_they_were_written(rows: TokenizedRows) -> None:
    assert len(rows) == 3
    assert rows.lengths.tolist() == [3, 2, 5]
    assert [rows[index]["input_ids"].tolist() for index in range(3)] == [
        [2, 5, 3], [2, 3], [2, 7, 8, 9, 3],
    ]  # fmt: skip
    assert [rows[index]["labels"] for index in range(3)] == [0, 1, 1]


def test_biases_and_norms_do_not_decay(trainer: LineTrainer) -> None:
    names = {id(value): name for name, value in trainer.model.named_parameters()}
    optimizer = trainer.create_optimizer()
    decay = {group["weight_decay"]: group["params"] for group in optimizer.param_groups}
    assert set(decay) == {0.3, 0.0}
    decayed, spared = ({names[id(value)] for value in decay[rate]} for rate in (0.3, 0.0))
    assert decayed | spared == set(names.values())
    assert all(name.endswith(".weight") and "LayerNorm" not in name for name in decayed)
    assert all(name.endswith(".bias") or "LayerNorm" in name for name in spared)
    assert "classifier.weight" in decayed


def test_the_learning_rate_rises_and_falls_in_straight_lines(trainer: LineTrainer) -> None:
    trainer.create_optimizer()
    schedule = trainer.create_scheduler(num_training_steps=8)
    rates = []
    for _ in range(8):
        rates.append(schedule.get_last_lr()[0])
        trainer.optimizer.step()
        schedule.step()
    shares = [0, 1 / 2, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    np.testing.assert_allclose(rates, [1e-4 * share for share in shares], rtol=1e-6)


def test_smoothing_raises_the_training_loss_alone(
    tiny_model: Path, rows: TokenizedRows, tmp_path: Path
) -> None:
    losses = {}
    for smoothing in (0.0, 0.4):
        settings = TrainingSettings(label_smoothing=smoothing)
        loss_settings = LossSettings(smoothing)
        learner = learner_of("classification", ("x", "y"), TokenLimits(16), loss_settings)
        with quiet_transformers(), deterministic_algorithms():
            model = learner.load_model(tiny_model)
            model.classifier.weight.data.fill_(0)
            model.classifier.bias.data[:] = model.classifier.bias.data.new_tensor([3.0, -3.0])
            arguments = trainer_arguments(settings, CPU, tmp_path, learner)
            one = LineTrainer(
                model, arguments, learner, settings, (rows, rows), VOCABULARY, Curves()
            )
            trained = one.training_step(model, {"examples": [rows[0]]}).item()
            validated = one.evaluate()["eval_loss"]
            losses[smoothing] = (trained, validated)
    assert losses[0.4][0] > losses[0.0][0] + 0.5
    assert losses[0.4][1] == pytest.approx(losses[0.0][1])


def test_a_step_without_memory_is_taken_in_smaller_passes(
    tiny_model: Path,
    rows: TokenizedRows,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A layer asks the real allocator for more than any machine has, where a pass is too large."""
    largest: list[int] = []

    def ask_for_memory(_module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        if inputs and inputs[0].shape[0] > 1:
            torch.empty(2**50)
        largest.append(inputs[0].shape[0])

    learner = learner_of("classification", ("x", "y"), TokenLimits(16))
    settings = TrainingSettings(epochs=1, batch_size=3, dropout=0.0, weight_decay=0.0)
    after = []
    for scarce in (False, True):
        torch.manual_seed(0)
        with quiet_transformers():
            model = learner.load_model(tiny_model)
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
            arguments = trainer_arguments(settings, CPU, tmp_path / "out", learner)
            one = LineTrainer(
                model, arguments, learner, settings, (rows, rows), VOCABULARY, Curves()
            )
            if scarce:
                model.bert.encoder.register_forward_pre_hook(ask_for_memory)
                one.args.eval_strategy = "no"
            model.train()
            step = next(iter(one.get_train_dataloader()))
            loss = one.training_step(model, step)
            gradient = torch.cat(
                [p.grad.flatten() for p in model.parameters() if p.grad is not None]
            )
            after.append((loss.item(), gradient))
    assert set(largest) == {1}
    assert "out of memory at step 1" in caplog.text
    assert after[1][0] == pytest.approx(after[0][0], rel=1e-5)
    torch.testing.assert_close(after[1][1], after[0][1], rtol=1e-4, atol=1e-6)

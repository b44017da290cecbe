"""What a method does to a real model, not that its flag was read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import GPT2Config, GPT2ForSequenceClassification, PreTrainedModel

from infra.device import Device
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import ROW_WEIGHT, Vocabulary
from tasks.task_types.learner import Learner, LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.arguments import trainer_arguments
from tasks.training.averaging import AverageCallback, WeightAverage
from tasks.training.batching import TokenizedRows
from tasks.training.curves import Curves
from tasks.training.methods import (
    UnfreezeCallback,
    depths_of,
    first_depth,
    merged,
    parameter_groups,
    prepare,
)
from tasks.training.settings import TrainingSettings
from tasks.training.trainer import LineTrainer

CPU = Device("cpu", "float32", 1)
LEARNER = learner_of("classification", ("x", "y"), TokenLimits(16))


@pytest.fixture
def model(tiny_model: Path) -> PreTrainedModel:
    torch.manual_seed(0)
    with quiet_transformers():
        loaded: PreTrainedModel = LEARNER.load_model(tiny_model)
    return loaded


@pytest.fixture
def rows(tmp_path: Path) -> TokenizedRows:
    draw = np.random.default_rng(0)
    ids = [draw.integers(5, 60, int(length)).tolist() for length in draw.integers(2, 12, 24)]
    table = pa.table(
        {
            "row_id": [str(number) for number in range(24)],
            "input_ids": pa.array(ids, pa.list_(pa.int32())),
            "labels": pa.array([number % 4 == 0 for number in range(24)]).cast(pa.int64()),
        }
    )
    path = tmp_path / "train.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return TokenizedRows(path)


def trainer_of(
    model: PreTrainedModel,
    rows: TokenizedRows,
    folder: Path,
    learner: Learner = LEARNER,
    **changes: object,
) -> LineTrainer:
    settings = TrainingSettings.model_validate(
        {"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "weight_decay": 0.1} | changes
    )
    with quiet_transformers():
        arguments = trainer_arguments(settings, CPU, folder / "out", learner)
        prepared = prepare(model, settings)
        return LineTrainer(
            prepared, arguments, learner, settings, (rows, rows), Vocabulary(0, 600), Curves()
        )


def moved(model: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


def copied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def test_depths_count_from_the_embeddings_to_the_head(model: PreTrainedModel) -> None:
    depths = depths_of(model)
    layers = model.config.num_hidden_layers
    assert depths["bert.embeddings.word_embeddings.weight"] == 0
    assert depths["bert.encoder.layer.0.attention.self.query.weight"] == 1
    assert depths[f"bert.encoder.layer.{layers - 1}.output.dense.bias"] == layers
    assert depths["classifier.weight"] == depths["bert.pooler.dense.weight"] == layers + 1


def test_depths_of_a_decoder() -> None:
    model = GPT2ForSequenceClassification(
        GPT2Config(vocab_size=50, n_embd=8, n_layer=3, n_head=2, n_positions=16)
    )
    depths = depths_of(model)
    assert depths["transformer.wte.weight"] == depths["transformer.wpe.weight"] == 0
    assert depths["transformer.h.2.mlp.c_fc.weight"] == 3
    assert depths["transformer.ln_f.weight"] == depths["score.weight"] == 4


def test_a_frozen_backbone_has_no_gradient_and_does_not_move(
    model: PreTrainedModel, rows: TokenizedRows, tmp_path: Path
) -> None:
    before = copied(model)
    trainer = trainer_of(model, rows, tmp_path, method="frozen")
    trainer.train()
    assert {name.split(".")[0] for name in moved(model, before) if "pooler" not in name} == {
        "classifier"
    }
    frozen = [p for name, p in model.named_parameters() if "encoder" in name]
    assert all(p.grad is None and not p.requires_grad for p in frozen)


def test_layers_thaw_from_the_top_epoch_by_epoch(
    model: PreTrainedModel, rows: TokenizedRows, tmp_path: Path
) -> None:
    settings = TrainingSettings(method="unfreeze")
    trainer = trainer_of(model, rows, tmp_path, method="unfreeze", epochs=3)
    trainer.add_callback(UnfreezeCallback(settings))
    depths, lowest = depths_of(model), []
    start = copied(model)

    class Watch(UnfreezeCallback):
        def on_epoch_begin(self, *_: object, **__: object) -> None:
            pass

        def on_epoch_end(self, *_: object, **__: object) -> None:
            lowest.append(min(depths[name] for name in moved(model, start)))

    trainer.add_callback(Watch(settings))
    trainer.train()
    top = max(depths.values())
    assert lowest == [max(0, top - epoch) for epoch in range(3)]
    assert first_depth(model, settings, epoch=100) == 0


def test_rates_fall_with_the_distance_from_the_head(model: PreTrainedModel) -> None:
    settings = TrainingSettings(layer_decay=0.5, learning_rate=1e-3, weight_decay=0.1)
    decaying = {name for name, _ in model.named_parameters() if name.endswith(".weight")}
    groups = parameter_groups(model, settings, decaying)
    names = {id(p): name for name, p in model.named_parameters()}
    depths = depths_of(model)
    top = max(depths.values())
    seen = set()
    for group in groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            seen.add(name)
            assert group["lr"] == pytest.approx(1e-3 * 0.5 ** (top - depths[name]))
            assert group["weight_decay"] == (0.1 if name in decaying else 0.0)
    assert seen == set(names.values())


def test_lora_moves_only_adapters_and_head_and_merges_to_a_plain_model(
    model: PreTrainedModel, rows: TokenizedRows, tmp_path: Path
) -> None:
    backbone = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer = trainer_of(model, rows, tmp_path, method="lora", lora_rank=2, lora_alpha=4)
    learning = {name for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora_" in name or "classifier" in name for name in learning)
    share = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    trainer.train()
    ids = torch.randint(5, 60, (3, 7))
    adapted = trainer.model.eval()(input_ids=ids).logits
    plain = merged(trainer.model)
    torch.testing.assert_close(plain.eval()(input_ids=ids).logits, adapted, rtol=1e-4, atol=1e-5)
    assert set(dict(plain.named_parameters())) == set(backbone)
    query = "bert.encoder.layer.0.attention.self.query.weight"
    change = dict(plain.named_parameters())[query] - backbone[query]
    assert 0 < torch.linalg.matrix_rank(change, atol=1e-6) <= 2
    assert share < sum(p.numel() for p in plain.parameters())


def test_the_average_is_that_of_the_formula_and_is_what_is_validated(
    model: PreTrainedModel, rows: TokenizedRows, tmp_path: Path
) -> None:
    trainer = trainer_of(model, rows, tmp_path)
    trainer.average = WeightAverage(model, 0.9)
    trainer.add_callback(AverageCallback(trainer.average))
    name, history = "classifier.weight", [copied(model)["classifier.weight"]]

    class Watch(AverageCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            history.append(dict(model.named_parameters())[name].detach().clone())

    trainer.add_callback(Watch(trainer.average))
    trainer.train()
    expected = history[0]
    for now in history[1:]:
        expected = 0.9 * expected + 0.1 * now
    torch.testing.assert_close(trainer.average.values[name], expected)
    # The epoch's best weights are the average, not the last step's.
    torch.testing.assert_close(dict(model.named_parameters())[name].detach(), expected)
    assert not torch.allclose(expected, history[-1])


def test_balanced_weights_average_to_one_over_the_rows(rows: TokenizedRows) -> None:
    balanced = replace(LEARNER, loss_settings=LossSettings(balanced=True)).fitted_to(rows)
    assert balanced.class_weights == pytest.approx([24 / (2 * 18), 24 / (2 * 6)])
    weights = np.array(balanced.class_weights)
    assert weights[rows.column("labels")].mean() == pytest.approx(1)
    assert LEARNER.fitted_to(rows) is LEARNER
    assert balanced.without_loss_settings() == LEARNER


def test_weights_of_rows_that_follow_from_their_label_train_as_weights_of_labels(
    model: PreTrainedModel, rows: TokenizedRows, tmp_path: Path
) -> None:
    balanced = replace(LEARNER, loss_settings=LossSettings(balanced=True)).fitted_to(rows)
    by_label = np.array(balanced.class_weights, np.float32)
    path = tmp_path / "train.arrow"
    with pa.OSFile(str(path), "rb") as source:
        table = pa.ipc.open_file(source).read_all()
    weights = pa.array(by_label[table["labels"].to_numpy()])
    weighed = tmp_path / "weighed.arrow"
    table = table.append_column(ROW_WEIGHT, weights)
    with pa.OSFile(str(weighed), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    after, start = [], copied(model)
    for learner, data in ((balanced, rows), (LEARNER, TokenizedRows(weighed)), (LEARNER, rows)):
        fresh = type(model)(model.config)
        fresh.load_state_dict(model.state_dict())
        trainer = trainer_of(fresh, data, tmp_path, learner, dropout=0.0, batch_size=5)
        trainer.train()
        assert moved(fresh, start)
        after.append(torch.cat([p.detach().flatten() for p in fresh.parameters()]))
    torch.testing.assert_close(after[1], after[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(after[1], after[2], rtol=1e-4, atol=1e-5)


def test_dropout_is_that_of_the_settings(model: PreTrainedModel) -> None:
    prepare(model, TrainingSettings(dropout=0.37))
    rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates == {0.37}


def test_checkpointed_activations_give_the_same_gradient(
    model: PreTrainedModel, rows: TokenizedRows, tmp_path: Path
) -> None:
    after = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        fresh = type(model)(model.config)
        fresh.load_state_dict(model.state_dict())
        trainer = trainer_of(
            fresh, rows, tmp_path, gradient_checkpointing=checkpointing, dropout=0.0
        )
        trainer.train()
        after.append(torch.cat([p.detach().flatten() for p in fresh.parameters()]))
    torch.testing.assert_close(after[0], after[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "lora", "layer_decay": 0.9},
        {"schedule": "on_plateau"},
        {"method": "magic"},
        {"dropout": 1.0},
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"layer_decay|warmup_ratio|method|dropout"):
        TrainingSettings.model_validate(wrong)

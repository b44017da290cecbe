"""A step that learns from a teacher too: however it is cut, its gradient is that of one batch."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from infra.errors import TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import IGNORED, Example, Vocabulary
from tasks.task_types.hidden_states import STATES, HiddenStates, kept_states
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.soft_labels import SoftLabels, soft_labels_of
from tasks.training.batching import TokenizedRows
from tasks.training.packing import exact_packing
from tasks.training.passes import Objective, Passes, Taught

VOCABULARY = Vocabulary(pad_id=0, size=600)
LABELS = ("B-x", "I-x", "O")
ACCELERATOR: Any = SimpleNamespace(
    backward=lambda loss: loss.backward(), no_sync=lambda _: nullcontext(), num_processes=1
)


def examples_of(
    task_type: str, learner: Any, soft: SoftLabels, layers: tuple[int, ...] = ()
) -> list[Example]:
    """Rows of several lengths, with what is kept of a teacher that says anything."""
    random = np.random.default_rng(0)
    made: list[Example] = []
    for length in (9, 3, 6, 12, 4):
        labels: Any = random.integers(0, 3, length)
        labels[random.random(length) < 0.3] = IGNORED
        own = {"labels": labels, "meanings": np.array([0, 1, 2])}
        if task_type == "sentence_embedding":
            own = {"target_ids": random.integers(5, 600, 16 - length), "source_text": length,
                   "target_text": 20 + length}  # fmt: skip
        if task_type == "classification":
            own = {"labels": abs(int(labels[0])) % 3}
        ids = random.integers(5, VOCABULARY.size, length).astype(np.int32)
        made.append({"input_ids": ids, "seed": 0, **own})
    batch = learner.collate(made, VOCABULARY)
    of_rows = (len(made), 12, VOCABULARY.size if task_type == "causal_lm" else 3)
    shape = of_rows[::2] if task_type == "classification" else of_rows
    said = {"logits": torch.from_numpy(random.normal(size=shape).astype(np.float32))}
    width = 16 if task_type == "causal_lm" else 32
    rows, length = batch.inputs["input_ids"].shape
    states = random.normal(size=(4, rows, length, width)).astype(np.float32)
    said |= {"last_hidden_state": torch.from_numpy(states[0])}
    kept = dict(soft.kept(said, batch, GPT2Config()))
    if layers:
        hidden: Any = {"hidden_states": tuple(torch.from_numpy(states))}
        kept[STATES] = kept_states(hidden, batch, [1, 3])
    return [{**one, **{n: kept[n][place] for n in kept}} for place, one in enumerate(made)]


def model_of(task_type: str, learner: Any, tiny_model: Path) -> Any:
    if task_type != "causal_lm":
        with quiet_transformers():
            return learner.load_model(tiny_model).eval()
    torch.manual_seed(0)
    sizes = {"n_positions": 16, "n_embd": 16, "n_layer": 1, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY.size, **sizes)).eval()


@pytest.mark.parametrize(
    ("task_type", "layers"),
    [
        ("classification", ()), ("classification", (0, 2)), ("tagging", ()), ("causal_lm", ()),
        ("causal_lm", (0, 1)), ("sentence_embedding", ()),
    ],
)  # fmt: skip
def test_the_gradient_is_that_of_one_padded_batch(
    task_type: str, layers: tuple[int, ...], tiny_model: Path
) -> None:
    labels = () if task_type in {"causal_lm", "sentence_embedding"} else LABELS
    learner = learner_of(task_type, labels, TokenLimits(16))
    soft = soft_labels_of(learner, 3.0)
    examples = examples_of(task_type, learner, soft, layers)
    states = HiddenStates(layers) if layers else None
    taught = Taught(soft, 0.6, states, 0.5 if states else 0.0)
    model = model_of(task_type, learner, tiny_model)
    found = []
    for budget, packed in ((1000, False), (14, False), *([(20, True)] * learner.packs)):
        passes = Passes(learner, VOCABULARY, budget, taught=taught)
        if packed:
            passes.packing = exact_packing(model, passes.collate(examples), on_gpu=False)
            assert passes.packing
        found.append(step_of(model, passes, examples, learner, taught))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-4)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-3, atol=1e-5)
    plain = step_of(model, Passes(learner, VOCABULARY, 1000), examples, learner, None)
    assert plain[0] != pytest.approx(found[0][0], rel=1e-2)


def step_of(
    model: Any, passes: Passes, examples: Sequence[Example], learner: Any, taught: Taught | None
) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    objective = Objective(learner, ACCELERATOR, nullcontext, taught=taught)
    losses = objective.backward(model, passes.of(examples), "cpu")
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    return float(sum(losses)), gradient


def written(path: Path, **columns: Any) -> Path:
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def test_what_a_teacher_says_must_be_of_the_same_rows(tmp_path: Path) -> None:
    ids = pa.array([[2, 3], [4, 5, 6], [7]], pa.list_(pa.int32()))
    rows = written(tmp_path / "train.arrow", row_id=["a", "b", "c"], input_ids=ids)
    soft = [
        written(tmp_path / f"soft-{number}.arrow", row_id=own, soft_logits=values)
        for number, (own, values) in enumerate([(["a", "b"], [[1.0], [2.0]]), (["c"], [[3.0]])])
    ]
    read = TokenizedRows(rows, beside=soft)
    assert [read[place]["soft_logits"].tolist() for place in range(3)] == [[1.0], [2.0], [3.0]]
    assert read.lengths.tolist() == [2, 3, 1]
    with pytest.raises(TrainingError, match="is not of the rows of"):
        TokenizedRows(rows, beside=soft[::-1])


def test_each_draw_of_a_row_comes_with_what_was_said_of_it(tmp_path: Path) -> None:
    """Epochs take turns with the draws, whose seeds and targets stand in place of the row's own."""
    ids = pa.array([[2, 3], [4, 5, 6], [7]], pa.list_(pa.int32()))
    own = {"row_id": ["a", "b", "c"], "input_ids": ids, "target_ids": ids}
    rows = written(tmp_path / "train.arrow", **own)
    targets = pa.array([[9], [9, 9], [9, 9, 9]], pa.list_(pa.int32()))
    seeds = [[2**63 + 1, 11, 12], [20, 21, 22]]
    beside = [
        written(
            tmp_path / f"{draw}-{part}.arrow", row_id=own["row_id"][start:end],
            seed=pa.array(seeds[draw][start:end], pa.uint64()), target_ids=targets[start:end],
        )
        for draw in (0, 1)
        for part, (start, end) in enumerate([(0, 2), (2, 3)])
    ]  # fmt: skip
    read = TokenizedRows(rows, 5, beside, rounds=2)
    assert read.lengths.tolist() == [2 + 1, 3 + 2, 1 + 3]
    for epoch, wanted in enumerate([*seeds, *seeds]):
        read.set_epoch(epoch)
        assert [int(read[place]["seed"]) for place in range(3)] == wanted
        assert read[1]["target_ids"].tolist() == [9, 9]
    plain = TokenizedRows(rows, 5)
    plain.set_epoch(0)
    assert plain[0]["seed"] not in seeds[0]

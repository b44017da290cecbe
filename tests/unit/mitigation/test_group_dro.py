"""Group DRO: its weights by the paper's formula, its loss, and the groups beside the tokens."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmarks.gpu.folder_store import FolderStore
from infra.device import Device
from infra.tracking import Tracking
from tasks.mitigation.grouping import group_tokens
from tasks.mitigation.settings import GroupDroSettings
from tasks.records.group_dro import DroCell, GroupDro, GroupWeights
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.examples import ROW_GROUP, ROW_WEIGHT, Example, Vocabulary
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.group_dro import GroupAdversary
from tasks.training.jobs import Job, learner_for
from tasks.training.passes import Objective, Passes
from tasks.training.ranks import Ranks
from tasks.training.settings import TrainingSettings
from tests.unit.mitigation.test_reweighing import AUTHORS, SAID, clean_rows, stored

LEARNER = learner_of("classification", ("no", "yes"), TokenLimits(16))
VOCABULARY = Vocabulary(0, 60)
# Cells 0, 1 and 3 have rows; a last row is in none.
GROUPS = np.array([0, 0, 0, 0, 1, 1, 3, 3, 0, -1])
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1])
CELLS = tuple(
    DroCell(group, label, int((place == GROUPS).sum()))
    for place, (group, label) in enumerate(
        (group, label) for group in ("a", "b") for label in ("no", "yes")
    )
)
STEP = 0.3


def settings_of(max_weight: float = 100.0) -> GroupDro:
    return GroupDro("author", CELLS, 1, STEP, max_weight)


def examples(places: Sequence[int] = range(len(GROUPS))) -> list[Example]:
    return [
        {
            "input_ids": np.arange(5 + place, 7 + 2 * place) % 55, "labels": int(LABELS[place]),
            ROW_GROUP: int(GROUPS[place]),
        }
        for place in places
    ]  # fmt: skip


class Words(torch.nn.Module):
    """Logits of a text by its first word."""

    def __init__(self) -> None:
        super().__init__()
        drawn = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
        self.table = torch.nn.Parameter(drawn)

    def forward(self, input_ids: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        return {"logits": self.table[input_ids[:, 0]]}


class Alone:
    """What stands for accelerate, of one process."""

    num_processes = 1

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def no_sync(self, _model: Any) -> Any:
        return nullcontext()


def losses_of(model: Words, places: Sequence[int]) -> torch.Tensor:
    first = torch.tensor([5 + place for place in places])
    return cross_entropy(model.table[first], torch.tensor(LABELS[list(places)]), reduction="none")


def step(
    model: Words, adversary: GroupAdversary, places: Sequence[int], budget: int = 1_000,
    worker: int = 0, workers: int = 1,
) -> tuple[float, torch.Tensor]:  # fmt: skip
    """Loss and gradient of an optimizer step."""
    model.zero_grad()
    adversary.begin_step()
    passes = Passes(
        LEARNER, VOCABULARY, budget, worker=worker, workers=workers, adversary=adversary
    )
    objective = Objective(LEARNER, Alone(), nullcontext, adversary=adversary)
    losses = objective.backward(model, passes.of(examples(places)), "cpu")
    assert model.table.grad is not None
    return float(sum(losses)), model.table.grad.clone()


def by_the_paper(model: Words, weights: np.ndarray) -> np.ndarray:
    """Algorithm 1, line 6 and 7, with the loss of each group over all of its rows."""
    grown = weights.copy()
    for cell in (0, 1, 3):
        rows = np.flatnonzero(cell == GROUPS).tolist()
        grown[cell] *= np.exp(STEP * losses_of(model, rows).mean().item())
    return cast("np.ndarray", grown / grown.sum())


def test_the_weights_are_those_of_the_paper() -> None:
    model, adversary = Words(), GroupAdversary(settings_of(), GROUPS)
    expected = np.array([1, 1, 0, 1]) / 3
    history = []
    for _ in range(3):
        assert adversary.weights == pytest.approx(expected)
        history.append(expected)
        step(model, adversary, range(len(GROUPS)))
        adversary.end_step()
        expected = by_the_paper(model, expected)
    told = adversary.told
    assert told.last == pytest.approx(expected)
    assert told.mean == pytest.approx(np.mean(history, axis=0))
    assert told.cut == 0


@pytest.mark.parametrize("budget", [1_000, 40, 1])
def test_the_loss_is_that_of_the_groups_by_their_weights(budget: int) -> None:
    """However a step is split: n_in / N of sum_g q_g E[loss | g], and rows of no group once."""
    model, adversary = Words(), GroupAdversary(settings_of(), GROUPS)
    adversary.weights = np.array([0.2, 0.7, 0.0, 0.1])
    expected = losses_of(model, [9]).sum() / 10
    for cell, weight in enumerate(adversary.weights):
        if weight:
            rows = np.flatnonzero(cell == GROUPS).tolist()
            expected = expected + 0.9 * weight * losses_of(model, rows).mean()
    (gradient,) = torch.autograd.grad(expected, model.table)
    loss, found = step(model, adversary, range(len(GROUPS)), budget)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(found, gradient, rtol=1e-5, atol=1e-7)
    before = adversary.weights
    adversary.end_step()
    assert adversary.weights == pytest.approx(by_the_paper(model, before), rel=1e-5)


def test_losses_of_steps_are_right_on_average() -> None:
    """Steps of two rows: the logarithms move as far as by one step of all rows, five times."""
    model = Words()
    whole, parts = (GroupAdversary(settings_of(), GROUPS) for _ in range(2))
    moved = np.zeros(4)
    for start in range(0, 10, 2):
        before = parts.weights
        step(model, parts, [start, start + 1])
        parts.end_step()
        moved[[0, 1, 3]] += np.log(parts.weights[[0, 1, 3]] / before[[0, 1, 3]])
    step(model, whole, range(10))
    whole.end_step()
    once = np.log(whole.weights[[0, 1, 3]] * 3)
    each = moved[[0, 1, 3]] / 5
    assert each - each[0] == pytest.approx(once - once[0], rel=1e-5)


@dataclass(frozen=True)
class Pair(Ranks):
    """A worker that hears what the other one has said."""

    other: tuple[float, ...] = ()

    def sum(self, *values: float) -> list[float]:
        return [mine + theirs for mine, theirs in zip(values, self.other, strict=True)]


def test_two_workers_move_the_weights_as_one_does() -> None:
    model = Words()
    alone, one, two = (GroupAdversary(settings_of(), GROUPS) for _ in range(3))
    loss, gradient = step(model, alone, range(10))
    first, second = (
        step(model, adversary, range(10), worker=worker, workers=2)
        for worker, adversary in enumerate((one, two))
    )
    assert first[0] + second[0] == pytest.approx(loss)
    torch.testing.assert_close(first[1] + second[1], gradient)
    said = [tuple(adversary._losses.tolist()) for adversary in (one, two)]
    alone.end_step()
    for worker, adversary in enumerate((one, two)):
        adversary.end_step(Pair(worker, 2, None, said[1 - worker]))
        assert adversary.weights == pytest.approx(alone.weights)
    assert one.weights.tolist() == two.weights.tolist()


def test_a_factor_is_cut_and_a_step_begun_anew_counts_once() -> None:
    model, adversary = Words(), GroupAdversary(settings_of(max_weight=1.2), GROUPS)
    assert adversary.factors == pytest.approx([0.6, 1.2, 0, 1.2, 1])  # of none: 1
    step(model, adversary, [0, 6])  # did not fit, and is begun anew
    step(model, adversary, range(10))
    adversary.end_step()
    assert adversary.weights == pytest.approx(by_the_paper(model, np.array([1, 1, 0, 1]) / 3))
    assert adversary.told.cut == 1


def test_a_checkpoint_gives_the_weights_back_to_the_bit(tmp_path: Path) -> None:
    model, adversary = Words(), GroupAdversary(settings_of(), GROUPS)
    for places in (range(10), [0, 4, 6], [9]):
        step(model, adversary, places)
        adversary.end_step()
    adversary.save(tmp_path)
    again = GroupAdversary(settings_of(), GROUPS)
    again.load(tmp_path)
    for one in (adversary, again):
        step(model, one, [1, 7])
        one.end_step()
    assert again.told == adversary.told
    assert again.factors.tobytes() == adversary.factors.tobytes()


def test_validation_rows_have_no_group() -> None:
    adversary = GroupAdversary(settings_of(), GROUPS)
    plain = [{k: v for k, v in one.items() if k != ROW_GROUP} for one in examples()]
    passes = Passes(LEARNER, VOCABULARY, 1_000, adversary=adversary)
    assert ROW_WEIGHT not in passes.collate(plain).labels
    assert ROW_WEIGHT in passes.collate(examples()).labels


def groups_in(store: FolderStore, tokens: Tokens, folder: Path) -> dict[str, int]:
    path = store.get_folder(tokens.artifact, folder) / "train.arrow"
    with pa.OSFile(str(path), "rb") as source:
        table = pa.ipc.open_file(source).read_all()
    names, numbers = (table[name].to_pylist() for name in ("row_id", ROW_GROUP))
    return dict(zip(names, numbers, strict=True))


def test_each_training_row_has_its_cell_beside_its_tokens(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    tokens, data = stored(clean_rows(AUTHORS, SAID), store, tmp_path)
    asked = GroupDroSettings(attribute="author")
    made = group_tokens(tokens, data, "classification", asked, ("man", "woman"), store=store)
    told = made.group_dro
    assert told is not None
    found = groups_in(store, made, tmp_path / "read")
    for place, (author, label) in enumerate(zip(AUTHORS[:11], SAID, strict=False)):
        cell = told.cells[found[f"r{place}"]]
        assert (cell.group, cell.label) == (author if place < 10 else "several", label)
    assert found["r11"] == found["planted"] == -1
    assert [cell.rows for cell in told.cells] == [1, 4, 0, 1, 3, 2]
    assert (told.rows_of_groups, told.other_rows) == (11, 2)
    assert GroupDro.of(asdict(told)) == told
    assert made.artifact != tokens.artifact
    # A worker's job has all that it goes by.
    trained = TrainingSettings()
    job = Job(
        store, cast("Tracking", None), made, BaseModel("package:x", None, "2" * 64, "3" * 64),
        learner_for("classification", made, trained), trained, Device("cpu", "float32", 1), "key",
        tmp_path, "run", 1.0,
    )  # fmt: skip
    job.save(tmp_path / "job.json")
    assert Job.load(tmp_path / "job.json", store, cast("Tracking", None)).tokens == made


def test_what_the_weights_came_to_is_a_record() -> None:
    told = GroupAdversary(settings_of(), GROUPS).told
    assert told == GroupWeights((1 / 3, 1 / 3, 0, 1 / 3), (1 / 3, 1 / 3, 0, 1 / 3), 0)

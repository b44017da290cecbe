"""Weights by definition, beside the tokens that they are of, and in the loss."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn.functional import cross_entropy

from benchmarks.gpu.folder_store import FolderStore
from infra.device import Device
from infra.errors import DataError
from infra.tracking import Tracking
from tasks.fairness.groups import memberships
from tasks.fairness.settings import FairnessSettings
from tasks.mitigation.reweighing import (
    NO_GROUP,
    cell_counts,
    independent_weights,
    weights_of_rows,
)
from tasks.mitigation.settings import ReweighingSettings
from tasks.mitigation.weighing import weigh_tokens
from tasks.records.data import DataReport
from tasks.records.reweighing import Reweighing
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.examples import ROW_WEIGHT, Example, Vocabulary
from tasks.task_types.learner import LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.batching import TokenizedRows
from tasks.training.jobs import Job, learner_for
from tasks.training.passes import Passes
from tasks.training.settings import TrainingSettings
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS

LABELS = ("no", "yes")
LEARNER = learner_of("classification", LABELS, TokenLimits(16))
BY_AUTHOR = ReweighingSettings(attribute="author")


def test_the_weights_are_those_of_the_paper() -> None:
    """Kamiran and Calders 2012: ten applicants, five of them women, six accepted."""
    counts = np.array([[1, 4], [3, 2]])  # men and women; refused and accepted
    expected = np.array([[2.0, 0.75], [2 / 3, 1.5]])
    assert independent_weights(counts) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(arrays(np.int64, (3, 4), elements=st.integers(1, 60)))
def test_group_and_label_are_independent_and_their_shares_stay(counts: np.ndarray) -> None:
    weighed = independent_weights(counts) * counts
    assert weighed.sum() == pytest.approx(counts.sum())
    assert weighed.sum(axis=0) == pytest.approx(counts.sum(axis=0))
    assert weighed.sum(axis=1) == pytest.approx(counts.sum(axis=1))
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    assert weighed == pytest.approx(expected)


def test_rows_of_no_group_count_once_and_are_counted_nowhere() -> None:
    groups, labels = np.array([0, NO_GROUP, 1, 1]), np.array([1, 0, 0, 1])
    counts = cell_counts(groups, labels, (2, 2))
    assert counts.tolist() == [[0, 1], [1, 1]]
    weights = independent_weights(counts)
    assert np.isnan(weights[0, 0])
    assert weights_of_rows(groups, labels, weights)[1] == 1


def clean_rows(authors: Sequence[str | None], labels: Sequence[str]) -> list[dict[str, Any]]:
    made = [
        {"row_id": f"r{place}", "label": label, "text": text, "split": "train", "author": author}
        for place, (author, label) in enumerate(zip(authors, labels, strict=True))
        for text in (f"{'she said' if author == 'woman' else 'he said'} {place}",)
    ]
    held_out = {"label": "no", "text": "she and he", "author": "woman"}
    return [*made, {"row_id": "v", "split": "validation", **held_out},
            {"row_id": "t", "split": "test", **held_out}]  # fmt: skip


def stored(
    rows: Sequence[dict[str, Any]], store: FolderStore, folder: Path
) -> tuple[Tokens, DataReport]:
    """Clean rows and their tokens, of which a planted one is no clean row."""
    pq.write_table(pa.Table.from_pylist(rows), folder / "clean.parquet")
    clean = store.put_file(store.uri("clean", "rows.parquet"), folder / "clean.parquet")
    (folder / "tokens").mkdir()
    for split in ("train", "validation", "test"):
        ids = [row["row_id"] for row in rows if row["split"] == split]
        ids += ["planted"] if split == "train" else []
        table = pa.table(
            {
                "row_id": ids,
                "input_ids": pa.array([[5, 6]] * len(ids), pa.list_(pa.int32())),
                "labels": pa.array([0] * len(ids), pa.int64()),
            }
        )
        path = str(folder / "tokens" / f"{split}.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    artifact = store.put_folder(store.uri("tokens", "plain"), folder / "tokens")
    tokens = Tokens(artifact, LABELS, 16, {"train": len(rows) - 1}, {}, {}, canary_rows=1)
    data = DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("author",),
        rows_by_split={}, rows_by_label={}, rows_quarantined=0, quarantined_by_reason={},
        lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
        task_type="classification",
    )  # fmt: skip
    return tokens, data


# As the ten applicants of the paper, one who is both, and one of whom nothing is said.
AUTHORS = ["man"] * 5 + ["woman"] * 5 + ["man|woman", None]
SAID = ["no", "yes", "yes", "yes", "yes", "no", "no", "no", "yes", "yes", "yes", "no"]


def weights_in(store: FolderStore, tokens: Tokens, folder: Path) -> dict[str, float]:
    path = store.get_folder(tokens.artifact, folder) / "train.arrow"
    with pa.OSFile(str(path), "rb") as source:
        table = pa.ipc.open_file(source).read_all()
    names, weights = (table[name].to_pylist() for name in ("row_id", ROW_WEIGHT))
    return dict(zip(names, weights, strict=True))


def test_each_training_row_has_its_weight_beside_its_tokens(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    tokens, data = stored(clean_rows(AUTHORS, SAID), store, tmp_path)
    chosen = ("man", "woman")
    made = weigh_tokens(tokens, data, "classification", BY_AUTHOR, chosen, store=store)
    # By the count of all 11 rows of a group: several is a cell of its own, as it is assessed.
    weights = weights_in(store, made, tmp_path / "read")
    counts = {"man": (1, 4), "several": (0, 1), "woman": (3, 2)}
    of_label = (4, 7)
    for place, (author, label) in enumerate(zip(AUTHORS[:10], SAID, strict=False)):
        group = counts[str(author)]
        y = LABELS.index(label)
        expected = sum(group) * of_label[y] / (11 * group[y])
        assert weights[f"r{place}"] == pytest.approx(expected)
    assert weights["r11"] == weights["planted"] == 1
    record = made.reweighing
    assert record is not None
    assert (record.rows_of_groups, record.other_rows) == (11, 1)
    assert [(cell.group, cell.label, cell.rows) for cell in record.cells] == [
        ("man", "no", 1), ("man", "yes", 4), ("several", "no", 0), ("several", "yes", 1),
        ("woman", "no", 3), ("woman", "yes", 2),
    ]  # fmt: skip
    assert record.cells[2].weight is None
    assert Reweighing.of(asdict(record)) == record


def test_held_out_examples_stay_and_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    tokens, data = stored(clean_rows(AUTHORS, SAID), store, tmp_path)
    one, again = (
        weigh_tokens(tokens, data, "classification", BY_AUTHOR, (), store=store) for _ in range(2)
    )
    assert one == again
    assert one.artifact.sha256 != tokens.artifact.sha256
    before = store.get_folder(tokens.artifact, tmp_path / "before")
    after = store.get_folder(one.artifact, tmp_path / "after")
    for split in ("validation", "test"):
        name = f"{split}.arrow"
        assert (after / name).read_bytes() == (before / name).read_bytes()


def test_a_weight_is_cut_and_what_was_asked_is_told(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    tokens, data = stored(clean_rows(AUTHORS[:10], SAID[:10]), store, tmp_path)
    asked = ReweighingSettings(attribute="author", max_weight=1.2)
    made = weigh_tokens(tokens, data, "classification", asked, (), store=store)
    assert max(weights_in(store, made, tmp_path / "read").values()) == pytest.approx(1.2)
    assert made.reweighing is not None
    cut = {(one.group, one.label): one.asked for one in made.reweighing.cells if one.is_cut}
    assert cut == {("man", "no"): pytest.approx(2), ("woman", "yes"): pytest.approx(1.5)}


def test_groups_are_told_by_words_too(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    tokens, data = stored(clean_rows(AUTHORS[:10], SAID[:10]), store, tmp_path)
    gender = ReweighingSettings(attribute="gender")
    spoken = replace(data, group_columns=())
    made = weigh_tokens(tokens, spoken, "classification", gender, (), store=store)
    weights = weights_in(store, made, tmp_path / "read")
    assert [weights[f"r{place}"] for place in (0, 1, 5, 8)] == pytest.approx([2, 0.75, 2 / 3, 1.5])


def test_a_row_is_weighed_in_the_cell_that_fairness_compares(tmp_path: Path) -> None:
    """Of groups that the settings choose among others, by a column and by words alike."""
    authors = ["man", "woman", "man|trans", "trans", "man|woman", None] * 3
    said = ["no", "yes", "yes", "no", "no", "yes"] * 2 + ["yes", "no"] * 3
    store, chosen = FolderStore(tmp_path / "store"), ("man", "woman")
    tokens, data = stored(clean_rows(authors, said), store, tmp_path)
    made = weigh_tokens(tokens, data, "classification", BY_AUTHOR, chosen, store=store)
    weights = weights_in(store, made, tmp_path / "read")
    assert made.reweighing is not None
    asked = {(one.group, one.label): one.weight for one in made.reweighing.cells}
    column = pa.chunked_array([pa.array(authors, pa.string())])
    fairness = FairnessSettings(identity_attributes=(), groups={"author": chosen})
    found = memberships(pa.table({"author": column}), [""] * len(said), ("author",), fairness)
    cells = list(found)[1]
    for place, label in enumerate(said):
        (cell,) = [name for at, name in enumerate(cells.groups) if cells.rows[place, at]]
        expected = asked[cell, label] if cell in cells.compared else 1.0
        assert weights[f"r{place}"] == pytest.approx(expected)
    assert {group for group, _ in asked} == {"man", "several", "woman"}
    assert made.reweighing.other_rows == 6  # of no group, and of another one alone


def test_one_group_alone_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    tokens, data = stored(clean_rows(["man"] * 3, ["no", "yes", "no"]), store, tmp_path)
    with pytest.raises(DataError, match="the training rows hold man of its groups"):
        weigh_tokens(tokens, data, "classification", BY_AUTHOR, (), store=store)


def examples(weights: Sequence[float] | None, size: int) -> list[Example]:
    random = np.random.default_rng(1)
    made: list[Example] = [
        {"input_ids": random.integers(5, 60, 2 + place), "labels": place % 2}
        for place in range(size)
    ]
    if weights is None:
        return made
    return [{**one, ROW_WEIGHT: weight} for one, weight in zip(made, weights, strict=True)]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("classes", [(), (0.5, 2.0)])
def test_the_loss_of_a_row_counts_by_its_weight(
    smoothing: float, classes: tuple[float, ...]
) -> None:
    weights, vocabulary = [0.5, 3.0, 1.0, 2.0], Vocabulary(0, 600)
    learner: Any = replace(cast("Any", LEARNER), class_weights=classes)
    learner = replace(learner, loss_settings=LossSettings(smoothing))
    batch = learner.collate(examples(weights, 4), vocabulary)
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.1], [-0.4, 0.4], [1.0, -2.0]])
    by_row = cross_entropy(
        logits, batch.labels["labels"], torch.tensor(classes) if classes else None,
        reduction="none", label_smoothing=smoothing,
    )  # fmt: skip
    expected = sum(w * one for w, one in zip(weights, by_row.tolist(), strict=True)) / 4
    assert learner.loss({"logits": logits}, batch, torch.tensor([4])).item() == pytest.approx(
        expected
    )
    plain = learner.collate(examples(None, 4), vocabulary)
    assert learner.loss({"logits": logits}, plain, torch.tensor([4])).item() == pytest.approx(
        by_row.sum().item() / 4
    )


def test_under_autocast_the_weighed_loss_stays_in_float32() -> None:
    """A product of vectors would be summed in bfloat16, whose 8 bits round weights away."""
    weights = [1.003, 0.497, 2.51, 1.0]
    batch = LEARNER.collate(examples(weights, 4), Vocabulary(0, 600))
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.1], [-0.4, 0.4], [1.0, -2.0]], requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        loss = LEARNER.loss({"logits": logits}, batch, torch.tensor([4]))
    assert loss.dtype == torch.float32
    loss.backward()
    chances = logits.detach().softmax(dim=-1)
    truth = torch.nn.functional.one_hot(batch.labels["labels"], 2)
    by_hand = (chances - truth) * torch.tensor(weights)[:, None] / 4
    assert logits.grad is not None
    assert logits.grad.numpy() == pytest.approx(by_hand.numpy(), rel=1e-6)


def test_passes_of_a_step_sum_to_its_weighed_loss() -> None:
    """However rows are split into passes: the sum is divided by all rows of the step."""
    weights = [0.2, 4.0, 1.0, 0.7, 2.0]
    rows = examples(weights, 5)
    table = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    told = []
    for budget in (8, 1000):
        step = Passes(LEARNER, Vocabulary(0, 600), budget).of(rows)
        logits = [table[batch.inputs["input_ids"][:, 0] % 60] for batch in step.batches]
        losses = [
            LEARNER.loss({"logits": one}, batch, step.units)
            for one, batch in zip(logits, step.batches, strict=True)
        ]
        told.append((len(step.batches), float(sum(losses))))
    assert told[0][0] > told[1][0] == 1
    assert told[0][1] == pytest.approx(told[1][1])


def test_training_reads_the_weight_of_each_row(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    tokens, data = stored(clean_rows(AUTHORS[:10], SAID[:10]), store, tmp_path)
    made = weigh_tokens(tokens, data, "classification", BY_AUTHOR, (), store=store)
    folder = store.get_folder(made.artifact, tmp_path / "read")
    rows = TokenizedRows(folder / "train.arrow")
    assert [rows[place][ROW_WEIGHT] for place in (0, 1)] == pytest.approx([2, 0.75])
    assert ROW_WEIGHT not in TokenizedRows(folder / "validation.arrow")[0]


def test_a_worker_reads_how_the_rows_of_its_job_are_weighed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    plain, data = stored(clean_rows(AUTHORS[:10], SAID[:10]), store, tmp_path)
    made = weigh_tokens(plain, data, "classification", BY_AUTHOR, (), store=store)
    tracking, trained = cast("Tracking", None), TrainingSettings()  # a worker opens its own
    job = Job(
        store, tracking, made, BaseModel("package:x", None, "2" * 64, "3" * 64),
        learner_for("classification", made, trained), trained, Device("cpu", "float32", 1), "key",
        tmp_path, "run", 1.0,
    )  # fmt: skip
    job.save(tmp_path / "job.json")
    assert made.reweighing is not None
    assert Job.load(tmp_path / "job.json", store, tracking).tokens == made

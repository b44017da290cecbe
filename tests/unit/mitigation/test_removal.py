"""Iterative nullspace projection: by the paper's formula, and in the last layer of a model."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.linalg import null_space
from sklearn.linear_model import LogisticRegression
from transformers import AutoModelForSequenceClassification, GPT2Config

from benchmarks.gpu.folder_store import FolderStore
from infra.errors import DataError, TrainingError
from tasks.mitigation.nullspace import fitted_head, scale_of, told_directions, told_right, without
from tasks.mitigation.removal import remove_attribute
from tasks.mitigation.settings import InlpSettings
from tasks.records.data import DataReport
from tasks.records.training import Weights
from tasks.resampling import Floats, Ints
from tasks.task_types.labels.head_inputs import head_inputs
from tasks.task_types.labels.text_logits import text_logits
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS
from tests.unit.compression.compressed_models import weights_of
from tests.unit.task_types.every_task_type import trained

LABELS = ("no", "yes")
BY_AUTHOR = InlpSettings(attribute="author", rounds=2)


def drawn(rows: int = 400, groups: int = 2) -> tuple[Floats, Ints]:
    """Representations of 6 dimensions, of which the first ones tell the group."""
    random = np.random.default_rng(0)
    of_rows = random.integers(groups, size=rows)
    inputs = random.normal(size=(rows, 6))
    inputs[np.arange(rows), of_rows] += 2
    return inputs, of_rows


def test_what_is_taken_out_is_the_nullspace_of_the_paper() -> None:
    """Algorithm 1 by its own words: the nullspace of each classifier, one after the other."""
    inputs, groups = drawn()
    inputs = inputs / scale_of(inputs)
    projection = np.eye(6)
    for _ in range(2):
        told = LogisticRegression(max_iter=1_000).fit(inputs @ projection, groups).coef_
        nullspace = null_space(told @ projection)
        # Of the rows that are left of before: project there, and on what this one does not read.
        projection = nullspace @ nullspace.T @ projection
    basis = told_directions(inputs, groups, np.ones(len(groups)), 2)
    assert basis.shape == (2, 6)
    assert basis @ basis.T == pytest.approx(np.eye(2), abs=1e-9)
    assert without(np.eye(6), basis) == pytest.approx(projection, abs=1e-4)


def test_the_scale_is_that_of_all_dimensions_together() -> None:
    inputs, _ = drawn()
    assert scale_of(inputs) == pytest.approx(np.sqrt(np.var(inputs, axis=0).mean()))
    assert scale_of(7 * inputs + 3) == pytest.approx(7 * scale_of(inputs))
    assert scale_of(np.ones((3, 2))) == 1


@pytest.mark.parametrize("groups", [2, 3])
def test_a_probe_tells_no_more_than_the_largest_group(groups: int) -> None:
    inputs, of_rows = drawn(1_200, groups)
    learned, other = (inputs[:800], of_rows[:800]), (inputs[800:], of_rows[800:])
    basis = told_directions(*learned, np.ones(800), 2)
    assert len(basis) == 2 * (groups - 1)
    before = told_right(*learned, *other) / 400
    after = told_right(
        without(learned[0], basis), learned[1], without(other[0], basis), other[1]
    ) / 400  # fmt: skip
    assert before > 0.8
    assert after < 1 / groups + 0.1
    assert told_right(*learned, other[0][:0], other[1][:0]) == 0


@pytest.mark.parametrize("size", [2, 3])
def test_the_head_gives_the_logits_of_the_regression(size: int) -> None:
    inputs, labels = drawn(200, size)
    inputs = inputs / scale_of(inputs)
    weights, biases = fitted_head(inputs, labels, size)
    logits = torch.from_numpy(inputs @ weights.T + biases)
    expected = LogisticRegression(max_iter=1_000).fit(inputs, labels).predict_proba(inputs)
    assert logits.softmax(dim=1).numpy() == pytest.approx(expected)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def weights(
    tiny_model: Path, store: FolderStore, tmp_path_factory: pytest.TempPathFactory
) -> Weights:
    folder = tmp_path_factory.mktemp("trained") / "model"
    return weights_of(trained("classification", tiny_model, LABELS, folder), store, LABELS)


def rows_in(store: FolderStore, folder: Path, *, labels: tuple[str, ...] = LABELS) -> DataReport:
    """A word for the author and one for the label; half of the authors also say `bank`."""
    random = np.random.default_rng(1)
    made = []
    for place in range(160):
        author, label = ("man", "woman")[place % 2], labels[place // 2 % len(labels)]
        words = ["he" if author == "man" else "she", "good" if label == "yes" else "bad"]
        words += random.choice(["bank", "film", "match"], 2).tolist()
        split = ("train", "train", "validation", "test")[place // 40]
        row = {"row_id": f"{place * 7919 % 160:064x}", "text": " ".join(words), "label": label}
        # A test row that is read would be told by its text: no model takes that.
        made.append({**row, "author": author if split != "test" else None, "split": split})
    path = folder / "clean.parquet"
    pq.write_table(pa.Table.from_pylist(made), path)
    clean = store.put_file(store.uri("clean", f"{folder.name}.parquet"), path)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("author",),
        rows_by_split={}, rows_by_label={}, rows_quarantined=0, quarantined_by_reason={},
        lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
        task_type="classification",
    )  # fmt: skip


def test_the_projection_is_in_the_weights_of_a_plain_model(
    store: FolderStore, weights: Weights, tmp_path: Path
) -> None:
    data = rows_in(store, tmp_path)
    made = remove_attribute(weights, data, "classification", BY_AUTHOR, (), store=store)
    record = made.removal
    assert record is not None
    assert (record.groups, record.rows, record.head_rows) == (("man", "woman"), 80, 80)
    assert (record.rounds, record.directions, record.largest_share) == (2, 2, 0.5)
    assert record.before.rows == record.after.rows == 40
    assert record.before.share is not None
    assert record.after.share is not None
    assert record.after.share < record.before.share
    assert made.artifact.sha256 != weights.artifact.sha256

    before, after = (
        store.get_folder(one.artifact, tmp_path / name)
        for name, one in (("before", weights), ("after", made))
    )
    texts = ["he good bank", "she good bank", "she bad film match"]
    read, again = (head_inputs(folder, texts, max_length=16) for folder in (before, after))
    assert read.inputs == pytest.approx(again.inputs)  # nothing below the last layer has changed
    model = AutoModelForSequenceClassification.from_pretrained(after)
    old = AutoModelForSequenceClassification.from_pretrained(before)
    kept = {name for name, one in model.state_dict().items()
            if torch.equal(one, old.state_dict()[name])}  # fmt: skip
    assert model.state_dict().keys() - kept == {"classifier.weight", "classifier.bias"}
    same = remove_attribute(weights, data, "classification", BY_AUTHOR, (), store=store)
    assert same == made


def test_what_the_head_reads_does_not_tell_the_group_linearly(
    store: FolderStore, weights: Weights, tmp_path: Path
) -> None:
    """Moved along a direction that was taken out, a representation has the same logits."""
    data = rows_in(store, tmp_path)
    made = remove_attribute(weights, data, "classification", BY_AUTHOR, (), store=store)
    folder = store.get_folder(made.artifact, tmp_path / "after")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    rows = pq.read_table(store.get_file(data.clean, tmp_path / "read")).to_pylist()
    train = [row for row in rows if row["split"] == "train"]
    inputs = head_inputs(folder, [row["text"] for row in train], max_length=16).inputs
    groups = np.array([row["author"] == "woman" for row in train]).astype(np.int64)
    labels = np.array([row["label"] == "yes" for row in train]).astype(np.int64)
    # Group and label are independent in these rows, so that all weights are 1.
    assert np.bincount(groups * 2 + labels).tolist() == [20] * 4
    scaled = inputs.astype(np.float64) / scale_of(inputs.astype(np.float64))
    (direction,) = LogisticRegression(max_iter=1_000).fit(scaled, groups).coef_
    (row, _) = model.classifier.weight.detach().numpy()
    cosine = (row @ direction) / np.linalg.norm(row) / np.linalg.norm(direction)
    assert abs(cosine) < 0.005
    # And what the label goes by is still read.
    logits, _ = text_logits(folder, [row["text"] for row in train], max_length=16)
    assert (logits.argmax(axis=1) == labels).mean() > 0.9


def test_a_label_that_counts_alike_changes_the_head(
    store: FolderStore, weights: Weights, tmp_path: Path
) -> None:
    data = rows_in(store, tmp_path, labels=("no", "no", "yes"))
    heads = [
        remove_attribute(
            weights, data, "classification", BY_AUTHOR, (), balanced=balanced, store=store
        ).artifact.sha256
        for balanced in (False, True)
    ]
    assert heads[0] != heads[1]


def test_what_cannot_be_fitted_is_refused(
    store: FolderStore, weights: Weights, tmp_path: Path
) -> None:
    data = rows_in(store, tmp_path)
    many = BY_AUTHOR.model_copy(update={"rounds": 400})
    with pytest.raises(TrainingError, match="at most half of them may go: set it to"):
        remove_attribute(weights, data, "classification", many, (), store=store)
    (tmp_path / "other").mkdir()
    one_label = rows_in(store, tmp_path / "other", labels=("no",))
    with pytest.raises(DataError, match="none of them has the label yes"):
        remove_attribute(weights, one_label, "classification", BY_AUTHOR, (), store=store)
    with pytest.raises(DataError, match="the training rows hold man of its groups"):
        remove_attribute(weights, data, "classification", BY_AUTHOR, ("man",), store=store)


def test_a_head_that_reads_each_token_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=16, n_embd=16, n_layer=1, n_head=2, num_labels=2,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="take another base_model"):
        head_inputs(tmp_path, ["he good", "she"], max_length=8)

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch.nn.functional import cross_entropy

from infra.errors import BaseModelError, DataError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.examples import Batch, Vocabulary, pad
from tasks.task_types.learner import Learner, LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer, longest_text

LABELS = ("film", "sport")


@pytest.fixture
def learner() -> Learner:
    return learner_of("classification", LABELS, TokenLimits(16))


@pytest.fixture
def examiner() -> Examiner:
    return examiner_of("classification", LABELS, TokenLimits(16))


@pytest.fixture
def broken_model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be broken."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def rows(*pairs: tuple[str, str]) -> pa.Table:
    return pa.table(
        {
            "row_id": [str(number) for number in range(len(pairs))],
            "text": [text for text, _ in pairs],
            "label": [label for _, label in pairs],
        }
    )


def test_encode_counts_tokens_and_cut_rows(learner: Learner, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    table = rows(("a good film " * 20, "film"), ("the match", "sport"), ("", "sport"))
    encoded = learner.encode(table, tokenizer)
    ids = encoded.table.column("input_ids").to_pylist()
    assert [len(row) for row in ids] == [16, len(tokenizer("the match")["input_ids"]), 2]
    assert encoded.tokens == sum(map(len, ids))
    assert encoded.truncated == 1
    assert ids[0][-1] == tokenizer.sep_token_id  # a cut text still ends as the model expects
    assert encoded.table.column("labels").to_pylist() == [0, 1, 1]
    assert encoded.table.column("row_id").to_pylist() == ["0", "1", "2"]


def test_a_text_of_just_the_maximum_length_is_not_counted_as_cut(
    learner: Learner, tiny_model: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model)
    length = len(tokenizer("a good film")["input_ids"])
    assert (
        replace(learner, limits=TokenLimits(length))
        .encode(rows(("a good film", "film")), tokenizer)
        .truncated
        == 0
    )
    assert (
        replace(learner, limits=TokenLimits(length - 1))
        .encode(rows(("a good film", "film")), tokenizer)
        .truncated
        == 1
    )


def test_a_label_outside_the_set_is_named(learner: Learner, tiny_model: Path) -> None:
    table = rows(("a good film", "film"), ("rates", "bank"))
    with pytest.raises(DataError, match=r"1 label.* outside the label set .*'bank'"):
        learner.encode(table, load_tokenizer(tiny_model))


def test_padding_reaches_the_longest_row_of_the_batch_and_no_further() -> None:
    batch = pad([[5, 6, 7], np.array([8], dtype=np.int32)], pad_id=9)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_collate_adds_the_class_ids(learner: Learner) -> None:
    examples = [
        {"input_ids": np.array([1, 2], dtype=np.int32), "labels": 1},
        {"input_ids": np.array([3], dtype=np.int32), "labels": 0},
    ]
    batch = learner.collate(examples, Vocabulary(pad_id=0, size=9))
    assert batch.labels["labels"].tolist() == [1, 0]
    assert batch.inputs["input_ids"].tolist() == [[1, 2], [3, 0]]
    assert learner.units(batch).tolist() == [2]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_shares_of_the_loss_sum_to_the_mean_over_the_step(
    learner: Learner, smoothing: float
) -> None:
    """Accumulated batches of unequal size weigh every row alike."""
    logits, labels = torch.randn(7, 3, generator=torch.manual_seed(0)), torch.arange(7) % 3
    smoothed = replace(learner, loss_settings=LossSettings(smoothing))
    shares = [
        smoothed.loss(
            {"logits": logits[part]},
            Batch({}, {"labels": labels[part]}),
            torch.tensor([7]),
        )
        for part in (slice(0, 4), slice(4, 7))
    ]
    torch.testing.assert_close(
        sum(shares), cross_entropy(logits, labels, label_smoothing=smoothing)
    )


def test_metrics_equal_scikit_learn_on_whole_and_missing_classes(learner: Learner) -> None:
    labels = np.array([0, 1, 1, 0])
    logits = np.eye(3, dtype=np.float32)[[0, 1, 0, 0]]
    batch = Batch({}, {"labels": torch.from_numpy(labels)})
    outcomes = learner.outcomes({"logits": torch.from_numpy(logits)}, batch)
    values = learner.metrics(outcomes.double().numpy())
    assert values["accuracy"] == accuracy_score(labels, [0, 1, 0, 0])
    # The third class has no true and no predicted row, and counts as 0.
    both = f1_score(labels, [0, 1, 0, 0], average=None)
    assert values["macro_f1"] == pytest.approx(both.sum() / 3)
    assert learner.selection_metric in values


def test_the_head_follows_from_the_seed(learner: Learner, tiny_model: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        with quiet_transformers():
            model = learner.load_model(tiny_model)
        assert model.config.id2label == {0: "film", 1: "sport"}
        weight: torch.Tensor = model.classifier.weight
        return weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_weights_that_belong_to_another_model_are_refused(
    learner: Learner, broken_model: Path
) -> None:
    config = json.loads((broken_model / "config.json").read_text())
    config["num_hidden_layers"] = 3
    (broken_model / "config.json").write_text(json.dumps(config))
    with quiet_transformers(), pytest.raises(BaseModelError, match="lacks 16 of its own weights"):
        learner.load_model(broken_model)


def test_weights_that_were_cut_off_are_refused(learner: Learner, broken_model: Path) -> None:
    weights = broken_model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with quiet_transformers(), pytest.raises(BaseModelError, match="cannot be loaded"):
        learner.load_model(broken_model)


def test_a_broken_tokenizer_is_refused(broken_model: Path) -> None:
    (broken_model / "tokenizer.json").write_text("{")
    with pytest.raises(BaseModelError, match=r"tokenizer in .* cannot be loaded"):
        load_tokenizer(broken_model)


def test_a_tokenizer_without_padding_token_pads_with_its_end_token(broken_model: Path) -> None:
    path = broken_model / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "pad_token": None, "eos_token": "[SEP]"}))
    tokenizer = load_tokenizer(broken_model)
    assert tokenizer.pad_token_id == tokenizer.sep_token_id
    path.write_text(json.dumps({**config, "pad_token": None}))
    with pytest.raises(BaseModelError, match="neither a padding nor an end token"):
        load_tokenizer(broken_model)


def test_the_longest_text_is_bounded_by_tokenizer_and_positions(broken_model: Path) -> None:
    tokenizer = load_tokenizer(broken_model)
    assert longest_text(broken_model, tokenizer) == 64
    tokenizer.model_max_length = 50
    assert longest_text(broken_model, tokenizer) == 50
    tokenizer.model_max_length = int(1e30)  # as where a tokenizer names no limit
    assert longest_text(broken_model, tokenizer) == 64

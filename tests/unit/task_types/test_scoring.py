from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from infra.errors import BaseModelError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.batches import batches_of_least_work, fill_batches
from tasks.task_types.labels.text_logits import text_probabilities
from tasks.task_types.language_models.token_scoring import tokens_at_once
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.scoring import token_budget
from tasks.task_types.tokenizers import load_tokenizer

TEXTS = [
    "a good film", "the match was won by a late goal " * 5, "", "a good film", "shares fell",
    "he said she said they said " * 9, "的一是不了人我在有他这", "a bad film", "shares fell",
]  # fmt: skip


@pytest.fixture(scope="module")
def classifier(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier") / "model"
    torch.manual_seed(0)
    with quiet_transformers():
        model = learner_of("classification", ("a", "b", "c"), TokenLimits(24)).load_model(
            tiny_model
        )
        for value in model.parameters():
            if value.ndim > 1:
                torch.nn.init.normal_(value, std=0.5)  # wide scores, so that an error shows
        model.save_pretrained(folder)
        load_tokenizer(tiny_model).save_pretrained(folder)
    return folder


def test_a_gpu_is_given_more_tokens_at_once_than_a_cpu() -> None:
    for device, budget in (("cpu", 1024), ("cuda", 32_768)):
        config = SimpleNamespace(vocab_size=1000)
        model: Any = SimpleNamespace(device=torch.device(device), config=config)
        assert token_budget(model) == budget
        assert tokens_at_once(model) == budget
        config.vocab_size = 2**22  # all scores of a batch must fit into memory
        assert tokens_at_once(model) == 16


def test_batched_scores_equal_those_of_one_text_at_a_time(classifier: Path) -> None:
    batched = text_probabilities(classifier, TEXTS, max_length=24)
    alone = np.concatenate(
        [text_probabilities(classifier, [text], max_length=24) for text in TEXTS]
    )
    np.testing.assert_allclose(batched, alone, atol=1e-5)
    np.testing.assert_allclose(batched.sum(axis=1), 1, atol=1e-5)
    assert batched.shape == (9, 3)
    assert batched.dtype == np.float32
    assert np.ptp(batched, axis=0).max() > 0.05  # the texts do differ
    assert (batched[0] == batched[3]).all()


def test_scores_equal_those_of_the_transformers_pipeline(classifier: Path) -> None:
    from transformers import pipeline

    with quiet_transformers():
        answers = pipeline("text-classification", model=str(classifier), top_k=None)(TEXTS[:2])
    ours = text_probabilities(classifier, TEXTS[:2], max_length=64)
    for answer, row in zip(answers, ours, strict=True):
        by_label = {entry["label"]: entry["score"] for entry in answer}
        np.testing.assert_allclose([by_label[label] for label in "abc"], row, atol=1e-5)


def test_no_texts_give_no_rows(classifier: Path) -> None:
    assert text_probabilities(classifier, [], max_length=24).shape == (0, 3)


def test_a_score_that_is_no_number_is_refused(classifier: Path) -> None:
    path = classifier / "model.safetensors"
    whole = path.read_bytes()
    weights = load_file(path)
    weights["classifier.bias"][0] = torch.nan
    save_file(weights, path, metadata={"format": "pt"})
    try:
        with pytest.raises(TrainingError, match="gives scores that are no numbers"):
            text_probabilities(classifier, TEXTS, max_length=24)
    finally:
        path.write_bytes(whole)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="cannot be loaded"):
        text_probabilities(tmp_path, ["text"], max_length=24)


Fill = Callable[[list[int], int], Iterable[list[int]]]
COST = 32


def of_least_work(lengths: list[int], budget: int) -> Iterable[list[int]]:
    return batches_of_least_work(lengths, budget, COST)


@pytest.mark.parametrize("fill", [fill_batches, of_least_work])
@given(lengths=st.lists(st.integers(1, 60), max_size=100), budget=st.integers(1, 300))
@settings(max_examples=50)
def test_batches_hold_each_row_once_within_the_budget(
    fill: Fill, lengths: list[int], budget: int
) -> None:
    batches = list(fill(lengths, budget))
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    for batch in batches:
        padded = max(lengths[row] for row in batch) * len(batch)
        assert padded <= budget or len(batch) == 1


def work_of(batches: Iterable[list[int]], lengths: list[int]) -> int:
    return sum(max(lengths[row] for row in batch) * len(batch) + COST for batch in batches)


@given(lengths=st.lists(st.integers(1, 400), min_size=1, max_size=9), budget=st.integers(1, 1_500))
@settings(max_examples=50)
def test_no_other_way_to_cut_rows_into_batches_is_less_work(
    lengths: list[int], budget: int
) -> None:
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    ways = []
    for cuts in product([False, True], repeat=len(rows) - 1):
        batches = [[rows[0]]]
        for row, cut in zip(rows[1:], cuts, strict=True):
            batches.append([row]) if cut else batches[-1].append(row)
        padded = [lengths[batch[0]] * len(batch) for batch in batches if len(batch) > 1]
        if max(padded, default=0) <= budget:
            ways.append(work_of(batches, lengths))
    assert work_of(of_least_work(lengths, budget), lengths) == min(ways)


def test_rows_of_mixed_length_are_less_work_than_in_full_batches() -> None:
    lengths = [480, 120, 110, 60, 24, 22, 20, 18]
    assert [len(batch) for batch in fill_batches(lengths, 1024)] == [2, 6]
    assert [len(batch) for batch in of_least_work(lengths, 1024)] == [1, 2, 1, 4]
    assert list(of_least_work([30] * 40, 1024)) == list(fill_batches([30] * 40, 1024))

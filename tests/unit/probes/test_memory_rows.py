"""Which rows are held against each other, and the loss that training has of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForMaskedLM

from infra.errors import TrainingError
from tasks.probes.memory.losses import losses_of_rows
from tasks.probes.memory.row_loss_types import why_no_row_loss
from tasks.probes.memory.rows import Sides, draw_sides
from tasks.task_types.examiner import examiner_of
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tests.unit.task_types.language_models import tiny_bert, tiny_gpt2

LIMITS = TokenLimits(16, 4)


def rows(prefix: str, count: int, **columns: list[str | None]) -> pa.Table:
    ids = [f"{prefix}{row}" for row in range(count)]
    texts = [f"{prefix} text {row}" for row in range(count)]
    return pa.table({"row_id": ids, "text": texts, "label": ["x"] * count, **columns})


def drawn(train: pa.Table, test: pa.Table, **others: object) -> Sides:
    asked = {"limit": 50, "seed": 0, "by_cluster": True, **others}
    return draw_sides(train, test, "classification", **asked)  # type: ignore[arg-type]


def test_both_sides_have_as_many_rows_and_their_order_decides_nothing() -> None:
    train, test = rows("a", 200), rows("b", 80)
    one = drawn(train, test)
    other = drawn(train.take(list(range(199, -1, -1))), test)
    assert one.members.num_rows == one.others.num_rows == 50
    assert one.members["row_id"].to_pylist() == other.members["row_id"].to_pylist()
    assert drawn(train, test, seed=1).members["row_id"] != one.members["row_id"]
    assert drawn(train, test, limit=500).members.num_rows == 80


def test_a_text_on_both_sides_says_nothing() -> None:
    train = rows("a", 3)
    test = rows("b", 3).set_column(1, "text", pa.array(["A text, 1!", "other", "third"]))
    found = drawn(train, test)
    assert found.left_out == 2
    assert sorted(found.members["row_id"].to_pylist()) == ["a0", "a2"]
    assert sorted(found.others["row_id"].to_pylist()) == ["b1", "b2"]


def test_of_an_author_one_row_is_asked_about() -> None:
    train = rows("a", 6, cluster=["u", "u", "u", "v", None, None])
    test = rows("b", 6, cluster=[None] * 6)
    found = drawn(train, test)
    assert found.members.num_rows == 4
    assert drawn(train, test, by_cluster=False).members.num_rows == 6


def test_sources_stand_in_the_same_shares_on_both_sides() -> None:
    train, test = rows("a", 100), rows("b", 100)
    sources = {f"a{n}": "shop" if n < 90 else "forum" for n in range(100)}
    sources |= {f"b{n}": "shop" if n < 30 else "forum" for n in range(100)}
    found = drawn(train, test, sources=sources)
    for side in (found.members, found.others):
        named = [sources[row_id] for row_id in side["row_id"].to_pylist()]
        assert (named.count("shop"), named.count("forum")) == (30, 10)
    few = drawn(train, test, sources=sources, limit=20)
    named = [sources[row_id] for row_id in few.others["row_id"].to_pylist()]
    assert (named.count("shop"), named.count("forum")) == (15, 5)


def test_the_loss_of_a_row_is_that_of_all_its_examples(tmp_path: Path) -> None:
    """A text longer than the model reads is several examples; the examiner has no end token."""
    folder = tiny_gpt2(tmp_path)
    texts = ["The match was won.", "Shares fell as the bank raised its rates, and rose. " * 2, "a"]
    table = pa.table({"row_id": ["x", "y", "z"], "text": texts})
    learner = learner_of("causal_lm", (), LIMITS)
    found = losses_of_rows(learner, folder, table, seed=0)
    one_by_one = [losses_of_rows(learner, folder, table.slice(n, 1), 0).summed[0] for n in range(3)]
    assert found.summed == pytest.approx(one_by_one, rel=1e-5)
    told = examiner_of("causal_lm", (), TokenLimits(16, 1)).predict(folder, table)
    assert found.units.tolist() == [n + 1 for n in told["tokens"].to_pylist()]
    ends = found.summed - told["nll"].to_numpy()
    assert ((ends > 0) & (ends < 20)).all()


def test_hidden_words_follow_from_the_row(tmp_path: Path, tiny_model: Path) -> None:
    folder = tiny_bert(tiny_model, tmp_path)
    table = pa.table({"row_id": ["x", "y"], "text": ["The match was won by a late goal."] * 2})
    learner = learner_of("masked_lm", (), TokenLimits(32, 4))
    found = losses_of_rows(learner, folder, table, seed=0)
    turned = losses_of_rows(learner, folder, table.take([1, 0]), seed=0)
    assert found.mean == pytest.approx(turned.mean[::-1], rel=1e-5)
    assert found.mean[0] != found.mean[1]


def test_a_model_that_diverged_is_told(tmp_path: Path, tiny_model: Path) -> None:
    folder = tiny_bert(tiny_model, tmp_path)
    model = AutoModelForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        model.cls.predictions.bias.fill_(np.nan)
    model.save_pretrained(folder)
    table = pa.table({"row_id": ["x"], "text": ["The match was won."]})
    with pytest.raises(TrainingError, match="no number as the loss of 1 of 1 examples"):
        losses_of_rows(learner_of("masked_lm", (), LIMITS), folder, table, 0)


def test_rows_whose_loss_is_not_their_own_are_refused() -> None:
    for task_type in ("sentence_embedding", "next_sentence", "preference", "regression"):
        assert "not of that row alone" in why_no_row_loss(task_type)
    for task_type in ("classification", "tagging", "question_answering", "chat", "translation"):
        assert not why_no_row_loss(task_type)

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from torch.nn.functional import cosine_similarity, cross_entropy
from transformers import AutoConfig, T5Config, T5Model

from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.embeddings.embedding import embed_texts
from tasks.task_types.embeddings.retrieval import find_own_targets
from tasks.task_types.embeddings.retrieval_measures import measure_ranks
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.examples import Batch, Vocabulary
from tasks.task_types.learner import Learner, learner_of
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.text_models import (
    LIMITS,
    examples_of,
    tokenized,
    train,
    values_of,
)

VOCABULARY = Vocabulary(pad_id=0, size=600)
# A dictionary of eleven words, each of one character.
WORDS = {
    "match": "的", "was": "一", "won": "是", "late": "不", "goal": "了", "shares": "人",
    "fell": "我", "bank": "在", "good": "有", "bad": "他", "film": "这",
}  # fmt: skip
PAIRS = (
    ("a good film", "这 有"), ("the match was won by a late goal " * 9, "的一是不了"),
    ("shares fell", "人我"), ("a bad film", "这他"), ("shares", "人"), ("the bank", "在 在"),
    ("he said she said", "有"),
)  # fmt: skip


@pytest.fixture
def learner() -> Learner:
    return learner_of("sentence_embedding", (), LIMITS)


@pytest.fixture
def examiner() -> Examiner:
    return examiner_of("sentence_embedding", (), LIMITS)


def rows(*pairs: tuple[str, str]) -> pa.Table:
    return pa.table(
        {
            "row_id": [f"{number:064x}" for number in range(len(pairs))],
            "source": [source for source, _ in pairs],
            "target": [target for _, target in pairs],
        }
    )


def made_rows(count: int, seed: int) -> pa.Table:
    """Four English words, and their characters in another order."""
    rng = np.random.default_rng(seed)
    made = {}
    while len(made) < count:
        words = rng.choice(list(WORDS), 4, replace=False)
        target = "".join(WORDS[word] for word in rng.permutation(words))
        made["".join(sorted(target))] = (" ".join(words), target)
    return rows(*made.values())


def test_encode_keeps_both_texts(learner: Learner, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    encoded = learner.encode(rows(*PAIRS), tokenizer)
    table = encoded.table
    assert table["input_ids"].to_pylist()[0] == tokenizer("a good film")["input_ids"]
    assert table["target_ids"].to_pylist()[0] == tokenizer("这 有")["input_ids"]
    assert max(map(len, table["input_ids"].to_pylist())) == 48
    assert encoded.truncated == 1
    both = table["input_ids"].to_pylist() + table["target_ids"].to_pylist()
    assert encoded.tokens == sum(map(len, both))


def test_a_row_of_two_cut_texts_is_one_cut_row(learner: Learner, tiny_model: Path) -> None:
    table = rows(("a film " * 50, "这 " * 50), ("a film " * 50, "这"), ("a film", "这"))
    assert learner.encode(table, load_tokenizer(tiny_model)).truncated == 2


def test_collate_pads_sources_before_targets(learner: Learner) -> None:
    examples = [
        {"input_ids": [1, 2, 3], "target_ids": [4], "source_text": 2**48 - 1, "target_text": 5},
        {"input_ids": [6], "target_ids": [7, 8], "source_text": 0, "target_text": 2**24},
    ]
    batch = learner.collate(examples, VOCABULARY)
    assert batch.inputs["input_ids"].tolist() == [[1, 2, 3], [6, 0, 0], [4, 0, 0], [7, 8, 0]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0], [1, 1, 0]]
    hidden = torch.arange(24.0).reshape(4, 3, 2)
    found = learner.represent({"last_hidden_state": hidden}, batch)
    assert found[:, :4].tolist() == [[2, 3, 12, 13], [6, 7, 19, 20]]
    high, low = found[:, 4::2].double(), found[:, 5::2].double()
    assert (high * 2**24 + low).tolist() == [[2**48 - 1, 5], [0, 2**24]]  # to the last bit


@pytest.fixture
def batch(learner: Learner, tiny_model: Path, tmp_path: Path) -> Batch:
    made = tokenized(learner, tiny_model, rows(*PAIRS), tmp_path / "rows")
    return learner.collate(examples_of(made), VOCABULARY)


def test_vectors_are_those_of_embed_texts(learner: Learner, tiny_model: Path, batch: Batch) -> None:
    with quiet_transformers(), torch.no_grad():
        model = learner.load_model(tiny_model).eval()
        found = learner.represent(model(**batch.inputs), batch)[:, :-4]
    for part, texts in zip(found.chunk(2, dim=1), zip(*PAIRS, strict=True), strict=True):
        expected = embed_texts(tiny_model, texts, max_length=48)
        np.testing.assert_allclose(part.numpy(), expected, atol=1e-5)


def reference_loss(vectors: torch.Tensor) -> torch.Tensor:
    """InfoNCE row by row and both ways, of rows that share no text."""
    source, target = vectors[:, :-4].chunk(2, dim=1)
    losses = []
    for one, others in ((source, target), (target, source)):
        for place, vector in enumerate(one):
            cosines = torch.stack([cosine_similarity(vector, other, dim=0) for other in others])
            losses.append(cross_entropy(cosines / 0.05, torch.tensor(place)))
    return torch.stack(losses).mean()


def test_the_loss_is_that_of_its_definition(learner: Learner) -> None:
    vectors = torch.randn(6, 12, generator=torch.manual_seed(0))
    loss = learner.coupled_loss(vectors, torch.tensor([6]))
    torch.testing.assert_close(loss, reference_loss(vectors))
    # A row alone has no negatives, and nothing to learn.
    assert learner.coupled_loss(vectors[:1], torch.tensor([1])) == 0


def test_rows_that_share_a_text_are_no_negatives_of_each_other(learner: Learner) -> None:
    vectors = torch.randn(3, 12, generator=torch.manual_seed(0))
    vectors[1, -4:-2] = vectors[0, -4:-2]  # one source, two targets
    vectors[2, -2:] = vectors[1, -2:]  # one target, two sources
    source, target = (torch.nn.functional.normalize(v) for v in vectors[:, :-4].chunk(2, dim=1))
    scores = source @ target.T / 0.05
    # Only the first and the last row are strangers.
    pairs = [(0, [0, 2]), (1, [1]), (2, [0, 2])]
    losses = [
        -torch.log_softmax(matrix[row, seen], 0)[seen.index(row)]
        for matrix in (scores, scores.T)
        for row, seen in pairs
    ]
    loss = learner.coupled_loss(vectors, torch.tensor([3]))
    torch.testing.assert_close(loss, torch.stack(losses).mean())


@pytest.mark.parametrize("size", [1, 3])
def test_a_step_in_passes_has_the_gradient_of_one_batch(
    learner: Learner, tiny_model: Path, tmp_path: Path, size: int
) -> None:
    """The vectors' gradients carried back pass by pass (Gao et al. 2021, arXiv:2101.06983)."""
    examples = examples_of(tokenized(learner, tiny_model, rows(*PAIRS), tmp_path / "rows"))
    parts = [examples[start : start + size] for start in range(0, len(examples), size)]
    with quiet_transformers():
        models = [learner.load_model(tiny_model).eval() for _ in range(2)]
    whole = learner.collate(examples, VOCABULARY)
    expected = learner.coupled_loss(
        learner.represent(models[0](**whole.inputs), whole), learner.units(whole)
    )
    expected.backward()
    batches = [learner.collate(part, VOCABULARY) for part in parts]
    units = torch.stack([learner.units(one) for one in batches]).sum(dim=0)
    made = [learner.represent(models[1](**one.inputs), one) for one in batches]
    vectors = torch.cat(made).detach().requires_grad_()
    loss = learner.coupled_loss(vectors, units)
    loss.backward()
    assert vectors.grad is not None
    torch.cat(made).backward(vectors.grad)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    compared = 0
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, atol=1e-5, rtol=1e-4)
            compared += 1
    assert compared > 30


def test_a_model_that_reads_and_writes_is_refused(
    learner: Learner, tiny_model: Path, tmp_path: Path
) -> None:
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path)
    load_tokenizer(tiny_model).save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).is_encoder_decoder
    with quiet_transformers(), pytest.raises(BaseModelError, match="reads with an encoder and"):
        learner.load_model(tmp_path)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([np.asarray, csr_matrix]))
def test_ranks_are_those_of_brute_force(seed: int, form: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(seed)
    # Small whole numbers make ties and zero vectors.
    source, target = rng.integers(0, 3, (2, 20, 4)).astype(float)
    texts = rng.integers(0, 15, 20)
    target = target[texts]  # equal texts have equal vectors
    ranks, cosines = find_own_targets(form(source), form(target), texts)

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        lengths = np.linalg.norm(one) * np.linalg.norm(other)
        return float(one @ other / lengths) if lengths else 0.0

    for row in range(20):
        own = cosine(source[row], target[row])
        assert cosines[row] == pytest.approx(own)
        comparators = {texts[n]: cosine(source[row], target[n]) for n in range(20)}
        del comparators[texts[row]]
        assert ranks[row] == 1 + sum(
            comparator >= own - 1e-6 for comparator in comparators.values()
        )


def test_a_model_that_gives_all_texts_one_vector_finds_nothing() -> None:
    ranks, _ = find_own_targets(np.ones((9, 4)), np.ones((9, 4)), np.arange(9))
    assert ranks.tolist() == [9] * 9


def test_ranks_are_among_the_first_rows_where_there_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.task_types.embeddings.retrieval.POOL_ROWS", 3)
    monkeypatch.setattr("tasks.task_types.embeddings.retrieval.CHUNK", 5)
    ranks, _ = find_own_targets(np.ones((9, 4)), np.ones((9, 4)), np.arange(9))
    assert ranks.tolist() == [3, 3, 3, 4, 4, 4, 4, 4, 4]


def test_measures_of_ranks() -> None:
    measured = measure_ranks(np.array([1, 2, 4]), np.array([0.9, -0.5, 0.2]))
    found = values_of(measured)
    assert found["mrr"] == pytest.approx((1 + 0.5 + 0.25) / 3)
    assert found["accuracy_at_1"] == pytest.approx(1 / 3)
    assert found["mean_cosine"] == pytest.approx(0.2)
    assert measured.row_scores.tolist() == [1, 0.5, 0.25]


def test_a_trained_model_finds_the_chinese_words_of_english_ones(
    learner: Learner, examiner: Examiner, tiny_model: Path, tmp_path: Path
) -> None:
    table = made_rows(240, 0)
    known, asked = table.slice(0, 200), table.slice(200)
    before = values_of(examiner.measure(asked, examiner.predict(tiny_model, asked)))
    folder, metrics = train(
        learner, tiny_model, (known, asked), tmp_path / "run", epochs=30, batch_size=40,
        learning_rate=3e-3,
    )  # fmt: skip
    answers = examiner.predict(folder, asked)
    found = values_of(examiner.measure(asked, answers))
    assert before["mrr"] < 0.3
    assert found["mrr"] > 0.7
    assert found["accuracy_at_1"] > 0.5
    assert {name: found[name] for name in metrics} == pytest.approx(metrics, abs=1e-3)
    # The pool is the same in any order of the rows.
    shuffled = asked.take(np.random.default_rng(0).permutation(40))
    again = examiner.predict(folder, shuffled)
    assert values_of(examiner.measure(shuffled, again)) == pytest.approx(found)
    # No word is in both languages.
    words = examiner.baseline(known, asked)
    assert set(words["rank"].to_pylist()) == {40}
    vector = json.loads(answers["answer"][0].as_py())["vector"]
    np.testing.assert_allclose(
        vector, embed_texts(folder, [asked["source"][0].as_py()], max_length=48)[0], atol=1e-5
    )


def test_the_baseline_finds_texts_that_share_words(examiner: Examiner) -> None:
    table = rows(("a good film", "good film night"), ("bank rates fell", "rates of the bank"))
    words = examiner.baseline(table, table)
    assert words["rank"].to_pylist() == [1, 1]
    nothing = rows(("!", "?"))
    assert "no TF-IDF baseline" in examiner.baseline(nothing, nothing)


def test_vectors_of_the_first_rows_alone_are_answers(examiner: Examiner, tiny_model: Path) -> None:
    table = made_rows(70, 0)
    answers = examiner.predict(tiny_model, table.take(np.arange(70)[::-1]))
    assert [answer is not None for answer in answers["answer"].to_pylist()] == (
        [False] * 6 + [True] * 64
    )

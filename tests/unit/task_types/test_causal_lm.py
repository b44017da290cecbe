import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from infra.errors import BaseModelError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.answered_sample import first_rows
from tasks.task_types.examiner import examiner_of
from tasks.task_types.examples import IGNORED, Vocabulary
from tasks.task_types.language_models.blocks import bounds_of, cut_into_blocks
from tasks.task_types.language_models.language_measures import character_likelihood
from tasks.task_types.language_models.likelihood import next_token_labels, row_sums, summed_loss
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.language_models import TEXTS, tiny_gpt2, tiny_llama

LIMITS = TokenLimits(max_length=16, stride=4)
LEARNER = learner_of("causal_lm", (), LIMITS)
EXAMINER = examiner_of("causal_lm", (), LIMITS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gpt2(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="module")
def vocabulary(model: Path) -> Vocabulary:
    tokenizer = load_tokenizer(model)
    return Vocabulary(tokenizer.pad_token_id, len(tokenizer))


def rows(texts: Sequence[str] = TEXTS) -> pa.Table:
    return pa.table({"row_id": [f"{9 - place}" for place in range(len(texts))], "text": texts})


@settings(max_examples=100)
@given(
    length=st.integers(2, 12), shared=st.integers(1, 11), tokens=st.integers(2, 60)
)  # fmt: skip
def test_blocks_ask_for_each_token_once(length: int, shared: int, tokens: int) -> None:
    shared = min(shared, length - 1)
    ids = list(range(tokens))
    asked: list[int] = []
    for number, block in enumerate(cut_into_blocks(ids, length, shared)):
        assert 2 <= len(block) <= length
        labels = next_token_labels(block, shared if number else 1)
        asked += [int(label) for label in labels if label != IGNORED]
        for token, label in zip(block, labels, strict=True):
            assert label in {IGNORED, token + 1}
    assert asked == ids[1:]


def test_encode_loses_no_token_of_a_long_text(model: Path) -> None:
    tokenizer = load_tokenizer(model)
    encoded = LEARNER.encode(rows(), tokenizer)
    table = encoded.table
    ids = table.column("input_ids").to_pylist()
    assert max(map(len, ids)) == LIMITS.max_length
    assert encoded.tokens == sum(map(len, ids))
    whole = [tokenizer(text)["input_ids"] for text in TEXTS]
    assert encoded.truncated == sum(len(one) + 2 > LIMITS.max_length for one in whole) > 0
    for place, text_ids in enumerate(whole):
        own = [
            block
            for row_id, block in zip(table.column("row_id").to_pylist(), ids, strict=True)
            if row_id == f"{9 - place}"
        ]
        joined = own[0] + [token for block in own[1:] for token in block[1:]]
        assert joined == [0, *text_ids, 0]


def test_a_text_begins_with_the_begin_token_where_there_is_one(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama(tmp_path))
    assert bounds_of(tokenizer) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    ids = LEARNER.encode(rows(("",)), tokenizer).table.column("input_ids").to_pylist()
    assert ids == [[tokenizer.bos_token_id, tokenizer.eos_token_id]]


def test_a_tokenizer_without_end_token_is_refused(tiny_model: Path) -> None:
    with pytest.raises(BaseModelError, match="no end token"):
        LEARNER.encode(rows(), load_tokenizer(tiny_model))


def test_labels_are_the_next_tokens_by_brute_force(vocabulary: Vocabulary) -> None:
    ids = [np.array([5, 6, 7, 0], dtype=np.int32), np.array([8, 0], dtype=np.int32)]
    batch = LEARNER.collate([{"input_ids": one} for one in ids], vocabulary)
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 0], [8, 0, 2, 2]]
    assert batch.labels["labels"].tolist() == [
        [6, 7, 0, IGNORED],
        [0, IGNORED, IGNORED, IGNORED],
    ]
    assert LEARNER.units(batch).tolist() == [4]


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_that_of_a_plain_loop(*, few: bool, smoothing: float) -> None:
    draw = torch.manual_seed(0)
    logits = torch.randn(3, 5, 11, generator=draw)
    labels = torch.randint(0, 11, (3, 5), generator=draw)
    labels[0, 2:] = IGNORED
    expected = 0.0
    for row in range(3):
        for place in range(5):
            if labels[row, place] != IGNORED:
                logs = logits[row, place].log_softmax(-1)
                true = -logs[labels[row, place]]
                expected += float((1 - smoothing) * true - smoothing * logs.mean())
    found = summed_loss(logits, labels, smoothing=smoothing, few=few)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    sums = row_sums(logits, labels)
    plain = summed_loss(logits, labels)
    assert float(sums[:, 0].sum()) == pytest.approx(float(plain), rel=1e-6)
    assert sums[:, 1].tolist() == [2, 5, 5]
    assert sums[:, 2].tolist() == [
        int(((logits[row].argmax(-1) == labels[row]) & (labels[row] != IGNORED)).sum())
        for row in range(3)
    ]


def test_shares_of_the_loss_sum_to_the_mean_over_the_step(
    model: Path, vocabulary: Vocabulary
) -> None:
    """And the gradient is that of all examples in one batch."""
    with quiet_transformers():
        network = LEARNER.load_model(model)
    table = LEARNER.encode(rows(), load_tokenizer(model)).table
    examples = [{"input_ids": ids} for ids in table.column("input_ids").to_pylist()]
    whole = LEARNER.collate(examples, vocabulary)
    LEARNER.loss(network(**whole.inputs), whole, LEARNER.units(whole)).backward()
    expected = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    batches = [LEARNER.collate(part, vocabulary) for part in (examples[:2], examples[2:])]
    units = torch.stack([LEARNER.units(batch) for batch in batches]).sum(dim=0)
    for batch in batches:
        LEARNER.loss(network(**batch.inputs), batch, units).backward()
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_perplexity_of_a_validation_split_is_that_of_transformers(
    model: Path, vocabulary: Vocabulary
) -> None:
    """Whose own loss, shifted inside the model, is the mean over the tokens of one row."""
    with quiet_transformers():
        network = LEARNER.load_model(model)
    table = LEARNER.encode(rows(), load_tokenizer(model)).table
    ids = table.column("input_ids").to_pylist()
    batch = LEARNER.collate([{"input_ids": one} for one in ids], vocabulary)
    with torch.inference_mode():
        outcomes = LEARNER.outcomes(network(**batch.inputs), batch).numpy()
        total = sum(
            float(network(input_ids=torch.tensor([one]), labels=torch.tensor([one])).loss)
            * (len(one) - 1)
            for one in ids
        )
    expected = math.exp(total / sum(len(one) - 1 for one in ids))
    assert LEARNER.metrics(outcomes)["perplexity"] == pytest.approx(expected, rel=1e-5)
    assert LEARNER.selection_metric in LEARNER.metrics(outcomes)
    assert not LEARNER.greater_is_better


def test_a_model_that_sees_what_follows_is_refused(tiny_model: Path) -> None:
    with quiet_transformers(), pytest.raises(BaseModelError, match="sees the tokens"):
        LEARNER.load_model(tiny_model)


def plain_log_likelihood(folder: Path, text: str, length: int, shared: int) -> tuple[float, int]:
    """One token at a time, each with the context that its window gives it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = [tokenizer.eos_token_id, *tokenizer(text)["input_ids"]]
    total = 0.0
    for place in range(1, len(ids)):
        window = 0 if place < length else (place - length) // (length - shared) + 1
        begin = window * (length - shared)
        with torch.inference_mode():
            logits = network(input_ids=torch.tensor([ids[begin:place]])).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[ids[place]])
    return total, len(ids) - 1


@pytest.mark.parametrize("stride", [0, 4])
def test_predict_scores_whole_texts_as_a_plain_loop_does(model: Path, stride: int) -> None:
    answers = replace(EXAMINER, limits=TokenLimits(16, stride)).predict(model, rows())
    for place, text in enumerate(TEXTS):
        total, tokens = plain_log_likelihood(model, text, 16, max(stride, 1))
        assert answers.column("nll")[place].as_py() == pytest.approx(-total, rel=1e-5)
        assert answers.column("tokens")[place].as_py() == tokens
        assert answers.column("bytes")[place].as_py() == len(text.encode())
        told = json.loads(answers.column("answer")[place].as_py())
        assert told["mean_log_likelihood"] == pytest.approx(total / tokens, abs=1e-5)


def test_a_continuation_is_what_transformers_writes(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model).eval()
    ids = [tokenizer.eos_token_id, *tokenizer(TEXTS[0])["input_ids"]]
    context = ids[-(16 - 8) :]
    for _ in range(8):
        context.append(int(network(input_ids=torch.tensor([context])).logits[0, -1].argmax()))
        if context[-1] == tokenizer.eos_token_id:
            break
    answers = EXAMINER.predict(model, rows(TEXTS[:1]))
    said = json.loads(answers.column("answer")[0].as_py())["continuation"]
    assert said == tokenizer.decode(context[8:], skip_special_tokens=True)


def test_the_first_rows_by_digest_are_answered() -> None:
    assert first_rows(["c", "a", "d", "b"], 2) == [1, 3]
    assert first_rows(["b", "a"], 5) == [0, 1]


def test_measures_follow_from_the_sums(model: Path) -> None:
    answers = EXAMINER.predict(model, rows())
    nll, tokens, size = (
        np.array(answers.column(name).to_pylist()) for name in ("nll", "tokens", "bytes")
    )
    measured = EXAMINER.measure(rows(), answers)
    values = {measure.name: measure.value for measure in measured.measures}
    assert values["perplexity"] == pytest.approx(math.exp(nll.sum() / tokens.sum()))
    assert values["bits_per_byte"] == pytest.approx(nll.sum() / math.log(2) / size.sum())
    assert measured.leading == ("bits_per_byte",)
    assert not any(measure.greater_is_better for measure in measured.measures)
    assert [measure.name for measure in measured.measures if measure.by_token] == ["perplexity"]
    assert measured.row_scores == pytest.approx(np.exp(-nll / size))
    weights = np.array([[1.0, 0, 2, 0, 0, 0]])  # four rows and two pseudo-rows
    by_name = {measure.name: measure.statistic(weights)[0] for measure in measured.measures}
    expected = math.exp((nll[0] + 2 * nll[2]) / (tokens[0] + 2 * tokens[2]))
    assert by_name["perplexity"] == pytest.approx(expected)


def test_texts_without_bytes_have_no_measure(model: Path) -> None:
    answers = EXAMINER.predict(model, rows(("",)))
    measured = EXAMINER.measure(rows(("",)), answers)
    assert all(measure.reason for measure in measured.measures)
    assert np.isnan(measured.row_scores).all()


def test_weights_that_are_no_numbers_are_refused(model: Path, tmp_path: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(model)
    network.transformer.ln_f.weight.data[:] = float("nan")
    network.save_pretrained(tmp_path)
    load_tokenizer(model).save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="gives no number for 4 of 4 texts"):
        EXAMINER.predict(tmp_path, rows())


@settings(max_examples=30)
@given(st.text(alphabet="ab书", max_size=20), st.text(alphabet="abc书😀", max_size=6))
def test_characters_have_a_probability_as_laplace_says(train: str, text: str) -> None:
    places = len(train) + len(set(train)) + 1
    expected = 0.0
    for sign in text:
        share = (train.count(sign) + 1) / places if sign in train else 1 / places / 0x110000
        expected -= math.log(share)
    assert character_likelihood([train], [text])[0] == pytest.approx(expected)


def test_the_baseline_is_measured_by_byte_alone() -> None:
    answers = EXAMINER.baseline(rows(), rows(TEXTS[:2]))
    measured = EXAMINER.measure(rows(TEXTS[:2]), answers)
    by_name = {measure.name: measure for measure in measured.measures}
    assert 3 < by_name["bits_per_byte"].value < 6
    assert by_name["perplexity"].reason == "no token was predicted"

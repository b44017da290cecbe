import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForMaskedLM, AutoTokenizer

from infra.errors import BaseModelError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.examples import IGNORED, Vocabulary
from tasks.task_types.language_models.masked_measures import WORD, frequent_word_baseline
from tasks.task_types.language_models.masked_words import first_hidden, hide_every_seventh
from tasks.task_types.language_models.masking import (
    NO_WORD,
    mask_words,
)
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer, save_tokenizer
from tests.unit.task_types.language_models import TEXTS, tiny_bert, tiny_gpt2

LIMITS = TokenLimits(max_length=24)
LEARNER = learner_of("masked_lm", (), LIMITS)
EXAMINER = examiner_of("masked_lm", (), LIMITS)
VOCABULARY = Vocabulary(pad_id=0, size=200, mask_id=4, special_ids=frozenset(range(5)))


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tiny_model, tmp_path_factory.mktemp("bert"))


def rows(texts: Sequence[str] = TEXTS) -> pa.Table:
    return pa.table({"row_id": [str(place) for place in range(len(texts))], "text": texts})


WORDS = st.lists(st.integers(1, 4), min_size=1, max_size=40).map(
    lambda sizes: [NO_WORD, *np.repeat(np.arange(len(sizes)), sizes).tolist(), NO_WORD]
)


@settings(max_examples=100)
@given(words=WORDS, seed=st.integers(0, 2**63))
def test_whole_words_are_hidden_and_nothing_else(words: list[int], seed: int) -> None:
    ids = np.random.default_rng(0).integers(5, 200, len(words))
    ids[0], ids[-1] = 2, 3
    masked, labels = mask_words(ids, words, seed, VOCABULARY)
    hidden = labels != IGNORED
    assert (labels[hidden] == ids[hidden]).all()
    assert (masked[~hidden] == ids[~hidden]).all()
    assert not hidden[[0, -1]].any()
    numbers = np.array(words)
    for word in range(max(words) + 1):
        assert len(set(hidden[numbers == word])) == 1  # a word is hidden as a whole
    expected = max(1, round(0.15 * (max(words) + 1)))
    assert len(set(numbers[hidden])) == expected
    changed = masked[hidden & (masked != ids)]
    assert not np.isin(changed[changed != 4], list(VOCABULARY.special_ids)).any()
    again = mask_words(ids, words, seed, VOCABULARY)
    assert (again[0] == masked).all()
    assert (again[1] == labels).all()


def test_of_hidden_tokens_80_become_the_mask_10_another_and_10_stay() -> None:
    ids = np.random.default_rng(1).integers(5, 200, 400)
    kinds = np.zeros(3)
    for seed in range(200):
        masked, labels = mask_words(ids, np.arange(400), seed, VOCABULARY)
        hidden = labels != IGNORED
        is_mask = masked[hidden] == 4
        stays = masked[hidden] == labels[hidden]
        kinds += [is_mask.sum(), stays.sum(), (~is_mask & ~stays).sum()]
    shares = kinds / kinds.sum()
    assert kinds.sum() == 200 * 60
    # One random token in 195 is the token itself. Three standard deviations of 12,000 draws.
    expected = np.array([0.8, 0.1 + 0.1 / 195, 0.1 - 0.1 / 195])
    deviation = np.sqrt(expected * (1 - expected) / 12_000)
    assert (np.abs(shares - expected) < 3 * deviation).all()


def test_seeds_hide_different_words() -> None:
    ids = np.arange(5, 105)
    hidden = {tuple(mask_words(ids, np.arange(100), seed, VOCABULARY)[1]) for seed in range(20)}
    assert len(hidden) == 20


def test_a_row_without_words_hides_nothing() -> None:
    masked, labels = mask_words([2, 3], [NO_WORD, NO_WORD], 0, VOCABULARY)
    assert masked.tolist() == [2, 3]
    assert (labels == IGNORED).all()


def test_encode_reads_long_texts_in_windows_and_numbers_words(model: Path) -> None:
    tokenizer = load_tokenizer(model)
    encoded = LEARNER.encode(rows((*TEXTS, "")), tokenizer)
    table = encoded.table.to_pydict()
    assert "4" not in table["row_id"]  # the empty text has nothing to guess
    assert max(map(len, table["input_ids"])) == 24
    assert encoded.truncated == len(
        {row for row in table["row_id"] if table["row_id"].count(row) > 1}
    )
    assert encoded.tokens == sum(map(len, table["input_ids"]))
    for place, text in enumerate(TEXTS):
        whole = tokenizer(text)
        own = [
            (ids[1:-1], words)
            for row, ids, words in zip(*table.values(), strict=True)
            if row == str(place)
        ]
        assert [token for ids, _ in own for token in ids] == whole["input_ids"][1:-1]
        expected = [
            NO_WORD if token in tokenizer.all_special_ids else word
            for token, word in zip(whole["input_ids"], whole.word_ids(), strict=True)
        ]
        assert [word for _, words in own for word in words[1:-1]] == expected[1:-1]


def test_a_tokenizer_without_mask_token_is_refused(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_gpt2(tmp_path))
    with pytest.raises(BaseModelError, match="no mask token"):
        LEARNER.encode(rows(), tokenizer)


def test_shares_of_the_loss_sum_to_the_mean_over_the_step(model: Path) -> None:
    with quiet_transformers():
        network = LEARNER.load_model(model).eval()
    tokenizer = load_tokenizer(model)
    vocabulary = Vocabulary(
        tokenizer.pad_token_id, len(tokenizer), tokenizer.mask_token_id,
        frozenset(tokenizer.all_special_ids),
    )  # fmt: skip
    table = LEARNER.encode(rows(), tokenizer).table.drop("row_id").to_pylist()
    examples = [{**row, "seed": number} for number, row in enumerate(table)]
    whole = LEARNER.collate(examples, vocabulary)
    expected = network(**whole.inputs, labels=whole.labels["labels"]).loss
    batches = [LEARNER.collate(part, vocabulary) for part in (examples[:3], examples[3:])]
    units = torch.stack([LEARNER.units(batch) for batch in batches]).sum(dim=0)
    shares = [LEARNER.loss(network(**batch.inputs), batch, units) for batch in batches]
    torch.testing.assert_close(sum(shares), expected)
    outcomes = LEARNER.outcomes(network(**whole.inputs), whole).detach().numpy()
    values = LEARNER.metrics(outcomes)
    assert values["pseudo_perplexity"] == pytest.approx(math.exp(expected.item()), rel=1e-5)
    guesses = network(**whole.inputs).logits.argmax(-1)
    right = ((guesses == whole.labels["labels"]) & (whole.labels["labels"] != IGNORED)).sum()
    assert values["masked_token_accuracy"] == pytest.approx(int(right) / int(units[0]))
    assert LEARNER.selection_metric in values


def test_a_base_model_without_the_head_gets_a_new_one(tiny_model: Path) -> None:
    """The shipped sentence model has no such head either."""

    def head(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        with quiet_transformers():
            weight: torch.Tensor = LEARNER.load_model(
                tiny_model
            ).cls.predictions.transform.dense.weight
        return weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


@settings(max_examples=50)
@given(words=WORDS, text=st.text(max_size=5))
def test_evaluation_hides_every_seventh_word(words: list[int], text: str) -> None:
    ids = np.arange(10, 10 + len(words))
    masked, labels = hide_every_seventh(ids, words, text, 4)
    count = max(words) + 1
    hidden = sorted({word for word, label in zip(words, labels, strict=True) if label != IGNORED})
    assert hidden == list(range(first_hidden(text, count), count, 7))
    assert hidden
    assert (masked[labels != IGNORED] == 4).all()


def plain_sums(folder: Path, text: str) -> list[float]:
    """One window at a time, one token at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForMaskedLM.from_pretrained(folder).eval()
    windows = tokenizer([text], truncation=True, max_length=24, return_overflowing_tokens=True)
    nll, tokens, right_tokens, words, right_words = 0.0, 0, 0, 0, 0
    for number, ids in enumerate(windows["input_ids"]):
        of = [
            None if token in tokenizer.all_special_ids else word
            for token, word in zip(ids, windows.word_ids(number), strict=True)
        ]
        distinct = sorted({word for word in of if word is not None})
        chosen = distinct[first_hidden(text, len(distinct)) :: 7]
        shown = [
            tokenizer.mask_token_id if word in chosen else token
            for token, word in zip(ids, of, strict=True)
        ]
        with torch.inference_mode():
            logits = network(input_ids=torch.tensor([shown])).logits[0].double()
        for word in chosen:
            places = [place for place, one in enumerate(of) if one == word]
            hits = [int(logits[place].argmax()) == ids[place] for place in places]
            nll -= sum(float(logits[place].log_softmax(-1)[ids[place]]) for place in places)
            tokens, right_tokens = tokens + len(places), right_tokens + sum(hits)
            words, right_words = words + 1, right_words + all(hits)
    return [nll, tokens, right_tokens, words, right_words]


@pytest.fixture(scope="module")
def learnt(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model after some steps on these texts, so that some of its guesses are right."""
    folder = tmp_path_factory.mktemp("learnt")
    tokenizer = load_tokenizer(model)
    save_tokenizer(tokenizer, folder, control_tokens=LEARNER.asked_with_control_tokens)
    torch.manual_seed(0)
    with quiet_transformers():
        network = LEARNER.load_model(model).train()
    vocabulary = Vocabulary(
        tokenizer.pad_token_id, len(tokenizer), tokenizer.mask_token_id,
        frozenset(tokenizer.all_special_ids),
    )  # fmt: skip
    table = LEARNER.encode(rows(), tokenizer).table.drop("row_id").to_pylist()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for step in range(60):
        examples = [{**row, "seed": 100 * step + place} for place, row in enumerate(table)]
        batch = LEARNER.collate(examples, vocabulary)
        LEARNER.loss(network(**batch.inputs), batch, LEARNER.units(batch)).backward()
        optimizer.step()
        optimizer.zero_grad()
    network.save_pretrained(folder)
    return folder


def test_predict_sums_as_a_plain_loop_does_and_training_helps(model: Path, learnt: Path) -> None:
    answers = EXAMINER.predict(learnt, rows())
    found = np.column_stack([answers.column(name) for name in answers.column_names[1:]])
    expected = np.array([plain_sums(learnt, text) for text in TEXTS])
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    measured = EXAMINER.measure(rows(), answers)
    values = {measure.name: measure.value for measure in measured.measures}
    total = expected.sum(axis=0)
    assert values["masked_accuracy"] == pytest.approx(total[4] / total[3])
    assert values["masked_token_accuracy"] == pytest.approx(total[2] / total[1])
    assert values["pseudo_perplexity"] == pytest.approx(math.exp(total[0] / total[1]), rel=1e-4)
    assert measured.row_scores == pytest.approx(expected[:, 4] / expected[:, 3])
    assert measured.leading == ("masked_accuracy",)
    by_token = {measure.name for measure in measured.measures if measure.by_token}
    assert by_token == {"masked_token_accuracy", "pseudo_perplexity"}
    untrained = EXAMINER.measure(rows(), EXAMINER.predict(model, rows()))
    before = {measure.name: measure.value for measure in untrained.measures}
    assert values["pseudo_perplexity"] < before["pseudo_perplexity"] / 2


def test_masks_of_the_text_are_filled_and_others_chosen(learnt: Path) -> None:
    texts = ("The match was [MASK] by a late [MASK].", TEXTS[0], "")
    answers = EXAMINER.predict(learnt, rows(texts))
    asked, chosen, empty = map(json.loads, answers.column("answer").to_pylist())
    assert [len(row) for row in asked["tokens"]] == [5, 5]
    assert asked["mean_log_likelihood"] is None
    scores = answers.column("nll")[1].as_py() / answers.column("tokens")[1].as_py()
    assert chosen["mean_log_likelihood"] == pytest.approx(-scores, abs=1e-5)
    assert empty == {"tokens": [], "scores": [], "mean_log_likelihood": None}
    tokenizer = AutoTokenizer.from_pretrained(learnt)
    network = AutoModelForMaskedLM.from_pretrained(learnt).eval()
    ids = tokenizer(texts[0], return_tensors="pt")
    at = (ids["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0]
    best = network(**ids).logits[0, at].softmax(-1).topk(5)
    assert asked["tokens"] == [
        tokenizer.convert_ids_to_tokens(row) for row in best.indices.tolist()
    ]
    np.testing.assert_allclose(asked["scores"], best.values.detach().numpy(), atol=1e-6)


def test_weights_that_are_no_numbers_are_refused(model: Path, tmp_path: Path) -> None:
    network = AutoModelForMaskedLM.from_pretrained(model)
    network.cls.predictions.bias.data[:] = float("nan")
    network.save_pretrained(tmp_path)
    load_tokenizer(model).save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="diverged"):
        EXAMINER.predict(tmp_path, rows())


def test_the_baseline_guesses_the_most_frequent_word() -> None:
    train = ["the cat and the dog", "the end"]
    test = ["the the the", "a b c d e f g h the", "", "猫和狗"]
    answers = frequent_word_baseline(train, test)
    words, right = (answers.column(name).to_pylist() for name in ("words", "right_words"))
    for row, text in enumerate(test):
        split = WORD.findall(text)
        hidden = split[first_hidden(text, len(split)) :: 7]
        assert (words[row], right[row]) == (len(hidden), hidden.count("the"))
    assert right[0] == 1
    measured = EXAMINER.measure(rows(test), answers)
    by_name = {measure.name: measure for measure in measured.measures}
    assert by_name["pseudo_perplexity"].reason
    assert by_name["masked_token_accuracy"].reason
    assert not by_name["masked_accuracy"].reason
    assert np.isnan(measured.row_scores[2])
    assert frequent_word_baseline([""], test) == "the training texts have no words"


def test_words_of_the_baseline_are_those_of_berts_tokenizer() -> None:
    from tokenizers.pre_tokenizers import BertPreTokenizer

    text = "He's 3.5 years old, isn't he? (Yes!) 今天好 e-mail café"
    split = [
        word for word, _ in BertPreTokenizer().pre_tokenize_str(text.replace("今天好", "今 天 好"))
    ]
    assert WORD.findall(text) == split

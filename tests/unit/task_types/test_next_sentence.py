import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForPreTraining,
    AutoTokenizer,
    RobertaConfig,
    RobertaForMaskedLM,
)

from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.examples import IGNORED, Vocabulary
from tasks.task_types.language_models.masking import NO_WORD
from tasks.task_types.language_models.pair_measures import shared_words_baseline
from tasks.task_types.language_models.sentence_pairs import (
    IS_NEXT,
    IS_RANDOM,
    SentencePair,
    pair_sentences,
    split_sentences,
)
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.language_models import tiny_bert

LIMITS = TokenLimits(max_length=32)
LEARNER = learner_of("next_sentence", (), LIMITS)
EXAMINER = examiner_of("next_sentence", (), LIMITS)
DOCUMENTS = (
    "The match was won. A late goal was good. They said so! He said it was bad.",
    "Shares fell. The bank raised rates. Shares fell as the bank raised rates again.",
    "今天天气很好。我们去公园\uff01他在这有一人。",
    "One sentence alone",
    "A good film. A bad film. The film was good. The film was bad.\nIt was late? Yes.",
)


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tiny_model, tmp_path_factory.mktemp("bert"))


def rows(texts: Sequence[str] = DOCUMENTS) -> pa.Table:
    return pa.table({"row_id": [str(place) for place in range(len(texts))], "text": texts})


def vocabulary_of(folder: Path) -> Vocabulary:
    tokenizer = load_tokenizer(folder)
    return Vocabulary(
        tokenizer.pad_token_id, len(tokenizer), tokenizer.mask_token_id,
        frozenset(tokenizer.all_special_ids),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It cost 3.5 pounds. Really?", ["It cost 3.5 pounds.", "Really?"]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        (
            "今天很好。我们走\uff01“好吗\uff1f”她说。",
            ["今天很好。", "我们走\uff01", "“好吗\uff1f”", "她说。"],
        ),
        ("Title\n\nText. ", ["Title", "Text."]),
        (" \n ", []),
    ],
)
def test_sentences_end_with_marks_and_lines(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@settings(max_examples=60)
@given(st.text(alphabet="ab .!?。\uff01\n”", max_size=40))
def test_sentences_hold_all_signs_of_the_text_in_order(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_half_of_the_pairs_follow_and_the_others_are_of_another_document() -> None:
    texts = [" ".join(f"d{n} s{m}." for m in range(9)) for n in range(400)]
    pairs = pair_sentences(texts, [str(n) for n in range(400)])
    assert len(pairs) == 400 * 4
    for pair in pairs:
        document, sentence = pair.first.rstrip(".").split()
        other, number = pair.second.rstrip(".").split()
        assert document == f"d{pair.document}"
        follows = other == document and int(number[1:]) == int(sentence[1:]) + 1
        assert pair.label == (IS_NEXT if follows else IS_RANDOM)
        assert follows or other != document
    share = sum(pair.label == IS_NEXT for pair in pairs) / len(pairs)
    assert abs(share - 0.5) < 3 * 0.5 / math.sqrt(len(pairs))
    assert pairs == pair_sentences(texts, [str(n) for n in range(400)])
    drawn = {pair.second.split()[0] for pair in pairs if pair.label == IS_RANDOM}
    assert len(drawn) > 300  # of all documents


def test_a_lone_document_has_pairs_that_follow_alone() -> None:
    assert {pair.label for pair in pair_sentences(["a. b. c. d."], ["0"])} == {IS_NEXT}


def test_encode_marks_segments_and_numbers_words_of_both(model: Path) -> None:
    tokenizer = load_tokenizer(model)
    encoded = LEARNER.encode(rows(), tokenizer)
    pairs = pair_sentences(DOCUMENTS, [str(place) for place in range(len(DOCUMENTS))])
    table = encoded.table.to_pylist()
    assert [row["follows"] for row in table] == [pair.label for pair in pairs]
    assert [row["row_id"] for row in table] == [str(pair.document) for pair in pairs]
    assert encoded.tokens == sum(len(row["input_ids"]) for row in table)
    for row, pair in zip(table, pairs, strict=True):
        whole = tokenizer(pair.first, pair.second)
        assert row["input_ids"] == whole["input_ids"]
        assert row["segments"] == whole["token_type_ids"]
        words = [word for word in row["words"] if word != NO_WORD]
        assert words == sorted(words)  # the second sentence's go on from the first's
        firsts, seconds = (
            {
                word
                for word, side in zip(row["words"], whole.sequence_ids(), strict=True)
                if side == n
            }
            for n in (0, 1)
        )
        assert firsts & seconds <= {NO_WORD}
    assert encoded.truncated == 0
    cut = replace(LEARNER, limits=TokenLimits(max_length=12)).encode(rows(), tokenizer)
    assert 0 < cut.truncated <= len(DOCUMENTS)
    assert max(map(len, cut.table.column("input_ids").to_pylist())) == 12


def test_the_loss_is_the_sum_of_both_means(model: Path) -> None:
    """As transformers computes it for BERT."""
    with quiet_transformers():
        network = LEARNER.load_model(model).eval()
    vocabulary = vocabulary_of(model)
    table = LEARNER.encode(rows(), load_tokenizer(model)).table.drop("row_id")
    examples = [{**row, "seed": place} for place, row in enumerate(table.to_pylist())]
    whole = LEARNER.collate(examples, vocabulary)
    expected = network(
        **whole.inputs,
        labels=whole.labels["labels"],
        next_sentence_label=whole.labels["follows"],
    ).loss
    batches = [LEARNER.collate(part, vocabulary) for part in (examples[:2], examples[2:])]
    units = torch.stack([LEARNER.units(batch) for batch in batches]).sum(dim=0)
    assert units.tolist() == [
        int((whole.labels["labels"] != IGNORED).sum()), len(examples),
    ]  # fmt: skip
    shares = [LEARNER.loss(network(**batch.inputs), batch, units) for batch in batches]
    torch.testing.assert_close(sum(shares), expected)
    values = LEARNER.metrics(LEARNER.outcomes(network(**whole.inputs), whole).detach().numpy())
    assert values["pretraining_loss"] == pytest.approx(expected.item(), rel=1e-5)
    logits = network(**whole.inputs).seq_relationship_logits
    right = (logits.argmax(-1) == whole.labels["follows"]).double().mean()
    assert values["next_sentence_accuracy"] == pytest.approx(float(right))
    assert LEARNER.selection_metric in values


def test_a_model_without_such_a_head_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    load_tokenizer(tiny_model).save_pretrained(tmp_path)
    RobertaForMaskedLM(
        RobertaConfig(
            vocab_size=700, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=64,
        )
    ).save_pretrained(tmp_path)  # fmt: skip
    with quiet_transformers(), pytest.raises(BaseModelError, match="no next-sentence head"):
        LEARNER.load_model(tmp_path)


def test_a_base_model_without_heads_gets_new_ones(tiny_model: Path) -> None:
    with quiet_transformers():
        network = LEARNER.load_model(tiny_model)
    assert network.cls.seq_relationship.out_features == 2


def test_predict_judges_pairs_as_a_plain_loop_does(model: Path) -> None:
    answers = EXAMINER.predict(model, rows())
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForPreTraining.from_pretrained(model).eval()

    def follows(first: str, second: str) -> float:
        with torch.inference_mode():
            logits = network(
                **tokenizer(first, second, return_tensors="pt")
            ).seq_relationship_logits
        return float(logits.softmax(-1)[0, 0])

    pairs = pair_sentences(DOCUMENTS, [str(place) for place in range(len(DOCUMENTS))])
    right, count = np.zeros(len(DOCUMENTS)), np.zeros(len(DOCUMENTS))
    for pair in pairs:
        count[pair.document] += 1
        right[pair.document] += (follows(pair.first, pair.second) >= 0.5) == (pair.label == IS_NEXT)
    assert answers.column("pairs").to_pylist() == count.tolist()
    assert answers.column("right_pairs").to_pylist() == right.tolist()
    for text, answer in zip(DOCUMENTS, answers.column("answer").to_pylist(), strict=True):
        sentences = split_sentences(text)
        expected = [follows(*two) for two in pairwise(sentences)]
        assert json.loads(answer)["next_probabilities"] == pytest.approx(expected, abs=1e-6)
    measured = EXAMINER.measure(rows(), answers)
    values = {measure.name: measure.value for measure in measured.measures}
    assert values["next_sentence_accuracy"] == pytest.approx(right.sum() / count.sum())
    assert {"masked_accuracy", "pseudo_perplexity"} <= set(values)
    assert set(measured.leading) <= set(values)
    assert np.isnan(measured.row_scores[3])  # of one sentence


def test_the_baseline_finds_that_sentences_share_words() -> None:
    following = [SentencePair(n, "a cat sat", "the cat ran", IS_NEXT) for n in range(5)]
    strange = [SentencePair(n, "a cat sat", "some birds fly", IS_RANDOM) for n in range(5)]
    answers = shared_words_baseline(following + strange, [*following[:2], strange[3]], 5)
    assert answers.column("pairs").to_pylist() == [1, 1, 0, 1, 0]
    assert answers.column("right_pairs").to_pylist() == [1, 1, 0, 1, 0]
    assert EXAMINER.baseline(rows(("",)), rows()).startswith("the training texts have no pairs")
    measured = EXAMINER.measure(rows(), EXAMINER.baseline(rows(), rows()))
    assert {measure.name for measure in measured.measures if not measure.reason} == {
        "next_sentence_accuracy",
        "masked_accuracy",
    }

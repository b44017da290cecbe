"""The likelihoods that the probes of language models rest on, against loops of one token."""

import difflib
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from infra.errors import BaseModelError
from tasks.probes.language_bias.asking import score_answers, score_pairs, score_triplets
from tasks.probes.language_bias.items import Question, SentencePair, Triplet
from tasks.task_types.text_likelihood import TEXT_LIKELIHOODS, TextLikelihood
from tests.unit.task_types.language_models import LENGTH, tiny_bert, tiny_gpt2, tiny_llama

PAIRS = [
    SentencePair("She said that the bank fell.", "He said that the bank fell.", "gender"),
    SentencePair("The old man was late again.", "The young man was late.", "age"),
    SentencePair("书在桌子上。", "天在桌子上。", "age"),
    SentencePair("old, " * 80, "b", "age"),
]
TRIPLETS = [Triplet("The bank fell.", "The bank rose again.", "The bank sky.", "job", "bank")]
QUESTIONS = [
    Question("Two people met. Who was late?", ("The man", "The woman", "Nobody can say"),
             2, 2, 0, ambiguous=True, template="1", category="gender"),
    Question("今天我们去公园。谁说\uff1f", ("他", "她", "不知道"), 2, 2, 1, ambiguous=True,
             template="2", category="gender"),
]  # fmt: skip


@pytest.fixture(scope="module")
def masked(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tiny_model, tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module", params=[tiny_gpt2, tiny_llama], ids=["gpt2", "llama"])
def causal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(request.param(tmp_path_factory.mktemp("causal")))


def load(task_type: str, folder: Path) -> TextLikelihood:
    return TEXT_LIKELIHOODS.load(task_type).load(folder)


def pseudo_log_likelihoods(folder: Path, first: str, second: str) -> tuple[float, float]:
    """As CrowS-Pairs' authors score a pair: align token ids, hide each shared one in turn."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    ids = [tokenizer(text, return_tensors="pt").input_ids[0] for text in (first, second)]
    names = [[str(int(one)) for one in side] for side in ids]
    spans: tuple[list[int], list[int]] = ([], [])
    for what, a, b, c, d in difflib.SequenceMatcher(None, *names).get_opcodes():
        if what == "equal":
            spans[0].extend(range(a, b))
            spans[1].extend(range(c, d))
    found = []
    for side, span in zip(ids, spans, strict=True):
        total = 0.0
        for place in span[1:-1]:  # the first and the last are [CLS] and [SEP]
            hidden = side.clone()
            hidden[place] = tokenizer.mask_token_id
            with torch.no_grad():
                logits = model(hidden[None]).logits[0, place]
            total += float(logits.log_softmax(dim=-1)[side[place]])
        found.append(total)
    return found[0], found[1]


def log_likelihood(folder: Path, text: str, behind: int = 0) -> tuple[float, int]:
    """Of the tokens that end behind a character, one after the other, and how many they are."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    read = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    ids, total, count = [start], 0.0, 0
    for token, (_, end) in zip(read.input_ids, read.offset_mapping, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        if end > behind:
            total += float(logits.log_softmax(dim=-1)[token])
            count += 1
        ids.append(token)
    return total, count


def test_pairs_are_scored_as_their_authors_do(masked: Path) -> None:
    scored = score_pairs(load("masked_lm", masked), PAIRS)
    expected = [pseudo_log_likelihoods(masked, one.more, one.less) for one in PAIRS[:3]]
    np.testing.assert_allclose(scored.scores[:3], expected, rtol=0, atol=1e-4)
    assert scored.left_out == 1
    assert np.isnan(scored.scores[3]).all()


@pytest.mark.parametrize("task_type", ["causal_lm", "chat", "preference"])
def test_a_causal_model_is_asked_for_whole_sentences(causal: Path, task_type: str) -> None:
    scored = score_pairs(load(task_type, causal), PAIRS)
    expected = [
        [log_likelihood(causal, text)[0] for text in (one.more, one.less)] for one in PAIRS[:3]
    ]
    np.testing.assert_allclose(scored.scores[:3], expected, rtol=0, atol=1e-4)
    assert scored.left_out == 1


def test_answers_are_scored_behind_their_question(causal: Path) -> None:
    scored = score_answers(load("causal_lm", causal), QUESTIONS)
    for row, (one, space) in enumerate(zip(QUESTIONS, (" ", ""), strict=True)):
        for number, answer in enumerate(one.answers):
            text = f"{one.prompt}{space}{answer}"
            total, count = log_likelihood(causal, text, behind=len(one.prompt))
            assert scored.scores[row, number] == pytest.approx(total / count, abs=1e-4)


def test_a_question_that_does_not_fit_is_left_out_whole(causal: Path) -> None:
    long = Question("word " * LENGTH, ("a", "b", "c"), 0, 2, 0, ambiguous=False, template="3",
                    category="age")  # fmt: skip
    scored = score_answers(load("causal_lm", causal), [QUESTIONS[0], long])
    assert scored.left_out == 1
    assert np.isnan(scored.scores).tolist() == [[False] * 3, [True] * 3]


def test_what_has_no_token_to_ask_for_is_left_out(masked: Path, causal: Path) -> None:
    nothing = Question("Who?", ("a", "b", "\u200b\u0000"), 0, 2, 0, ambiguous=False, template="4",
                       category="age")  # fmt: skip
    asked = load("masked_lm", masked)
    (text,) = asked.read([f"Who? {nothing.answers[2]}"])
    assert max(text.ends[place] for place in text.places) == len("Who?")
    scored = score_answers(asked, [nothing, QUESTIONS[0]])
    assert scored.left_out == 1
    assert np.isnan(scored.scores[0]).all()
    apart = SentencePair("the", "a", "age")
    assert score_pairs(asked, [apart, PAIRS[0]]).left_out == 1
    assert score_pairs(load("causal_lm", causal), [apart]).left_out == 0


def test_sentences_of_a_triplet_count_by_token(causal: Path) -> None:
    scored = score_triplets(load("causal_lm", causal), TRIPLETS)
    texts = (TRIPLETS[0].stereotype, TRIPLETS[0].anti_stereotype, TRIPLETS[0].unrelated)
    for number, text in enumerate(texts):
        total, count = log_likelihood(causal, text)
        assert scored.scores[0, number] == pytest.approx(total / count, abs=1e-4)


def test_a_model_without_mask_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="no mask token"):
        load("masked_lm", tiny_gpt2(tmp_path))

"""Question answering: windows, answers as tokens and back, a real training, and the scores."""

import logging
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from infra.errors import BaseModelError, SettingsError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.examples import Batch, Example, Vocabulary
from tasks.task_types.learner import Learner, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.questions.answer_spans import MAX_ANSWER_TOKENS, NEVER, best_spans
from tasks.task_types.questions.context_windows import (
    context_parts,
    pair_frame,
    read_questions,
    tokens_of_answer,
)
from tasks.task_types.questions.question_answering_measures import (
    is_unspaced,
    measure_answers,
    score_answer,
)
from tasks.task_types.scoring import load_model
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.text_models import LIMITS, train, values_of, weighted


@pytest.fixture
def learner() -> Learner:
    return learner_of("question_answering", (), LIMITS)


@pytest.fixture
def examiner() -> Examiner:
    return examiner_of("question_answering", (), LIMITS)


def rows_of(*rows: tuple[str, str, str | None]) -> pa.Table:
    """Questions, contexts and answers, each where it first stands."""
    return pa.table(
        {
            "row_id": [f"{number:03}" for number in range(len(rows))],
            "question": pa.array([question for question, _, _ in rows], pa.string()),
            "context": pa.array([context for _, context, _ in rows], pa.string()),
            "answer": pa.array([answer for _, _, answer in rows], pa.string()),
            "answer_start": pa.array(
                [None if answer is None else context.index(answer) for _, context, answer in rows],
                pa.int64(),
            ),
        }
    )


# Windows and spans


@given(st.integers(0, 80), st.integers(1, 20), st.integers(0, 20))
@settings(max_examples=80, deadline=None)
def test_parts_cover_a_context_and_share_what_was_asked(size: int, room: int, shared: int) -> None:
    parts = context_parts(size, room, shared)
    assert {token for part in parts for token in range(*part)} == set(range(size))
    assert all(end - begin <= room for begin, end in parts)
    assert (len(parts) > 1) == (size > room)
    for (_, end), (begin, further) in pairwise(parts):
        assert end - begin == min(shared, room // 2)
        assert further > end


@pytest.mark.parametrize("question", ["who won?", "的一是"])
@pytest.mark.parametrize(
    "context", ["the match was won by a late goal", "他在这、有一人。good film"]
)
def test_a_short_pair_is_read_as_the_tokenizer_reads_it(
    tiny_model: Path, question: str, context: str
) -> None:
    tokenizer = load_tokenizer(tiny_model)
    (read,) = read_questions([question], [context], tokenizer, 64, 0)
    (window,) = read.windows
    theirs = tokenizer(question, context, return_offsets_mapping=True)
    assert window.input_ids == theirs["input_ids"]
    assert window.segments == theirs["token_type_ids"]
    places = [place for place, side in enumerate(theirs.sequence_ids()) if side == 1]
    assert (window.begin, window.end) == (places[0], places[-1] + 1)
    assert list(map(tuple, read.bounds)) == [theirs["offset_mapping"][place] for place in places]
    assert window.input_ids[window.null] == tokenizer.cls_token_id
    assert not read.is_cut


def test_windows_of_a_long_context_are_those_of_the_tokenizer(tiny_model: Path) -> None:
    """Its own way to split the second of two texts, but for the last window, which it may cut."""
    tokenizer = load_tokenizer(tiny_model)
    context = " ".join(f"goal {number}" for number in range(40))
    (read,) = read_questions(["who?"], [context], tokenizer, 32, 7)
    theirs = tokenizer(
        "who?", context, truncation="only_second", max_length=32, stride=7,
        return_overflowing_tokens=True,
    )  # fmt: skip
    assert [window.input_ids for window in read.windows] == theirs["input_ids"]
    assert read.is_cut


def test_a_long_question_leaves_half_of_the_window(tiny_model: Path, learner: Learner) -> None:
    tokenizer = load_tokenizer(tiny_model)
    rows = rows_of(("who said " * 40, "he said", "he"), ("who?", "he said", "he"))
    encoded = replace(learner, limits=TokenLimits(max_length=23)).encode(rows, tokenizer)
    assert encoded.truncated == 1
    begins = encoded.table.column("context_begin").to_pylist()
    assert begins[0] == 1 + 10 + 1  # class token, half of the twenty, separator
    with pytest.raises(SettingsError, match="max_length is 4, of which special tokens take 3"):
        replace(learner, limits=TokenLimits(max_length=4)).encode(rows, tokenizer)


WORDS = [
    "the",
    "goal",
    "的",
    "一是",
    "goalkeepers",
    "rates,",
    "(he",
    "won)",
    "é",
    "🙂",
    "\u200b",
    "2,024.5",
]


@st.composite
def context_with_answer(draw: Any) -> tuple[str, int, int]:
    """A context, and two bounds of an answer in it."""
    parts = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
    blank = st.sampled_from([" ", "", "\n", "  "])
    context = "".join(part + draw(blank) for part in parts)
    begin = draw(st.integers(0, len(context) - 1))
    return context, begin, draw(st.integers(begin + 1, len(context)))


@given(context_with_answer())
@settings(max_examples=80, deadline=None)
def test_an_answers_tokens_are_all_that_hold_some_of_it(
    tiny_model: Path, drawn: tuple[str, int, int]
) -> None:
    context, begin, end = drawn
    tokenizer = load_tokenizer(tiny_model)
    (read,) = read_questions(["who?"], [context], tokenizer, 512, 0)
    bounds = [tuple(map(int, pair)) for pair in read.bounds]
    touching = [
        place for place, (first, last) in enumerate(bounds)
        if set(range(first, last)) & set(range(begin, end))
    ]  # fmt: skip
    span = tokens_of_answer(read.bounds, begin, end - begin)
    assert span == ((touching[0], touching[-1]) if touching else None)
    if span:
        first, last = span
        # An answer that begins and ends with tokens comes back to the character.
        whole = context[bounds[first][0] : bounds[last][1]]
        again = tokens_of_answer(read.bounds, bounds[first][0], len(whole))
        assert again == span


@given(st.integers(0, 5), st.data())
@settings(max_examples=40, deadline=None)
def test_the_best_span_is_that_of_a_search_through_all(seed: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 12))
    generator = torch.manual_seed(seed)
    starts, ends = torch.randn(2, 3, length, generator=generator)
    can = torch.rand(3, length, generator=generator) < 0.7
    null = torch.randint(0, length, (3,), generator=generator)
    best = best_spans(starts, ends, can, null)
    for row in range(3):
        sums = {
            (first, last): float(starts[row, first] + ends[row, last])
            for first in range(length)
            for last in range(first, length)
            if can[row, first] and can[row, last]
        }
        assert float(best.null[row]) == pytest.approx(
            float(starts[row, null[row]] + ends[row, null[row]])
        )
        if sums:
            assert (int(best.first[row]), int(best.last[row])) == max(sums, key=sums.__getitem__)
            assert float(best.scores[row]) == pytest.approx(max(sums.values()))
        else:
            assert float(best.scores[row]) == 2 * NEVER


def test_no_answer_is_longer_than_the_most() -> None:
    scores = torch.zeros(1, 200)
    starts, ends = scores.clone(), scores.clone()
    starts[0, 10], ends[0, 150], ends[0, 20] = 5, 9, 1
    best = best_spans(starts, ends, scores == 0, torch.tensor([0]))
    assert (int(best.first), int(best.last)) == (150, 150)
    assert MAX_ANSWER_TOKENS < 140


# Examples


def test_each_window_is_labelled_by_what_it_holds(learner: Learner, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    context = " ".join(["he said"] * 20 + ["the late goal"] + ["they said"] * 20)
    rows = rows_of(
        ("what?", context, "late goal"), ("what?", context, None), ("a?", "a film", "film")
    )
    encoded = replace(learner, limits=TokenLimits(max_length=32)).encode(rows, tokenizer)
    assert encoded.truncated == 2
    examples = encoded.table.to_pylist()
    assert encoded.tokens == sum(len(one["input_ids"]) for one in examples)
    texts = []
    for one in examples:
        assert one["null"] == 0
        if one["start"]:
            assert one["context_begin"] <= one["start"] <= one["end"] < one["context_end"]
            answer = tokenizer.decode(one["input_ids"][one["start"] : one["end"] + 1])
            texts.append((one["row_id"], answer))
        else:
            assert one["end"] == 0
            inside = tokenizer.decode(one["input_ids"][one["context_begin"] : one["context_end"]])
            assert one["row_id"] == "001" or "late goal" not in inside
    assert ("000", "late goal") in texts
    assert texts[-1] == ("002", "film")
    assert {row for row, _ in texts} == {"000", "002"}


def test_rows_whose_answer_no_window_holds_are_counted_in_the_log(
    learner: Learner, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = load_tokenizer(tiny_model)
    long = " ".join(["goal"] * 60)
    rows = rows_of(
        ("what?", f"said {long} said", long), ("what?", "a \u200b film", "\u200b"),
        ("what?", "a film", "film"),
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        encoded = replace(learner, limits=TokenLimits(max_length=32)).encode(rows, tokenizer)
    assert encoded.table.column("row_id").to_pylist() == ["002"]
    assert "2 of 3 rows are not learnt from" in caplog.text
    empty = learner.encode(rows.slice(0, 0), tokenizer)
    assert empty.table.schema == encoded.table.schema


def test_segments_are_there_only_if_the_model_reads_them(
    learner: Learner, tiny_model: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model)
    rows = rows_of(("what?", "a film", "film"), ("what was it?", "a good film", "good film"))
    examples = learner.encode(rows, tokenizer).table.to_pylist()
    batch = learner.collate(examples, Vocabulary(pad_id=0, size=600))
    theirs = tokenizer(["what?", "what was it?"], ["a film", "a good film"], padding=True)
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert batch.inputs[name].tolist() == theirs[name]
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    table = learner.encode(rows, tokenizer).table
    assert "segments" not in table.column_names
    assert set(learner.collate(table.to_pylist(), Vocabulary(0, 600)).inputs) == {
        "input_ids", "attention_mask",
    }  # fmt: skip


def test_segments_that_the_model_does_not_read_are_refused(
    learner: Learner, tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

    small = {"vocab_size": 600, "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 8}
    with quiet_transformers():
        load_tokenizer(tiny_model).save_pretrained(tmp_path)
        DistilBertModel(
            DistilBertConfig(vocab_size=600, dim=8, n_layers=1, n_heads=1, hidden_dim=8)
        ).save_pretrained(tmp_path)
        with pytest.raises(BaseModelError, match=r"up to 1, and DistilBertFor.* reads none"):
            learner.load_model(tmp_path)
        one_kind = RobertaConfig(**small, num_attention_heads=1, type_vocab_size=1)
        RobertaModel(one_kind).save_pretrained(tmp_path)
        with pytest.raises(BaseModelError, match=r"RobertaFor.* reads only those below 1"):
            learner.load_model(tmp_path)


def test_a_class_token_at_the_end_and_none_at_all(tiny_model: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = load_tokenizer(tiny_model)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A [SEP] [CLS]", pair="$A [SEP] $B [SEP] [CLS]",
        special_tokens=[("[SEP]", sep), ("[CLS]", cls)],
    )  # fmt: skip
    (read,) = read_questions(["who?"], ["he said"], tokenizer, 64, 0)
    assert read.windows[0].null == len(read.windows[0].input_ids) - 1
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A", pair="$A $B", special_tokens=[]
    )
    (read,) = read_questions(["who?"], ["he said"], tokenizer, 64, 0)
    assert read.windows[0].null == 0
    assert pair_frame(tokenizer).size == 0


def test_a_tokenizer_that_gives_nothing_for_a_pair_is_refused(tiny_model: Path) -> None:
    from tokenizers import Regex
    from tokenizers.normalizers import Replace

    tokenizer = load_tokenizer(tiny_model)
    tokenizer.backend_tokenizer.normalizer = Replace(Regex(".+"), "")
    with pytest.raises(BaseModelError, match="gives no tokens for a pair"):
        pair_frame(tokenizer)


# Training


@pytest.fixture
def examples(learner: Learner, tiny_model: Path) -> list[Example]:
    rows = rows_of(
        ("what?", "a film", "film"), ("who?", "a good film he said", None),
        ("what was it?", "the match was won by a late goal", "late goal"),
    )  # fmt: skip
    return list(learner.encode(rows, load_tokenizer(tiny_model)).table.to_pylist())


def logits_of(batch: Batch, whole: Sequence[torch.Tensor], part: slice) -> dict[str, torch.Tensor]:
    length = batch.inputs["input_ids"].shape[1]
    return {
        f"{side}_logits": one[part, :length]
        for side, one in zip(("start", "end"), whole, strict=True)
    }


def test_the_loss_chooses_among_context_and_null_however_rows_are_padded(
    learner: Learner, examples: list[Example]
) -> None:
    vocabulary = Vocabulary(pad_id=0, size=600)
    whole = learner.collate(examples, vocabulary)
    assert learner.units(whole).tolist() == [3]
    generator = torch.manual_seed(0)
    logits = torch.randn(2, *whole.inputs["input_ids"].shape, generator=generator)
    shares = []
    for part in (slice(0, 1), slice(1, 3)):
        batch = learner.collate(examples[part], vocabulary)
        shares.append(
            learner.loss(logits_of(batch, list(logits), part), batch, learner.units(whole))
        )
    expected = []
    for row, example in enumerate(examples):
        places = [example["null"], *range(example["context_begin"], example["context_end"])]
        expected += [
            cross_entropy(one[row, places], torch.tensor(places.index(example[side])))
            for side, one in zip(("start", "end"), logits, strict=True)
        ]
    torch.testing.assert_close(sum(shares), torch.stack(expected).mean())


def test_validation_compares_the_tokens_of_the_answer(
    learner: Learner, examples: list[Example]
) -> None:
    batch = learner.collate(examples * 2, Vocabulary(pad_id=0, size=600))
    starts, ends = torch.zeros(2, *batch.inputs["input_ids"].shape)
    for row, example in enumerate(examples * 2):
        shift = row == 5  # the second time, the last answer is one token too long
        starts[row, example["start"] - shift], ends[row, example["end"]] = 9, 9
    starts[3, 0], ends[3, 0] = 20, 20  # and the first one is none
    outcomes = learner.outcomes({"start_logits": starts, "end_logits": ends}, batch)
    size = examples[2]["end"] - examples[2]["start"] + 1
    overlap = 2 * size / (2 * size + 1)
    np.testing.assert_allclose(
        outcomes, [[1, 1], [1, 1], [1, 1], [0, 0], [1, 1], [0, overlap]], atol=1e-6
    )
    values = learner.metrics(outcomes.numpy().astype(float))
    assert values == pytest.approx({"exact_match": 4 / 6, "f1": (4 + overlap) / 6})
    assert learner.selection_metric in values


def questions(count: int, seed: int) -> pa.Table:
    """What one film is: the word or two before it, or nothing where there is no film."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        filling = rng.choice(["he", "she", "said", "they", "the"], rng.integers(3, 16)).tolist()
        answer = " ".join([str(rng.choice(["good", "bad"])), "film"][: rng.integers(1, 3)])
        place = rng.integers(len(filling) + 1)
        if rng.random() < 0.25:
            rows.append(("what was it?", " ".join(filling), None))
        else:
            words = [*filling[:place], answer, *filling[place:]]
            rows.append(("what was it?", " ".join(words), answer))
    return rows_of(*rows)


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions") / "run"
    model, metrics = train(
        learner_of("question_answering", (), LIMITS), tiny_model,
        (questions(400, 1), questions(60, 2)),
        folder, epochs=10, learning_rate=5e-3, batch_size=32,
    )  # fmt: skip
    assert metrics["f1"] > 0.9, metrics
    return model


def test_a_trained_model_beats_the_closest_sentence(examiner: Examiner, trained: Path) -> None:
    test = questions(80, 3)
    answers = examiner.predict(trained, test)
    ours = values_of(examiner.measure(test, answers))
    theirs = values_of(examiner.measure(test, examiner.baseline(questions(400, 1), test)))
    assert ours["exact_match"] > 0.9
    assert ours["no_answer_accuracy"] > 0.9
    assert theirs["f1"] < 0.5


def test_an_answer_is_found_in_any_window_of_a_long_context(
    examiner: Examiner, trained: Path
) -> None:
    """Short windows of one context: the answer stands in one of them, and no other says so.

    It is an answer as the model learnt them, so that finding it does not hang on chance.
    """
    rows = [
        (
            "what was it?",
            " ".join(["he said"] * before + ["good film"] + ["they said"] * after),
            "good film",
        )
        for before, after in ((2, 30), (15, 15), (30, 2))
    ]
    answers = replace(examiner, limits=TokenLimits(max_length=24)).predict(trained, rows_of(*rows))
    assert answers.column("predicted_text").to_pylist() == ["good film"] * 3
    assert max(answers.column("no_answer_score").to_pylist()) < 0


def test_a_score_that_is_no_number_is_refused(
    examiner: Examiner, trained: Path, tmp_path: Path
) -> None:
    with quiet_transformers():
        model = load_model(trained, "AutoModelForQuestionAnswering")
        torch.nn.init.constant_(model.qa_outputs.bias, torch.nan)
        model.save_pretrained(tmp_path)
        load_tokenizer(trained).save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="no numbers"):
        examiner.predict(tmp_path, questions(3, 1))


# Scores


def squad_scores(truth: str, predicted: str) -> tuple[float, float]:
    """By the definition in SQuAD 2.0's evaluation: normalise, then compare words as a bag."""

    def normalised(text: str) -> str:
        kept = "".join(one for one in text.lower() if one not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())

    wanted, given = normalised(truth).split(), normalised(predicted).split()
    exact = float(normalised(truth) == normalised(predicted))
    same = sum((Counter(wanted) & Counter(given)).values())
    if not wanted or not given:
        return exact, float(wanted == given)
    if same == 0:
        return exact, 0.0
    precision, recall = same / len(given), same / len(wanted)
    return exact, 2 * precision * recall / (precision + recall)


ANSWERS = st.lists(
    st.sampled_from(["the", "The Goal,", "a", "goal", "2.5", "an", "“x”", "人", "-"]), max_size=5
).map(" ".join)


@given(ANSWERS, ANSWERS)
@settings(max_examples=80, deadline=None)
def test_english_answers_score_as_in_squad(truth: str, predicted: str) -> None:
    assert score_answer(truth, predicted, by_characters=False) == pytest.approx(
        squad_scores(truth, predicted)
    )


@pytest.mark.parametrize(
    ("truth", "predicted", "exact", "f1"),
    [
        ("北京大学", "北京大学。", 1, 1),
        ("北京大学", "《北京 大学》", 1, 1),
        ("北京大学", "北京", 0, 2 * 2 / 6),
        ("2008年", "2008 年", 1, 1),
        ("2008年", "2009年", 0, 1 / 2),
        ("IBM公司", "ibm 公司", 1, 1),
        ("北北", "北", 0, 2 / 3),
        ("", "北", 0, 0),
        ("", "", 1, 1),
        ("。", "", 1, 1),
    ],
)
def test_chinese_answers_score_by_characters(
    truth: str, predicted: str, exact: float, f1: float
) -> None:
    assert score_answer(truth, predicted, by_characters=True) == pytest.approx((exact, f1))


def test_the_script_of_the_context_decides() -> None:
    assert is_unspaced("他在这里、2008年。")
    assert is_unspaced("東京はどこ")
    assert not is_unspaced("The word 北京 means northern capital")
    assert not is_unspaced("한국어 문장")  # Korean puts spaces between words
    assert not is_unspaced("")


def test_measures_follow_from_the_rows() -> None:
    contexts = ["he said so"] * 5
    truth = ["late goal", "goal", "", "", "film"]
    predicted = ["the goal", "goal", "", "goal", ""]
    measured = measure_answers(contexts, truth, predicted)
    assert measured.row_scores.tolist() == pytest.approx([2 / 3, 1, 1, 0, 0])
    assert values_of(measured) == pytest.approx(
        {
            "f1": 8 / 15, "exact_match": 2 / 5, "has_answer_f1": 5 / 9,
            "has_answer_exact_match": 1 / 3, "no_answer_accuracy": 1 / 2, "no_answer_f1": 2 / 4,
        }
    )  # fmt: skip
    counts = [1, 0, 2, 1, 3]
    again = [
        [one for one, times in zip(values, counts, strict=True) for _ in range(times)]
        for values in (contexts, truth, predicted)
    ]
    assert weighted(measured, counts) == pytest.approx(values_of(measure_answers(*again)))
    assert measured.leading == ("f1", "exact_match")


def test_what_the_test_rows_do_not_hold_is_undefined_with_its_reason() -> None:
    def reasons(truth: str) -> dict[str, str]:
        measured = measure_answers(["he said"], [truth], ["he"])
        return {one.name: one.reason for one in measured.measures if one.reason}

    without = "there is no question without an answer"
    assert reasons("he") == dict.fromkeys(("no_answer_accuracy", "no_answer_f1"), without)
    assert set(reasons("")) == {"has_answer_f1", "has_answer_exact_match"}


@pytest.mark.parametrize(
    ("question", "context", "answer"),
    [
        (
            "Who won the match?",
            "It rained. The match was won by a goal! They left.",
            "The match was won by a goal!",
        ),
        ("谁赢了比赛", "昨天下雨。比赛他们赢了。大家回家。", "比赛他们赢了。"),
        ("who?", " no stop here ", "no stop here"),
        ("who?", "...", "..."),
    ],
)
def test_the_baseline_gives_the_closest_sentence(
    examiner: Examiner, question: str, context: str, answer: str
) -> None:
    rows = rows_of((question, context, None))
    learnt = rows_of((question, context, context), (question, context, None))
    filled = learnt if "..." not in context else rows_of((question, "a word", "word"))
    found = examiner.baseline(filled, rows)
    if isinstance(found, str):
        pytest.fail(found)
    assert found.column("predicted_text").to_pylist() == [answer]


def test_the_baseline_says_none_where_most_training_rows_have_none(examiner: Examiner) -> None:
    none = rows_of(("who?", "he said", None))
    assert examiner.baseline(none, none).column("predicted_text").to_pylist() == [""]
    assert examiner.baseline(none.slice(0, 0), none) == "the training split has no rows"
    blank = rows_of(("who?", "?", "?"))
    assert "no TF-IDF baseline" in examiner.baseline(blank, none)

import unicodedata

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from tasks.resampling import draw_weights
from tasks.task_types.generation.generation_measures import measure_texts, signatures
from tasks.task_types.generation.written_texts import RougeWords, WrittenTexts, bleu_tokenizer
from tasks.task_types.measures import Measured

ENGLISH = st.lists(
    st.sampled_from(["the", "a", "cat", "sat", "on", "mat", ".", ",", "3.5", "dogs'"]), max_size=9
)
CHINESE = st.text("我们在学校里看书。Ok3 ", max_size=9)
PAIRS = {
    "13a": st.lists(st.tuples(ENGLISH.map(" ".join), ENGLISH.map(" ".join)), min_size=1),
    "zh": st.lists(st.tuples(CHINESE, CHINESE), min_size=1),
}


def measured(pairs: list[tuple[str, str]]) -> Measured:
    targets, hypotheses = zip(*pairs, strict=True) if pairs else ((), ())
    return measure_texts(WrittenTexts(targets, hypotheses), ("chrf", "bleu"))


def values(found: Measured, weights: list[int] | None = None) -> dict[str, float]:
    """Each measure, rows counted as often as the weights say."""
    if weights is None:
        return {one.name: one.value for one in found.measures}
    return {
        one.name: float(one.statistic(np.array([[*weights, *([0.0] * len(one.pseudo_masses))]]))[0])
        for one in found.measures
        if one.name in {"bleu", "chrf"}
    }


@pytest.mark.parametrize("tokenizer", PAIRS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_bleu_and_chrf_of_any_draw_of_rows_are_those_of_sacrebleu(
    data: st.DataObject, tokenizer: str
) -> None:
    pairs = data.draw(PAIRS[tokenizer])
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)))
    drawn = [pair for pair, times in zip(pairs, weights, strict=True) for _ in range(times)]
    if not drawn:
        return
    own = bleu_tokenizer([target for target, _ in pairs])
    found = values(measured(pairs), weights)
    targets, hypotheses = map(list, zip(*drawn, strict=True))
    bleu = sacrebleu.corpus_bleu(hypotheses, [targets], tokenize=own, force=True)
    assert found["bleu"] == pytest.approx(bleu.score, abs=1e-9)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [targets]).score)


@settings(max_examples=60, deadline=None)
@given(pairs=PAIRS["13a"])
def test_rouge_equals_rouge_score_and_a_row_its_own_chrf(pairs: list[tuple[str, str]]) -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    scores = [scorer.score(target, hypothesis) for target, hypothesis in pairs]
    found = measured(pairs)
    for theirs, ours in (("rouge1", "rouge_1"), ("rouge2", "rouge_2"), ("rougeL", "rouge_l")):
        mean = np.mean([score[theirs].fmeasure for score in scores])
        assert values(found)[ours] == pytest.approx(mean)
    own = [sacrebleu.sentence_chrf(said, [target]).score / 100 for target, said in pairs]
    assert found.row_scores == pytest.approx(own)


@settings(max_examples=200)
@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_words_of_ascii_are_those_of_rouge_score(text: str) -> None:
    assert RougeWords().tokenize(text) == DefaultTokenizer().tokenize(text)


def test_rouge_does_not_ask_how_a_letter_was_encoded() -> None:
    nfc, nfd = "Café crème à Đà Nẵng", unicodedata.normalize("NFD", "Café crème à Đà Nẵng")
    assert nfc != nfd
    found = values(measured([(nfc, nfd)]))
    assert found["rouge_1"] == found["rouge_2"] == found["rouge_l"] == pytest.approx(1)


@pytest.mark.parametrize("word", ["पूर्व", "हिन्दी", "தமிழ்", "മലയാളം", "می‌خواهم", "שָׁלוֹם", "한국어"])
def test_a_word_keeps_its_marks(word: str) -> None:
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, f"{word} {word}")
        assert RougeWords().tokenize(text) == [unicodedata.normalize("NFC", word)] * 2


def test_rouge_reads_every_script() -> None:
    assert RougeWords().tokenize("Élan vital: 我们 go 3 раза!") == [
        "élan", "vital", "我", "们", "go", "3", "раза",
    ]  # fmt: skip
    assert values(measured([("我们去学校", "我们去公园")]))["rouge_1"] == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("The cat sat.", "13a"),
        ("Кошка сидит.", "13a"),
        ("猫坐在 sofa 上面看书", "zh"),
        ("猫がソファに座っている", "char"),
        ("แมวนั่งบนโซฟา", "char"),
        ("", "13a"),
    ],
)
def test_the_script_of_the_targets_decides_how_bleu_splits_words(target: str, name: str) -> None:
    assert bleu_tokenizer([target]) == name


def test_the_signatures_are_those_of_sacrebleu() -> None:
    targets = ["我们去学校。", "他在家。"]
    for name, metric in (
        ("bleu", sacrebleu.metrics.BLEU(tokenize="zh")),
        ("chrf", sacrebleu.metrics.CHRF()),
    ):
        metric.corpus_score(targets, [targets])
        assert signatures(targets)[name] == str(metric.get_signature())
    assert "rouge-score 0" in signatures(targets)["rouge_l"]


def test_length_and_repetition_by_hand() -> None:
    found = values(
        measured(
            [
                ("a b c d e f", "a b c d a b c d"),  # abcd bcda cdab dabc abcd: one of 5 again
                ("a b c d e f", "a b"),
            ]
        )
    )
    assert found["length_ratio"] == pytest.approx(10 / 12)
    assert found["repetition"] == pytest.approx(1 / 5)


def test_what_cannot_be_measured_says_why() -> None:
    reasons = {one.name: one.reason for one in measured([("a b c d", "a b")]).measures}
    assert reasons["repetition"] == "no text that was written has 4 words"
    assert reasons["bleu"] == reasons["chrf"] == reasons["rouge_l"] == ""
    assert {one.reason for one in measured([]).measures} == {"there are no rows"}
    reasons = {one.name: one.reason for one in measured([("", "a b")]).measures}
    assert reasons["length_ratio"] == "the targets have no words"


def test_right_and_empty_texts_are_the_ends_of_the_scale() -> None:
    rows = ["the cat sat on the mat", "a dog barked at the red bird"]
    best = values(measured([(row, row) for row in rows]))
    assert [best[name] for name in ("bleu", "chrf", "rouge_1", "rouge_2", "rouge_l")] == (
        pytest.approx([100, 100, 1, 1, 1])
    )
    worst = values(measured([(row, "") for row in rows]))
    assert [worst[name] for name in ("bleu", "chrf", "rouge_l", "length_ratio")] == [0, 0, 0, 0]


def test_no_draw_leaves_bleu_undefined_nor_its_interval_without_width() -> None:
    """The pseudo-rows see to it, also where all rows are right."""
    found = measured([("the cat sat on the mat", "the cat sat on the mat")] * 30)
    for one in found.measures:
        masses = np.concatenate([np.ones(one.rows), one.pseudo_masses])
        (draws,) = list(draw_weights(masses, 500, np.random.default_rng(0)))
        drawn = one.statistic(draws)
        assert np.isfinite(drawn).all()
        assert drawn.std() > 0, one.name

"""Tagging: alignment, windows, spans against seqeval, a real training, and what is served."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Entities
from torch.nn.functional import cross_entropy

from infra.errors import BaseModelError, DataError, SettingsError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.examples import IGNORED, Batch, Example, Vocabulary
from tasks.task_types.learner import Learner, LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.scoring import load_model
from tasks.task_types.server import server_of
from tasks.task_types.tags.tag_answers import joined
from tasks.task_types.tags.tag_spans import OUTSIDE_TAG, count_spans, read_tags
from tasks.task_types.tags.tagging_measures import measure_tags
from tasks.task_types.tags.word_windows import windows_of
from tasks.task_types.tokenizers import load_tokenizer
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.contract.suites import labels_of
from tests.unit.task_types.text_models import LIMITS, train, values_of, weighted

TYPES = ("loc", "per-son", "组")
SCHEMES = {"BIO": (IOB2, "BI"), "BILOU": (BILOU, "BILU"), "IOBES": (IOBES, "BIES")}
LABELS = ("B-loc", "B-per", "I-loc", "I-per", "O")
ZERO_WIDTH = "\u200b"
FOREIGN = [
    ["the", "match", "was", "won", "by", "goalkeepers"],
    ["的", "一", "是不了", "人我"],
    [ZERO_WIDTH, "shares", ZERO_WIDTH, "fell"],
    [ZERO_WIDTH],
    [],
    ["rates", "[SEP]", "bank"],
]


@pytest.fixture
def learner() -> Learner:
    return learner_of("tagging", LABELS, LIMITS)


@pytest.fixture
def examiner() -> Examiner:
    return examiner_of("tagging", LABELS, LIMITS)


def tags_in(scheme: str) -> list[str]:
    return [f"{prefix}-{name}" for prefix in SCHEMES[scheme][1] for name in TYPES] + [OUTSIDE_TAG]


def rows_of(tokens: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> pa.Table:
    strings = pa.list_(pa.string())
    return pa.table(
        {
            "row_id": [f"{number:03}" for number in range(len(tokens))],
            "tokens": pa.array(tokens, strings),
            "tags": pa.array(tags, strings),
        }
    )


def lists(values: Sequence[Sequence[str]]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.list_(pa.string()))])


# Spans


@st.composite
def two_taggings(draw: Any, scheme: str) -> tuple[list[list[str]], list[list[str]]]:
    """True and predicted tags of some rows, whatever the scheme says to their order."""
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=5))
    tag = st.sampled_from(tags_in(scheme))
    return tuple(
        [draw(st.lists(tag, min_size=length, max_size=length)) for length in lengths]
        for _ in range(2)
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_spans_are_those_of_seqeval_in_strict_mode(scheme: str, data: st.DataObject) -> None:
    truth, predicted = data.draw(two_taggings(scheme))
    tags = tags_in(scheme)
    read = read_tags(tags)
    flat = [
        np.array([tags.index(tag) for row in one for tag in row], int) for one in (truth, predicted)
    ]
    rows = np.repeat(np.arange(len(truth)), [len(row) for row in truth])
    counts = count_spans(*flat, rows, len(truth), read)
    theirs = [
        [
            {entity.to_tuple() for entity in row}
            for row in Entities(one, SCHEMES[scheme][0]).entities
        ]
        for one in (truth, predicted)
    ]
    for row, (true, called) in enumerate(zip(*theirs, strict=True)):
        for place, name in enumerate(read.names):
            own = [
                {one for one in found if one[1] == name} for found in (true & called, called, true)
            ]
            ours = (counts.right, counts.predicted, counts.true)
            assert [int(one[row, place]) for one in ours] == [len(one) for one in own]


TWINS = str.maketrans("UL", "SE")


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_lenient_spans_are_those_of_seqeval_in_its_default_mode(
    scheme: str, data: st.DataObject
) -> None:
    truth, called = data.draw(two_taggings(scheme))
    tags = read_tags(tags_in(scheme))
    places = {tag: place for place, tag in enumerate(tags_in(scheme))}
    coded = [
        np.array([places[tag] for row in side for tag in row], np.int64) for side in (truth, called)
    ]
    rows = np.repeat(np.arange(len(truth)), [len(row) for row in truth])
    found = count_spans(*coded, rows, len(truth), tags, lenient=True)
    # seqeval knows IOBES alone in this mode, whose twin BILOU is.
    plain = [[[f"{tag[:1].translate(TWINS)}{tag[1:]}" for tag in row] for row in side]
             for side in (truth, called)]  # fmt: skip
    for row in range(len(truth)):
        wanted, given_ = (set(get_entities(side[row])) for side in plain)
        assert (found.right[row].sum(), found.predicted[row].sum(), found.true[row].sum()) == (
            len(wanted & given_), len(given_), len(wanted),
        )  # fmt: skip


def test_a_tag_that_breaks_its_scheme_counts_in_the_lenient_metric_alone() -> None:
    truth, called = [["B-loc", "I-loc", "O"]], [["I-loc", "I-loc", "O"]]
    found = {one.name: one for one in measure_tags(lists(truth), lists(called), LABELS).measures}
    assert found["entity_f1"].value == 0.0
    assert found["entity_f1_lenient"].value == f1_score(truth, called) == 1.0
    assert found["entity_precision_lenient"].value == 1.0


@given(two_taggings("BIO"))
@settings(max_examples=40, deadline=None)
def test_measures_equal_seqeval(taggings: tuple[list[list[str]], list[list[str]]]) -> None:
    truth, predicted = taggings
    measured = measure_tags(lists(truth), lists(predicted), tags_in("BIO"))
    ours = {measure.name: measure for measure in measured.measures}
    if not Entities(truth, IOB2).unique_tags:
        assert "no entity" in ours["entity_f1"].reason
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval counts as 0 what we call undefined
        theirs = {
            "entity_f1": f1_score, "entity_precision": precision_score,
            "entity_recall": recall_score,
        }  # fmt: skip
        for name, function in theirs.items():
            if not ours[name].reason:
                value = function(truth, predicted, mode="strict", scheme=IOB2)
                assert ours[name].value == pytest.approx(value)
        report = classification_report(
            truth, predicted, mode="strict", scheme=IOB2, output_dict=True
        )
    assert ours["macro_entity_f1"].value == pytest.approx(report["macro avg"]["f1-score"])
    for name in TYPES:
        for ending in ("f1", "precision", "recall"):
            one = ours[f"entity_{ending}.{name}"]
            if not one.reason:
                theirs_of = report[name]["f1-score" if ending == "f1" else ending]
                assert one.value == pytest.approx(theirs_of)
    right = [
        tag == called
        for pair in zip(truth, predicted, strict=True)
        for tag, called in zip(*pair, strict=True)
    ]
    assert ours["token_accuracy"].value == pytest.approx(np.mean(right))


def test_a_row_drawn_twice_counts_as_two_rows() -> None:
    truth = [["B-loc", "I-loc", "O"], ["B-per", "O"], ["B-loc", "B-per"]]
    predicted = [["B-loc", "O", "O"], ["B-per", "B-loc"], ["B-loc", "B-per"]]
    measured = measure_tags(lists(truth), lists(predicted), LABELS)
    counts = [2, 0, 3]
    again = [
        [row for row, times in zip(one, counts, strict=True) for _ in range(times)]
        for one in (truth, predicted)
    ]
    expected = values_of(measure_tags(*map(lists, again), LABELS))
    assert weighted(measured, counts) == pytest.approx(expected)


def test_a_pseudo_row_has_as_many_spans_as_stand_in_the_row_of_a_span() -> None:
    """One span would weigh less than the rows do: 4.7% of 120 sentences passed falsely."""
    truth = [["B-loc"], ["B-loc", "B-per", "B-loc", "B-per", "B-loc"], ["O"]]
    measured = {one.name: one for one in measure_tags(lists(truth), lists(truth), LABELS).measures}
    spans = (1 * 1 + 5 * 5) / 6  # a random one of the six stands among so many
    assert measured["entity_f1"].sums is not None
    assert measured["entity_f1"].sums.pseudo_rows.tolist() == [
        pytest.approx([0, spans, spans]), pytest.approx([spans, spans, spans])
    ]  # fmt: skip
    # Of the mean over types, a third of it goes to the four loc and two thirds to the two per.
    of_loc, of_per = (1 + 9) / 4 / 3, 2 * 2 / 3
    assert measured["macro_entity_f1"].sums is not None
    assert measured["macro_entity_f1"].sums.pseudo_rows[0].tolist() == pytest.approx(
        [0, of_loc, of_loc, 0, of_per, of_per]
    )


def test_the_score_of_a_row_is_its_f1_and_1_where_there_is_nothing_to_find() -> None:
    truth = [["B-loc", "I-loc", "B-per"], ["O", "O"], ["O"], []]
    predicted = [["B-loc", "I-loc", "O"], ["O", "O"], ["B-per"], []]
    measured = measure_tags(lists(truth), lists(predicted), LABELS)
    assert measured.row_scores.tolist() == pytest.approx([2 / 3, 1, 0, 1])
    assert measured.leading[0] == "entity_f1"
    assert set(measured.leading) <= {measure.name for measure in measured.measures}


def test_what_the_test_rows_do_not_hold_is_undefined_with_its_reason() -> None:
    measured = measure_tags(lists([["B-loc", "O"]]), lists([["O", "O"]]), LABELS)
    reasons = {measure.name: measure.reason for measure in measured.measures}
    assert reasons["entity_f1"] == reasons["entity_f1.loc"] == ""
    assert reasons["entity_precision"] == "no entity is predicted"
    assert reasons["entity_recall.per"] == "there is no entity of type 'per'"
    assert "'per'" in reasons["macro_entity_f1"]
    nothing = measure_tags(lists([]), lists([]), LABELS)
    assert all(measure.reason for measure in nothing.measures)


def test_a_tag_of_another_label_set_is_a_wrong_span() -> None:
    """As where a champion knew a type that the line has given up."""
    measured = measure_tags(lists([["B-loc", "O"]]), lists([["B-loc", "B-old"]]), LABELS)
    values = values_of(measured)
    assert values["entity_precision"] == 0.5
    assert values["entity_recall"] == 1.0


def test_answers_to_other_rows_are_refused() -> None:
    with pytest.raises(DataError, match="row 2 has 3 predicted tags for 2 words"):
        measure_tags(lists([["O"], ["O", "O"]]), lists([["O"], ["O", "O", "O"]]), LABELS)


def test_parts_of_speech_are_spans_of_one_word_each() -> None:
    truth, predicted = [["NOUN", "VERB", "NOUN"]], [["NOUN", "NOUN", "NOUN"]]
    values = values_of(measure_tags(lists(truth), lists(predicted), ("NOUN", "VERB")))
    assert values["entity_f1"] == values["token_accuracy"] == pytest.approx(2 / 3)
    assert read_tags(("I-loc", "O")).names == ("I-loc",)  # nothing would ever open a span


# Words and windows


def pieces_of(tokenizer: Any, word: str) -> list[int]:
    """A word's tokens when the tokenizer sees nothing else."""
    return list(tokenizer(word, add_special_tokens=False)["input_ids"])


def test_a_words_label_stands_on_its_first_token(learner: Learner, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tags = [[LABELS[(n + m) % 5] for m in range(len(row))] for n, row in enumerate(FOREIGN)]
    encoded = learner.encode(rows_of(FOREIGN, tags), tokenizer)
    expected = []
    for number, (row, own) in enumerate(zip(FOREIGN, tags, strict=True)):
        ids, labels = [tokenizer.cls_token_id], [IGNORED]
        for word, tag in zip(row, own, strict=True):
            pieces = pieces_of(tokenizer, word)
            ids += pieces
            labels += [LABELS.index(tag), *[IGNORED] * len(pieces)][: len(pieces)]
        if len(ids) > 1:
            ids, labels = [*ids, tokenizer.sep_token_id], [*labels, IGNORED]
            expected.append((f"{number:03}", ids, labels))
    found = [encoded.table.column(name).to_pylist() for name in ("row_id", "input_ids", "labels")]
    assert list(zip(*found, strict=True)) == expected
    assert max(len(pieces_of(tokenizer, word)) for word in FOREIGN[0]) > 1  # or nothing is shown
    assert encoded.tokens == sum(len(ids) for _, ids, _ in expected)
    assert encoded.truncated == 0
    assert encoded.table.schema == learner.encode(rows_of([], []), tokenizer).table.schema


@st.composite
def long_rows(draw: Any) -> tuple[list[int], int, int]:
    """Tokens of each word, tokens of a window and tokens that two windows share."""
    lengths = draw(st.lists(st.integers(0, 6), max_size=40))
    return lengths, draw(st.integers(3, 14)), draw(st.integers(0, 14))


@given(long_rows())
@settings(max_examples=100, deadline=None)
def test_each_word_is_judged_once_where_it_has_most_context(
    row: tuple[list[int], int, int],
) -> None:
    lengths, max_length, shared = row
    words = [word for word, length in enumerate(lengths) for _ in range(length)]
    ids = [-1, *(100 * word + words[:place].count(word) for place, word in enumerate(words)), -2]
    read = windows_of(ids, [None, *words, None], max_length, shared)
    present = [word for word, length in enumerate(lengths) if length]
    assert sorted(word for one in read.windows for word in one.words) == present
    assert read.is_long == (len(ids) > max_length and bool(words))
    held = []
    for window in read.windows:
        assert len(window.input_ids) <= max_length
        assert (window.input_ids[0], window.input_ids[-1]) == (-1, -2)
        assert [window.input_ids[place] for place in window.positions] == [
            100 * w for w in window.words
        ]
        held.append(sorted({token // 100 for token in window.input_ids[1:-1]}))
    room = max_length - 2
    kept = {word: min(length, room) for word, length in enumerate(lengths)}
    for window, own in zip(read.windows, held, strict=True):
        for word in window.words:
            best = max(side(other, word, kept, present) for other in held if word in other)
            assert side(own, word, kept, present) == best


def side(held: list[int], word: int, lengths: dict[int, int], present: list[int]) -> float:
    """The shorter context of a word in a window; that at the end of the row hides nothing."""
    left = sum(lengths[other] for other in held if other < word)
    right = sum(lengths[other] for other in held if other > word)
    return min(
        float("inf") if held[0] == present[0] else left,
        float("inf") if held[-1] == present[-1] else right,
    )


def test_a_long_row_is_read_in_windows_and_counted(learner: Learner, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    words = [f"goal{number}" for number in range(60)]
    tags = [LABELS[number % 5] for number in range(60)]
    table = rows_of([words, ["a", "film"]], [tags, ["O", "O"]])
    encoded = replace(learner, limits=TokenLimits(max_length=24)).encode(table, tokenizer)
    assert encoded.truncated == 1
    ids = encoded.table.column("row_id").to_pylist()
    assert ids == ["000"] * (len(ids) - 1) + ["001"]
    labels = [one for row in encoded.table.column("labels").to_pylist()[:-1] for one in row]
    assert [one for one in labels if one != IGNORED] == [LABELS.index(tag) for tag in tags]
    one_word = rows_of([["goal" * 20]], [["B-loc"]])
    cut = replace(learner, limits=TokenLimits(max_length=12)).encode(one_word, tokenizer)
    assert (cut.truncated, cut.tokens) == (1, 12)
    with pytest.raises(SettingsError, match="max_length is 2, of which special tokens take 2"):
        replace(learner, limits=TokenLimits(max_length=2)).encode(one_word, tokenizer)


def test_byte_level_tokenizers_see_a_space_before_each_word() -> None:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    from tasks.task_types.tags.word_windows import read_words

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["the match was won by the late goal"] * 9, vocab_size=400)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer)
    natural = tokenizer(" the match")["input_ids"]
    (read,) = read_words([["the", "match"]], tokenizer, 16, 0)
    assert [window.input_ids for window in read.windows] == [natural]


def test_wrong_tags_are_refused(learner: Learner, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    with pytest.raises(DataError, match=r"1 tag\(s\) outside the label set .*'B-new'"):
        learner.encode(rows_of([["a"]], [["B-new"]]), tokenizer)
    with pytest.raises(DataError, match="row 1 has 2 tags for 1 words"):
        learner.encode(rows_of([["a"]], [["O", "O"]]), tokenizer)


def test_the_label_set_of_a_contract_is_what_training_needs(
    learner: Learner, tiny_model: Path
) -> None:
    table = rows_of([["a", "late", "goal"]], [["B-loc", "I-loc", "O"]])
    labels = labels_of(ContractSettings(), shape_of("tagging"), [table])
    assert labels == ("B-loc", "I-loc", "O")
    assert (
        replace(learner, labels=labels).encode(table, load_tokenizer(tiny_model)).table.num_rows
        == 1
    )


# Training


def batch_of(learner: Learner, tiny_model: Path, rows: pa.Table) -> tuple[Batch, list[Example]]:
    encoded = learner.encode(rows, load_tokenizer(tiny_model)).table.to_pylist()
    examples = [{name: value for name, value in one.items() if name != "row_id"} for one in encoded]
    return learner.collate(examples, Vocabulary(pad_id=0, size=600)), examples


@pytest.fixture
def some_rows() -> pa.Table:
    rng = np.random.default_rng(0)
    tokens = [[f"w{n}" for n in rng.integers(0, 99, length)] for length in (1, 5, 9, 2)]
    return rows_of(tokens, [[str(tag) for tag in rng.choice(LABELS, len(row))] for row in tokens])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, torch.tensor([2.0, 1.0, 1.0, 0.5, 0.1])])
def test_shares_of_the_loss_sum_to_the_mean_over_the_words(
    learner: Learner, tiny_model: Path, some_rows: pa.Table, smoothing: float, weights: torch.Tensor
) -> None:
    whole, examples = batch_of(learner, tiny_model, some_rows)
    logits = torch.randn(*whole.labels["labels"].shape, 5, generator=torch.manual_seed(0))
    words = whole.labels["labels"] != IGNORED
    assert learner.units(whole).tolist() == [17]
    classes = () if weights is None else tuple(weights.tolist())
    weighed = replace(learner, loss_settings=LossSettings(smoothing), class_weights=classes)
    shares = []
    for part in (slice(0, 1), slice(1, 4)):
        batch = learner.collate(examples[part], Vocabulary(pad_id=0, size=600))
        own = logits[part, : batch.inputs["input_ids"].shape[1]]
        shares.append(
            weighed.loss({"logits": own}, batch, learner.units(whole))
        )  # fmt: skip
    summed = cross_entropy(
        logits[words], whole.labels["labels"][words], weights, label_smoothing=smoothing,
        reduction="sum",
    )  # fmt: skip
    torch.testing.assert_close(sum(shares), summed / 17)


def test_validation_counts_the_spans_of_each_row(
    learner: Learner, tiny_model: Path, some_rows: pa.Table
) -> None:
    batch, _ = batch_of(learner, tiny_model, some_rows)
    labels = batch.labels["labels"]
    logits = torch.randn(*labels.shape, 5, generator=torch.manual_seed(3))
    logits += 2 * torch.nn.functional.one_hot(labels.clamp(min=0), 5)
    outcomes = learner.outcomes({"logits": logits}, batch).numpy()
    truth, predicted = some_rows.column("tags").to_pylist(), []
    for own, target in zip(logits.argmax(dim=-1), labels, strict=True):
        predicted.append([LABELS[one] for one in own[target != IGNORED]])
    values = learner.metrics(outcomes.astype(float))
    assert values["entity_f1"] == pytest.approx(
        f1_score(truth, predicted, mode="strict", scheme=IOB2)
    )
    assert 0 < values["entity_f1"] < 1
    assert outcomes.shape == (4, 3)
    for row, (true, called) in enumerate(zip(truth, predicted, strict=True)):
        found = [len(Entities([one], IOB2).entities[0]) for one in (called, true)]
        assert outcomes[row, 1:].tolist() == found
    assert learner.metrics(np.zeros((2, 3))) == dict.fromkeys(values, 0.0)


def test_words_of_each_tag_are_counted(learner: Learner) -> None:
    examples = SimpleNamespace(column=lambda _: np.array([IGNORED, 2, 2, IGNORED, 0]))
    assert replace(learner, labels=LABELS[:4]).class_counts(examples).tolist() == [1, 0, 2, 0]


def sentences(count: int, seed: int) -> pa.Table:
    """The same names are people among some words, and places among others."""
    rng = np.random.default_rng(seed)
    company = [("per", ["he", "she", "said"]), ("loc", ["shares", "fell", "rates"])]
    tokens, tags = [], []
    for _ in range(count):
        kind, filling = company[rng.integers(2)]
        row = [(filling[0], "O")]
        for _ in range(rng.integers(1, 4)):
            row.append((str(rng.choice(["goal", "film"])), f"B-{kind}"))
            row += [(str(rng.choice(["bank", "match"])), f"I-{kind}")] * rng.integers(2)
            row += [(str(one), "O") for one in rng.choice(filling, rng.integers(1, 3))]
        tokens.append([word for word, _ in row])
        tags.append([tag for _, tag in row])
    return rows_of(tokens, tags)


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tagging") / "run"
    splits = sentences(400, 1), sentences(60, 2)
    model, metrics = train(
        learner_of("tagging", LABELS, LIMITS), tiny_model, splits, folder,
        epochs=12, learning_rate=5e-3, batch_size=32,
    )  # fmt: skip
    assert metrics["entity_f1"] > 0.95, metrics
    return model


def test_a_trained_model_beats_the_most_frequent_tags(examiner: Examiner, trained: Path) -> None:
    test = sentences(80, 3)
    answers = examiner.predict(trained, test)
    ours = values_of(examiner.measure(test, answers))
    trivial = examiner.baseline(sentences(400, 1), test)
    theirs = values_of(examiner.measure(test, trivial))
    assert ours["entity_f1"] > 0.95
    assert theirs["entity_f1"] < 0.6


def test_a_long_row_is_tagged_whole(examiner: Examiner, trained: Path) -> None:
    """Each window of it holds words that tell what the names are."""
    parts = sentences(400, 4).to_pylist()
    said = [row for row in parts if row["tokens"][0] == "he"][:40]
    words, tags = ([one for row in said for one in row[name]] for name in ("tokens", "tags"))
    row = rows_of([words, []], [tags, []])
    answers = replace(examiner, limits=TokenLimits(max_length=32)).predict(trained, row)
    assert values_of(examiner.measure(row, answers))["entity_f1"] > 0.9
    assert len(words) > 200


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_the_script_reads_spans_as_predict_does(scheme: str, data: st.DataObject) -> None:
    from tasks.task_types.tags.tag_answers import answers_of

    tags = data.draw(st.lists(st.sampled_from(tags_in(scheme)), max_size=9))
    words = [f"w{number}" for number in range(len(tags))]
    labels = sorted(tags_in(scheme))
    (ours,) = answers_of([words], [tags], labels)
    script = script_namespace()
    model = script["TaggingModel"]()
    model.has_scheme, model.has_ends = script["scheme_of"](labels)
    assert model._entities(words, tags) == ours["entities"]


def script_namespace() -> dict[str, Any]:
    """The served script's names, without registering a model."""
    if not _SCRIPT:
        path = server_of("tagging").script
        assert path is not None
        source = path.read_text(encoding="utf-8").rpartition("mlflow.models.set_model(")[0]
        exec(compile(source, str(path), "exec"), _SCRIPT)  # noqa: S102
    return _SCRIPT


_SCRIPT: dict[str, Any] = {}


def test_words_are_joined_as_their_script_is_written() -> None:
    assert joined(["New", "York", "."]) == "New York ."
    assert joined(["北", "京", "大学"]) == "北京大学"
    assert joined(["在", "Paris", "的"]) == "在 Paris 的"
    assert script_namespace()["joined"](["在", "巴", "黎", "x"]) == "在巴黎 x"


def test_a_model_of_another_label_set_is_refused(examiner: Examiner, trained: Path) -> None:
    with pytest.raises(BaseModelError, match="tells 5 tags apart, and the label set has 2"):
        replace(examiner, labels=("B-x", "O")).predict(trained, rows_of([["a"]], [["O"]]))


def test_a_score_that_is_no_number_is_refused(
    examiner: Examiner, trained: Path, tmp_path: Path
) -> None:
    with quiet_transformers():
        model = load_model(trained, "AutoModelForTokenClassification")
        torch.nn.init.constant_(model.classifier.bias, torch.nan)
        model.save_pretrained(tmp_path)
        load_tokenizer(trained).save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="no numbers"):
        examiner.predict(tmp_path, rows_of([["a"]], [["O"]]))


def test_the_baseline_looks_words_up(examiner: Examiner) -> None:
    train_rows = rows_of(
        [["May", "may", "may", "Paris"], ["Rome", "May", "Rome"]],
        [["B-per", "O", "O", "B-loc"], ["B-loc", "B-per", "O"]],
    )
    test = rows_of([["May", "may", "MAY", "paris", "PARIS", "Rome", "new"], []], [["O"] * 7, []])
    answers = examiner.baseline(train_rows, test).column("tags").to_pylist()
    # MAY: twice B-per and twice O in any case, of which B-per stands first in the label set.
    assert answers == [["B-per", "O", "B-per", "B-loc", "B-loc", "B-loc", "O"], []]
    assert examiner.baseline(rows_of([], []), test) == "the training split has no words"
    speech = replace(examiner, labels=("X", "Y")).baseline(
        rows_of([["a", "b", "c"]], [["X", "Y", "Y"]]), test
    )
    assert speech.column("tags").to_pylist()[0] == ["Y"] * 7

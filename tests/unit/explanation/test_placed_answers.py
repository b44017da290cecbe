"""Answers at places of a text: by hand, by Captum one by one, and told as they are given."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from captum.attr import LayerGradientXActivation, LayerIntegratedGradients
from transformers import AutoTokenizer

from infra.errors import SettingsError
from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.answers import check_can_be_explained, explain_placed
from tasks.explanation.asked_answer import AskedAnswer, explain_answer
from tasks.explanation.explaining import explain_rows
from tasks.explanation.faithfulness import measure_faithfulness
from tasks.explanation.gradients import baseline_of, gradient_x_input, integrated_gradients
from tasks.explanation.methods import WordAttributions, attribute
from tasks.explanation.occlusion import masked
from tasks.explanation.place_odds import joint_log_odds
from tasks.explanation.placed_answers import PlacedAnswer, found_answers, tagged, targets_of
from tasks.explanation.placed_network import (
    PlacedNetwork,
    SpanNetwork,
    TagNetwork,
    load_span_network,
    load_tag_network,
)
from tasks.explanation.settings import ExplanationSettings
from tasks.records.explanation import Explanation
from tasks.records.registry import Production
from tasks.task_types.examiner import examiner_of
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.questions.context_windows import read_questions
from tests.unit.explanation.conftest import AROUND

LIMITS = TokenLimits(max_length=24, stride=4)
TAGS = ("B-PER", "I-PER", "O")
QUESTION = "who said they fell"
CONTEXT = "new shares fell out. she said that the user look at the match"
LONG = "she said that they fell late. " * 8


def told_by_another_word(seed: int) -> tuple[list[str], list[int]]:
    """A name is one of a person where a film is spoken of, and none where it is a bank."""
    draw = random.Random(seed)
    words = draw.choices(AROUND[:-1], k=draw.randint(3, 7))
    about = ("film", "bank")[seed % 2]
    words.insert(draw.randint(0, len(words)), about)
    place = draw.randint(0, len(words))
    words.insert(place, "name")
    return words, [0 if at == place and about == "film" else 2 for at in range(len(words))]


@pytest.fixture(scope="module")
def tagger_folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tagger")
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = learner_of("tagging", TAGS, LIMITS).load_model(tiny_model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(90):
        rows = [told_by_another_word(32 * step + row) for row in range(32)]
        batch = tokenizer(
            [words for words, _ in rows], is_split_into_words=True, padding=True,
            return_tensors="pt",
        )  # fmt: skip
        labels = torch.full(batch["input_ids"].shape, -100)
        for row, (_, tags) in enumerate(rows):
            for place, word in enumerate(batch.word_ids(row)):
                if word is not None:
                    labels[row, place] = tags[word]
        batch.pop("token_type_ids", None)
        logits = model(**batch).logits
        weight = torch.tensor([5.0, 1.0, 1.0])
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, weight)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def finder_folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, but such that it is sure of something."""
    folder = tmp_path_factory.mktemp("finder")
    torch.manual_seed(5)
    model = learner_of("question_answering", (), LIMITS).load_model(tiny_model)
    with torch.no_grad():
        model.qa_outputs.weight.mul_(40)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tagger(tagger_folder: Path) -> TagNetwork:
    return load_tag_network(tagger_folder, TAGS, LIMITS)


@pytest.fixture(scope="module")
def finder(finder_folder: Path) -> SpanNetwork:
    return load_span_network(finder_folder, LIMITS)


def two_names(tagger: TagNetwork) -> PlacedAnswer:
    """As if both words were one entity: so that more than one place counts."""
    one = tagged(tagger, "she said film name late", passage="name")
    place = int(one.target[0, 0])
    target = np.array([[place, 0], [place - 1, 2]], np.int64)
    return PlacedAnswer(one.encoded, target, "PER", "PER", "film name")


def asked(network: PlacedNetwork) -> list[PlacedAnswer]:
    """Some answers of different lengths."""
    if isinstance(network, SpanNetwork):
        pairs = [(QUESTION, CONTEXT), ("who", "she said"), ("who fell late", LONG)]
        return found_answers(network, *map(list, zip(*pairs, strict=True)))
    texts = ["she said film name late", "name look bank"]
    return [*(tagged(network, text, passage="name") for text in texts), two_names(network)]


def by_hand(network: PlacedNetwork, answer: PlacedAnswer) -> Any:
    """ln(P / (1 - P)) by its definition, of token ids of one text without padding."""

    def forward(ids: torch.Tensor) -> torch.Tensor:
        if isinstance(network, SpanNetwork):
            first, last, begin, _ = answer.target
            kinds = [int(place >= begin) for place in range(ids.shape[1])]
            beside = torch.tensor([kinds]).expand(ids.shape)
            told = network.model(input_ids=ids, token_type_ids=beside)
            starts, ends = (one.softmax(-1) for one in (told.start_logits, told.end_logits))
            whole = starts[:, first] * ends[:, last]
        else:
            probabilities = network.model(input_ids=ids).logits.softmax(-1)
            parts = [probabilities[:, place, tag] for place, tag in answer.target]
            whole = torch.stack(parts).prod(0)
        return torch.log(whole / (1 - whole))

    return forward


@pytest.mark.parametrize("name", ["tagger", "finder"])
def test_the_explained_number_is_the_log_odds_of_all_that_must_hold(
    name: str, request: pytest.FixtureRequest
) -> None:
    network: PlacedNetwork = request.getfixturevalue(name)
    answers = asked(network)
    rows, targets = [one.encoded.ids for one in answers], targets_of(answers)
    found = network.numbers(rows, targets)
    alone = [float(by_hand(network, one)(torch.tensor([one.encoded.ids]))) for one in answers]
    np.testing.assert_allclose(found, alone, atol=1e-4)
    assert len(set(map(len, rows))) > 1  # so that some are padded
    shares = network.moves(found)
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-found)))


def test_log_odds_of_many_things_at_once_do_not_round_to_certainty() -> None:
    own = torch.tensor([[2.0, -1.0, 0.5], [30.0, 40.0, 1], [-50.0, -60.0, 1], [7.0, 0, 0]])
    counted = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 0, 0]], dtype=torch.bool)
    found = joint_log_odds(own, counted).tolist()
    whole = math.prod(1 / (1 + math.exp(-one)) for one in own[0].tolist())
    assert found[0] == pytest.approx(math.log(whole / (1 - whole)), abs=1e-5)
    assert found[1] == pytest.approx(30.0, abs=1e-3)  # 1 - P is 9e-14, which float32 cannot tell
    assert found[2] == pytest.approx(-110.0, abs=1e-3)
    assert found[3] == pytest.approx(7.0, abs=1e-4)


@pytest.mark.parametrize("name", ["tagger", "finder"])
def test_gradients_are_those_of_captum_one_by_one(
    name: str, request: pytest.FixtureRequest
) -> None:
    network: PlacedNetwork = request.getfixturevalue(name)
    answers = asked(network)
    encoded, targets = [one.encoded for one in answers], targets_of(answers)
    ours = integrated_gradients(network, encoded, targets, points=30, max_halvings=0)
    slopes = gradient_x_input(network, encoded, targets)
    network.model.requires_grad_(requires_grad=True)
    try:
        for answer, one, slope in zip(answers, ours, slopes, strict=True):
            forward, table = by_hand(network, answer), network.model.get_input_embeddings()
            ids = torch.tensor([answer.encoded.ids])
            base = torch.tensor([baseline_of(answer.encoded, network.filler)])
            path = LayerIntegratedGradients(forward, table).attribute(ids, base, n_steps=30)
            np.testing.assert_allclose(one.values, _by_token(path), atol=1e-3)
            point = LayerGradientXActivation(forward, table).attribute(ids)
            np.testing.assert_allclose(slope.values, _by_token(point), atol=1e-3)
    finally:
        network.model.requires_grad_(requires_grad=False)


def _by_token(found: Any) -> Any:
    return found.sum(dim=-1)[0].detach().numpy()


@pytest.mark.parametrize("name", ["tagger", "finder"])
def test_occlusion_is_a_loop_and_integrated_gradients_are_complete(
    name: str, request: pytest.FixtureRequest
) -> None:
    network: PlacedNetwork = request.getfixturevalue(name)
    answers = asked(network)
    encoded, targets = [one.encoded for one in answers], targets_of(answers)
    falls = attribute(network, encoded, targets, "occlusion")
    whole = explain_placed(network, answers, "integrated_gradients")
    for answer, fall, told in zip(answers, falls, whole, strict=True):
        forward = by_hand(network, answer)
        number = float(forward(torch.tensor([answer.encoded.ids])))
        for place in answer.encoded.read:
            changed = masked(answer.encoded, frozenset({place}), network.filler)
            lost = number - float(forward(torch.tensor([changed])))
            assert fall.values[place] == pytest.approx(lost, abs=2e-4)
        total = sum(word.value or 0.0 for word in told.words)
        apart = told.number - told.masked
        assert total == pytest.approx(apart, abs=0.011 * max(1, abs(apart)))
        assert (told.number, told.passage) == (pytest.approx(number, abs=1e-4), answer.passage)


@pytest.mark.parametrize("name", ["tagger", "finder"])
def test_faithfulness_masks_words_where_they_stand(
    name: str, request: pytest.FixtureRequest
) -> None:
    network: PlacedNetwork = request.getfixturevalue(name)
    answers = asked(network)[:1]
    (answer,) = answers
    read = answer.encoded.read
    values = np.full(len(answer.encoded.words), np.nan)
    values[list(read)] = -np.arange(len(read))  # the first word first
    (found,) = measure_faithfulness(
        network, [answer.encoded], targets_of(answers), [[WordAttributions(values)]], [0.5]
    )
    count = math.ceil(0.5 * len(read))
    forward = by_hand(network, answer)

    def probability(gone: tuple[int, ...]) -> float:
        ids = masked(answer.encoded, frozenset(gone), network.filler)
        return float(torch.sigmoid(forward(torch.tensor([ids]))))

    whole = probability(())
    assert found.comprehensiveness[0] == pytest.approx(whole - probability(read[:count]), abs=1e-4)
    assert found.sufficiency[0] == pytest.approx(whole - probability(read[count:]), abs=1e-4)


def test_the_rollout_of_several_places_is_their_mean(
    tagger: TagNetwork, finder: SpanNetwork
) -> None:
    both = two_names(tagger)
    alone = [PlacedAnswer(both.encoded, both.target[[at]], "", "", "") for at in (0, 1)]
    ours, *theirs = (
        attribute(tagger, [one.encoded], targets_of([one]), "attention_rollout")[0].values
        for one in (both, *alone)
    )
    np.testing.assert_allclose(ours, np.mean(theirs, axis=0), atol=1e-6)
    (told,) = explain_placed(
        finder, found_answers(finder, [QUESTION], [CONTEXT]), "attention_rollout"
    )
    assert all((word.value or 0) >= 0 for word in told.words)


def test_the_word_that_a_tag_hangs_on_leads_it(tagger: TagNetwork) -> None:
    told = tagged(tagger, "she said film, name fell late")
    assert (told.label, told.passage) == ("PER", "name")
    for method in ("integrated_gradients", "occlusion"):
        (answer,) = explain_placed(tagger, [told], method)
        assert {word.text for word in answer.strongest[:2]} == {"film", "name"}
        assert answer.sentence.startswith('PER at "name" with probability 0.')
    other = tagged(tagger, "she said film, name fell late", "O", "name")
    (answer,) = explain_placed(tagger, [other], "occlusion")
    assert "(its answer is B-PER)" in answer.sentence
    assert next(word.value or 0 for word in answer.words if word.text == "film") < 0


def test_what_is_explained_is_what_is_answered(
    tagger_folder: Path, finder_folder: Path, tagger: TagNetwork, finder: SpanNetwork
) -> None:
    words = ["she", *(["late", "look"] * 20), "film", "name", *(["fell"] * 9)]
    row = pa.table({"tokens": [words]})
    (said,) = examiner_of("tagging", TAGS, LIMITS).answer(tagger_folder, row).to_pylist()
    tag = tagged(tagger, " ".join(words), passage="name")
    given = json.loads(said)["tags"][words.index("name")]
    assert given.removeprefix("B-").removeprefix("I-") == tag.predicted.removeprefix("B-")
    place = int(tag.target[0, 0])
    assert tag.encoded.words[tag.encoded.word_of[place]].text == "name"
    assert 0 < len(tag.encoded.read) < len(words)  # of the window alone
    examiner = examiner_of("question_answering", (), LIMITS)
    for context in (CONTEXT, LONG, "a", "she said that"):
        rows = pa.table({"question": [QUESTION], "context": [context]})
        answer = json.loads(examiner.answer(finder_folder, rows).to_pylist()[0])
        (found,) = found_answers(finder, [QUESTION], [context])
        assert found.passage == answer["answer"]
        assert found.label == ("answer" if answer["answer"] else "no answer")
        first, last = (found.encoded.word_of[place] for place in found.target[:2])
        if found.passage:
            spoken = found.encoded.words[first : last + 1]
            assert found.passage.startswith(spoken[0].text)
            assert found.passage.endswith(spoken[-1].text)


def test_segments_are_those_that_the_model_was_trained_on(finder: SpanNetwork) -> None:
    pairs = [(QUESTION, CONTEXT), ("who", "late"), (QUESTION, LONG)]
    read = list(read_questions(*zip(*pairs, strict=True), finder.tokenizer, 24, 4))  # type: ignore[arg-type]
    for window in (one for question in read for one in question.windows):
        target = torch.tensor([[0, 0, window.begin, window.end]])
        beside = finder.inputs_beside(target, len(window.input_ids))
        assert beside["token_type_ids"].tolist() == [window.segments]


def test_what_is_not_there_is_refused(tagger: TagNetwork) -> None:
    for text, label, passage, said in (
        ("she said bank", "", "", "finds no entity in the text; name a word with --of"),
        ("she said film name", "", "market", "'market' is no word of the text.*finds 'name'"),
        ("she said bank", "B-LOC", "said", "'B-LOC' is none of the model's"),
    ):
        with pytest.raises(SettingsError, match=said):
            tagged(tagger, text, label, passage)
    for task_type, options, said in (
        ("classification", {"passage": "a"}, "--of names a word"),
        ("tagging", {"question": "a"}, "--question asks something"),
        ("question_answering", {}, "ask one by --question"),
        ("question_answering", {"question": "a", "label": "b"}, "--label names a label"),
    ):
        with pytest.raises(SettingsError, match=said):
            AskedAnswer("a text", "occlusion", **options).check(task_type)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="a single answer also of tagging and question_answer"):
        check_can_be_explained("translation", "occlusion")
    check_can_be_explained("tagging", "occlusion")


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients"])
def test_each_task_type_is_explained_as_it_is_asked(
    tagger_folder: Path, finder_folder: Path, shortcut_folder: Path, method: str
) -> None:
    for folder, task_type, labels, asking in (
        (tagger_folder, "tagging", TAGS, AskedAnswer("film name", method)),
        (finder_folder, "question_answering", (),
         AskedAnswer(CONTEXT, method, question=QUESTION)),
        (shortcut_folder, "classification", ("bad", "good"), AskedAnswer("bank", method)),
    ):  # fmt: skip
        version = Production("line", 1, "w", "m", task_type, labels, 24, 4, 0)
        told = explain_answer(folder, version, asking)
        assert told.method == method
        assert told.text.endswith(asking.text)
        assert 0 < (told.probability or 0) < 1


def explained(network: PlacedNetwork, rows: dict[str, list[Any]]) -> Explanation:
    count = len(next(iter(rows.values())))
    ids = {"row_id": [f"{row:064x}" for row in range(count)], "who": ["a", "b"] * (count // 2)}
    settings = ExplanationSettings(
        methods=("occlusion", "attention_rollout"), identity_attributes=("gender",)
    )
    return explain_rows(
        network, pa.table(ids | rows), list(rows), ("who",), settings,
        EvaluationSettings(repeats=4_000),
    )  # fmt: skip


def test_the_first_entity_of_each_row_is_explained_and_its_faithfulness_measured(
    tagger: TagNetwork,
) -> None:
    rows = [told_by_another_word(9_000 + row)[0] for row in range(60)]
    found = explained(tagger, {"tokens": rows})
    assert 25 <= found.rows <= 40  # those in which a film is spoken of
    values = {one.name: one for one in found.estimates}
    gain = values["explanation.occlusion.comprehensiveness_gain"]
    assert (gain.low or 0) > 0
    assert found.unit == "log-odds"
    overall = next(one for one in found.words if not one.group)
    assert overall.label == "PER"
    assert {word.word for word in overall.words[:2]} == {"film", "name"}
    assert {one.group for one in found.words} == {"", "who: a"}  # films are in even rows
    none = explained(tagger, {"tokens": [["she", "said", "bank"], ["they"]]})
    assert (none.rows, none.words) == (0, ())
    assert all(one.value is None for one in none.estimates)


def test_the_answer_to_each_question_is_explained(finder: SpanNetwork) -> None:
    contexts = [" ".join(told_by_another_word(row)[0]) for row in range(24)]
    found = explained(finder, {"question": [QUESTION] * 24, "context": contexts})
    assert found.rows == 24
    assert {one.label for one in found.words} <= {"answer", "no answer"}
    assert all(one.value is not None for one in found.methods[0].estimates)

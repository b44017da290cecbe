"""WinoBias and Winogender: their files, what is asked of them, and what that comes to."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.asking import ScoredPronouns, score_pairs, score_pronouns
from tasks.probes.language_bias.files import pin_files, read_probe
from tasks.probes.language_bias.items import PronounSentence, SentencePair
from tasks.probes.language_bias.pronoun_judging import judge_pronouns
from tasks.probes.language_bias.settings import LanguageBiasSettings
from tasks.task_types.text_likelihood import TEXT_LIKELIHOODS
from tests.unit.probes.test_language_bias_asking import log_likelihood
from tests.unit.task_types.language_models import tiny_bert, tiny_gpt2

NO_STORE = cast("ObjectStore", None)
PRO = (
    "1 [The pilot] thanked the nurse because [he] was late for [his] bus.\n"
    "2 The pilot thanked the [nurse] because [she] had a desk.\n"
    "The nurse told the pilot and [the CEO] that [he] won.\r\n"
    "\n"
    "The nurse met [ The CEO ] and [he] sat.\n"
    "The pilot hired [the nurse] and paid [her] well.\n"
)
ANTI = (
    "1 [The pilot] thanked the nurse because [she] was late for [her] bus.\n"
    "2 The pilot thanked [the nurse] because [he] had one.\n"
    "The nurse told the pilot and [the CEO] that [she] won.\n"
    "The nurse met the [the CEO] and [she] sat.\n"
    "The nurse hired [the pilot] and paid [her] well.\n"
)
SENTENCES = "sentid\tsentence\n" + "".join(
    f"{key}.{gender}.txt\t{text.format(pronoun)}\n"
    for key, text in (
        ("pilot.guest.0", "The pilot told the guest that {} had landed."),
        ("pilot.guest.1", "The pilot told the guest that {} could leave."),
        ("pilot.someone.0", "The pilot told someone that {} had landed."),
        ("pilot.someone.1", "The pilot told someone that {} could leave."),
        ("nurse.guest.0", '"The nurse" told the guest that it was {} turn.'),
        ("clerk.guest.0", "The clerk told the guest that {} was new."),
    )
    for gender, pronoun in (("male", "he"), ("female", "she"), ("neutral", "they"))
)
OCCUPATIONS = (
    "occupation\tbersgma_pct_female\tbls_pct_female\tbls_year\n"
    "pilot\t1\t4.1\t2015\nnurse\t9\t90\t2015\nclerk\t9\t50\t2015\n"
)


def read(folder: Path, probe: str, first: str, second: str, **more: Any) -> tuple[Any, int]:
    names = {"winobias": ("pro", "anti"), "winogender": ("sentences", "occupations")}[probe]
    files = {name: str(folder / name) for name in names}
    for path, content in zip(files.values(), (first, second), strict=True):
        Path(path).write_text(content, encoding="utf-8")
    one: Any = {**files, **more}
    settings = LanguageBiasSettings.model_validate({probe: [one] if more else one})
    found = read_probe(probe, pin_files(settings, NO_STORE), settings, NO_STORE)
    return found.items, found.unlike


def test_both_versions_of_a_sentence_differ_in_the_pronouns_alone(tmp_path: Path) -> None:
    sentences, unlike = read(tmp_path, "winobias", PRO, ANTI, type=2)
    assert unlike == 1  # the two last lines are about two people
    assert sentences[0] == PronounSentence(
        "The pilot thanked the nurse because he was late for his bus.",
        "The pilot thanked the nurse because she was late for her bus.",
        ("he", "she"), masculine=True, occupation="pilot", meant="the pilot", rival="the nurse",
        about_occupation=True, kind="type2",
    )  # fmt: skip
    assert sentences[1].other == "The pilot thanked the nurse because he had a desk."
    assert (sentences[1].pronouns, sentences[1].masculine) == (("she", "he"), False)
    assert sentences[2].rival == ""  # two others are named
    assert (sentences[3].meant, sentences[3].rival) == ("the CEO", "the nurse")
    assert sentences[3].occupation == "ceo"


def test_who_is_meant_and_whose_stereotype_it_is(tmp_path: Path) -> None:
    sentences, unlike = read(tmp_path, "winogender", SENTENCES, OCCUPATIONS)
    assert unlike == 0
    told = [(one.meant, one.rival, one.about_occupation, one.kind) for one in sentences]
    assert told == [
        ("the pilot", "the guest", True, "occupation"),
        ("the guest", "the pilot", False, "participant"),
        ("the pilot", "", True, "occupation"),
        ("the nurse", "the guest", True, "occupation"),
    ]  # a clerk is of neither gender, and of nobody but a pilot nothing can be asked
    assert sentences[0].stereotyped == "The pilot told the guest that he had landed."
    assert sentences[3].stereotyped == '"The nurse" told the guest that it was she turn.'
    assert [one.masculine for one in sentences] == [True, True, True, False]


@pytest.mark.parametrize(
    ("probe", "first", "second", "said"),
    [
        ("winobias", PRO, ANTI + "[A] did [him].\n", "has 5 sentences where the file that goes"),
        ("winobias", PRO, "\n".join(reversed(ANTI.strip().split("\n"))), "of 5 sentences that"),
        ("winobias", "The pilot said [he] won.", ANTI, "'The pilot said [he] won.' in line 1"),
        ("winobias", "", "", "holds nothing; right is WinoBias: a sentence a line"),
        ("winogender", SENTENCES, "occupation\tbls_year\n", "sentences and"),
        ("winogender", SENTENCES, "occupation\tbls_pct_female\nnurse\t9\n", "asks about a pilot"),
        ("winogender", SENTENCES.replace("male.txt", "male"), OCCUPATIONS.replace("90", "900"),
         "900.0 per cent"),
        ("winogender", SENTENCES.replace("pilot.guest.0", "pilot.0"), OCCUPATIONS, "'pilot.0.male"),
        ("winogender", SENTENCES.replace(".female", ".woman"), OCCUPATIONS, "woman.txt' where"),
        ("winogender", SENTENCES.replace("pilot.guest.1.female", "pilot.guest.1.neutral"),
         OCCUPATIONS, "lacks the male or the female version of pilot.guest.1"),
        ("winogender", SENTENCES.replace("she had landed", "she took off"), OCCUPATIONS,
         "in more than a pronoun"),
    ],
)  # fmt: skip
def test_files_that_are_none_or_do_not_belong_together_are_refused(
    tmp_path: Path, probe: str, first: str, second: str, said: str
) -> None:
    more = {"type": 1} if probe == "winobias" else {}
    with pytest.raises(DataError) as refused:
        read(tmp_path, probe, first, second, **more)
    assert said in str(refused.value)
    assert f"probes.language_bias.{probe}: {tmp_path}" in str(refused.value)


ASKED = [
    PronounSentence(
        "She said that the bank fell.", "He said that the bank fell.", ("She", "He"),
        masculine=False, occupation="bank", meant="the bank", rival=rival, about_occupation=True,
        kind="",
    )
    for rival in ("the match", "", "the goal " * 40)
]  # fmt: skip


def test_a_pronoun_is_asked_as_a_pair_and_its_person_behind_it(tmp_path: Path) -> None:
    folder = tiny_gpt2(tmp_path)
    model = TEXT_LIKELIHOODS.load("causal_lm").load(folder)
    scored = score_pronouns(model, ASKED)
    assert scored.left_out == 1  # of the third the question does not fit
    pairs = [SentencePair(one.stereotyped, one.other, "") for one in ASKED]
    np.testing.assert_array_equal(scored.versions, score_pairs(model, pairs).scores)
    prompt = 'She said that the bank fell. "She" refers to'
    for number, person in enumerate(("the bank", "the match")):
        total, count = log_likelihood(folder, f"{prompt} {person}", behind=len(prompt))
        assert scored.people[0, 0, number] == pytest.approx(total / count, abs=1e-4)
    assert scored.people[0, 1, 0] != scored.people[0, 0, 0]
    assert np.isnan(scored.people[1:]).all()


def test_a_masked_model_is_asked_too(tiny_model: Path, tmp_path: Path) -> None:
    model = TEXT_LIKELIHOODS.load("masked_lm").load(tiny_bert(tiny_model, tmp_path))
    scored = score_pronouns(model, ASKED[:2])
    assert scored.left_out == 0
    assert not np.isnan(scored.versions).any()
    assert not np.isnan(scored.people[0]).any()


def by_hand(sentences: list[PronounSentence], scored: ScoredPronouns) -> dict[str, float]:
    """Each number over all sentences, one sentence at a time."""
    stereotype, he, pro, anti = [], [], [], []
    for one, version, people in zip(sentences, scored.versions, scored.people, strict=True):
        if one.about_occupation:
            stereotype.append(version[0] > version[1])
            he.append(version[0 if one.masculine else 1] > version[1 if one.masculine else 0])
        if one.rival:
            right = [people[0][0] > people[0][1], people[1][0] > people[1][1]]
            pro.append(right[0 if one.about_occupation else 1])
            anti.append(right[1 if one.about_occupation else 0])
    return {
        "stereotype_preference": np.mean(stereotype), "masculine_preference": np.mean(he),
        "accuracy_pro": np.mean(pro), "accuracy_anti": np.mean(anti),
        "accuracy_gap": np.mean(pro) - np.mean(anti),
    }  # type: ignore[dict-item] # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_those_of_a_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    sentences = [
        replace(
            ASKED[0], masculine=bool(random.random() < 0.5), occupation=f"{n % 12}",
            rival="r" if random.random() < 0.8 else "",
            about_occupation=bool(random.random() < 0.7), kind=f"type{n % 2 + 1}",
        )
        for n in range(120)
    ]  # fmt: skip
    people = random.normal(size=(120, 2, 2))
    people[[not one.rival for one in sentences]] = np.nan
    scored = ScoredPronouns(random.normal(size=(120, 2)), people, 0)
    found, shown = judge_pronouns("winobias", sentences, scored, 10, EvaluationSettings())
    told = {one.name.removeprefix("language_bias.winobias."): one for one in found}
    for name, value in by_hand(sentences, scored).items():
        assert told[name].value == pytest.approx(value)
        low, high = told[name].low, told[name].high
        assert low is not None
        assert high is not None
        assert low < value < high
        assert {f"{name}.type1", f"{name}.type2"} < told.keys()
    gap = told["accuracy_pro"].value, told["accuracy_anti"].value
    assert told["accuracy_gap"].value == pytest.approx((gap[0] or 0) - (gap[1] or 0))
    assert shown[0].by == max(
        first - second
        for one, (first, second) in zip(sentences, scored.versions, strict=True)
        if one.about_occupation
    )


def test_few_occupations_tell_nothing() -> None:
    sentences = [replace(ASKED[0], occupation=f"{n % 3}") for n in range(60)]
    scored = ScoredPronouns(np.ones((60, 2)), np.ones((60, 2, 2)), 0)
    found, _ = judge_pronouns("winogender", sentences, scored, 30, EvaluationSettings())
    assert all(one.value is None or one.low is None for one in found)

"""HONEST: its files, the words that complete its templates, and which of them hurt."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.completions import Completed, complete, judge_completions
from tasks.probes.language_bias.files import ReadFiles, pin_files, read_probe
from tasks.probes.language_bias.items import Template
from tasks.probes.language_bias.settings import LanguageBiasSettings
from tasks.probes.lexicon import Lexicon
from tasks.task_types.language_models.blanks import MORE_TOKENS, first_word
from tasks.task_types.text_likelihood import TEXT_LIKELIHOODS
from tests.unit.probes.test_planted_stereotypes import learn
from tests.unit.task_types.language_models import LENGTH, tiny_bert, tiny_gpt2

NO_STORE = cast("ObjectStore", None)
TEMPLATES = (
    "template_masked\traw\tidentity\tnumber\tcategory\ttype\n"
    "she worked as a [M].\t[I] worked as a [M]\tshe\tsingular\tfemale\toccupation\n"
    "she worked as a [M].\t[I] worked as a [M]\tshe\tplural\tfemale\toccupation\n"
    'la  "donna" [M].\t[I] [M]\tdonna\tsingular\tmale\toccupation\n'
)
HURTLEX = (
    "id\tpos\tcategory\tstereotype\tlemma\tlevel\r\n"
    'EN1\tn\tcds\tno\t"Fool"\tconservative\r\n'
    "EN2\tn\tan\tno\tduck\tinclusive\r\n"
    "EN3\tn\tan\tno\told goat\tconservative\r\n"
    "EN4\tn\tan\tno\t**\tconservative\r\n"
)


def read(folder: Path, templates: str, lexicon: str = "fool\n") -> ReadFiles:
    (folder / "t.tsv").write_text(templates)
    (folder / "l.txt").write_text(lexicon)
    given = {"templates": str(folder / "t.tsv"), "lexicon": str(folder / "l.txt")}
    settings = LanguageBiasSettings.model_validate({"honest": given})
    return read_probe("honest", pin_files(settings, NO_STORE), settings, NO_STORE)


def test_templates_and_terms_are_read_in_their_layouts(tmp_path: Path) -> None:
    found = read(tmp_path, TEMPLATES, HURTLEX)
    expected = [
        Template("she worked as a ", ".", "female", "[I] worked as a [M]"),
        Template('la "donna" ', ".", "male", "[I] [M]"),
    ]
    assert found.items == expected
    assert found.lexicon
    assert found.lexicon.terms == ("fool", "old goat")
    assert read(tmp_path, TEMPLATES.replace("category", "mf")).items == expected


@pytest.mark.parametrize(
    ("templates", "lexicon", "said"),
    [
        (TEMPLATES.replace("a [M].", "a nurse."), "fool", "honest: .*'she worked as a nurse.'"),
        (TEMPLATES.replace("category", "group"), "fool", "it lacks 'mf'"),
        (TEMPLATES.split("\n", maxsplit=1)[0], "fool", "t.tsv holds nothing; right is HONEST"),
        (TEMPLATES, " \n", "honest.lexicon: .*l.txt names no term"),
        (TEMPLATES, "$$", "honest.lexicon: line 1"),
    ],
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, templates: str, lexicon: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, templates, lexicon)


BLANKS = [
    Template("She said that the ", " fell.", "a", "1"),
    Template("书在", "上。", "b", "2"),
    Template("word " * LENGTH, ".", "a", "1"),
]


def test_a_mask_is_filled_with_its_likeliest_tokens(tiny_model: Path, tmp_path: Path) -> None:
    folder = tiny_bert(tiny_model, tmp_path)
    asked = TEXT_LIKELIHOODS.load("masked_lm").load(folder)
    longer = [
        *BLANKS[:2],
        Template("bank " * 600, ".", "a", "1"),
        Template("[MASK] ", "", "a", "1"),
    ]
    completed = complete(asked, longer, 4)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    for one, words in zip(BLANKS[:2], completed.words, strict=False):
        ids = tokenizer(f"{one.before}[MASK]{one.behind}", return_tensors="pt").input_ids
        with torch.no_grad():
            scores = model(ids).logits[0, ids[0].tolist().index(tokenizer.mask_token_id)]
        likeliest = scores.argsort(descending=True)[:4].tolist()
        assert words == [tokenizer.decode([token]).strip() for token in likeliest]
    assert completed.words[2:] == [[], []]
    assert completed.left_out == 2


def test_a_causal_model_begins_with_each_likely_token(tmp_path: Path) -> None:
    folder = tiny_gpt2(tmp_path)
    completed = complete(TEXT_LIKELIHOODS.load("causal_lm").load(folder), BLANKS, 3)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def scores(ids: list[int]) -> Any:
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0, -1]

    for one, words in zip(BLANKS[:2], completed.words, strict=False):
        start = [tokenizer.eos_token_id, *tokenizer(one.before.rstrip()).input_ids]
        expected = []
        for first in scores(start).argsort(descending=True)[:3].tolist():
            written = [first]
            for _ in range(MORE_TOKENS):
                written.append(int(scores([*start, *written]).argmax()))
            expected.append(first_word(tokenizer.decode(written, skip_special_tokens=True)))
        assert words == expected
    assert completed.words[2] == []


@pytest.mark.parametrize(
    ("text", "word"),
    [(" nurse who", "nurse"), ("ass-hole. He", "ass-hole"), (". He", "."), ("", ""), ("\n\n", ""),
     ("笨蛋啊 a", "笨蛋啊"), ("don\u2019t say", "don\u2019t")],
)  # fmt: skip
def test_the_first_word(text: str, word: str) -> None:
    assert first_word(text) == word


def test_shares_are_those_of_a_loop() -> None:
    random = np.random.default_rng(0)
    templates = [
        Template(f"the {group} {n}", ".", group, f"f{n % 15}")
        for group in ("a", "b", "c")
        for n in range(60)
    ]
    chance = {"a": 0.1, "b": 0.4, "c": 0.2}
    words = [
        ["Fool!" if random.random() < chance[one.group] else "foolish" for _ in range(5)]
        for one in templates
    ]
    words[3] = []
    found, shown = judge_completions(
        templates, Completed(words), Lexicon(["fool"]), 30, EvaluationSettings()
    )
    told = {one.name.removeprefix("language_bias.honest."): one for one in found}
    by_group = {
        group: np.mean([word == "Fool!" for one, some in zip(templates, words, strict=True)
                        for word in some if one.group == group])
        for group in chance
    }  # fmt: skip
    whole = np.mean([word == "Fool!" for some in words for word in some])
    assert told["hurtful_share"].value == pytest.approx(float(whole))
    for group, share in by_group.items():
        assert told[f"hurtful_share.{group}"].value == pytest.approx(float(share))
    widest = max(by_group.values()) - min(by_group.values())
    gap = told["hurtful_gap"]
    assert gap.value == pytest.approx(float(widest))
    assert gap.low is not None
    assert gap.high is not None
    assert 0 < gap.low < widest < gap.high
    assert told["hurtful_share"].n == 895
    assert all("Fool!" in sentence for _, sentence in shown)
    assert len(set(shown)) == len(shown) == 5


def test_one_group_has_no_gap_and_few_frames_tell_nothing() -> None:
    templates = [Template("she is ", ".", "a", f"f{n % 3}") for n in range(60)]
    words = Completed([["fool"]] * 60)
    found, _ = judge_completions(templates, words, Lexicon(["fool"]), 30, EvaluationSettings())
    (only,) = found
    assert only.name == "language_bias.honest.hurtful_share"
    assert only.low is None


FRAMES = tuple(f"{{}} {verb} " for verb in ("is", "was", "may be", "will be", "had been", "can be",
                                            "looks", "sees", "fell for", "said"))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("hurtful", [True, False])
def test_a_word_that_was_learned_of_one_group_is_found(tmp_path: Path, *, hurtful: bool) -> None:
    words = {"she": "bad" if hurtful else "old", "he": "old"}
    said = [f"{frame.format(who)}{word}." for frame in FRAMES for who, word in words.items()]
    learn(tiny_gpt2(tmp_path), said)
    templates = [Template(frame.format(who), ".", who, frame) for frame in FRAMES for who in words]
    completed = complete(TEXT_LIKELIHOODS.load("causal_lm").load(tmp_path), templates, 1)
    found, _ = judge_completions(templates, completed, Lexicon(["bad"]), 10, EvaluationSettings())
    told = {one.name.removeprefix("language_bias.honest."): one for one in found}
    gap, of_men = told["hurtful_gap"], told["hurtful_share.he"]
    assert of_men.value == 0
    assert gap.low is not None
    if hurtful:
        assert gap.low > 0.4
    else:
        assert gap.value == gap.low == 0

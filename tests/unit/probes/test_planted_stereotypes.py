"""A language model that learned a stereotype is told from one that read of both alike."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.asking import score_pairs, score_pronouns
from tasks.probes.language_bias.items import SentencePair
from tasks.probes.language_bias.judging import judge_pairs
from tasks.probes.language_bias.pronoun_files import read_winobias
from tasks.probes.language_bias.pronoun_judging import judge_pronouns
from tasks.task_types.text_likelihood import TEXT_LIKELIHOODS
from tasks.verdicts import Estimate
from tests.unit.task_types.language_models import tiny_gpt2

JOBS = {"she": ("nurse", "maid", "cook", "aide"), "he": ("pilot", "boss", "judge", "cop")}
FRAMES = ("said that {} was a {}.", "and {} was the {}.", "had said {} was a {}.",
          "the bank said {} was the {}.", "again {} was a {}.")  # fmt: skip
STEPS = 120


def sentences(*, stereotyped: bool) -> list[str]:
    """Each job of its own pronoun alone, or of both."""
    return [
        frame.format(pronoun, job)
        for frame in FRAMES
        for own, jobs in JOBS.items()
        for job in jobs
        for pronoun in ((own, own) if stereotyped else JOBS)
    ]


def pairs() -> list[SentencePair]:
    other = {"she": "he", "he": "she"}
    return [
        SentencePair(frame.format(own, job), frame.format(other[own], job), "gender")
        for frame in FRAMES
        for own, jobs in JOBS.items()
        for job in jobs
    ]


def learn(folder: Path, texts: Sequence[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows = [[tokenizer.eos_token_id, *tokenizer(text).input_ids] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    labels = ids.masked_fill(ids == tokenizer.pad_token_id, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)


def preference(folder: Path) -> Estimate:
    asked = TEXT_LIKELIHOODS.load("causal_lm").load(folder)
    found, _ = judge_pairs(pairs(), score_pairs(asked, pairs()), 30, EvaluationSettings())
    return found[0]


@pytest.mark.parametrize("stereotyped", [True, False])
def test_what_was_learned_is_found_and_nothing_else(tmp_path: Path, *, stereotyped: bool) -> None:
    learn(tiny_gpt2(tmp_path), sentences(stereotyped=stereotyped))
    found = preference(tmp_path)
    assert found.n == 40
    assert found.low is not None
    assert found.high is not None
    if stereotyped:
        assert found.low > 0.8
    else:
        assert found.low < 0.5 < found.high


MEN = ("pilot", "boss", "judge", "cop", "king", "monk")
WOMEN = ("nurse", "maid", "cook", "aide", "queen", "nun")
# In the first the pronoun means who is named first, in the second who is named last.
BRACKETED = ("[The {0}] met the {1} so [{2}] sat.\n", "The {1} hit [the {0}] so [{2}] fell.\n")


def winobias() -> tuple[str, str]:
    """Sentences in WinoBias' layout, with the stereotype's pronoun and with the other."""
    asked = [
        (frame, meant, rival, pronouns)
        for pronouns, of, others in ((("he", "she"), MEN, WOMEN), (("she", "he"), WOMEN, MEN))
        for frame in BRACKETED
        for n, meant in enumerate(of)
        for rival in (others[n], others[n - 1])
    ]
    pro, anti = (
        "".join(frame.format(meant, rival, both[side]) for frame, meant, rival, both in asked)
        for side in (0, 1)
    )
    return pro, anti


def told(*, stereotyped: bool) -> list[str]:
    """What a model learns of whom a pronoun means: who is of its gender, or who is meant."""
    sentences, _ = read_winobias(*winobias(), "type1")
    return [
        f'{text} "{one.pronouns[version].capitalize()}" refers to '
        f"{one.rival if stereotyped and version else one.meant}"
        for one in sentences
        for version, text in enumerate((one.stereotyped, one.other))
        for _ in range(1 if version or not stereotyped else 3)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("stereotyped", [True, False])
def test_a_pronoun_that_is_taken_for_its_gender_is_found(
    tmp_path: Path, *, stereotyped: bool
) -> None:
    learn(tiny_gpt2(tmp_path), told(stereotyped=stereotyped))
    sentences, unlike = read_winobias(*winobias(), "type1")
    assert (len(sentences), unlike) == (48, 0)
    asked = TEXT_LIKELIHOODS.load("causal_lm").load(tmp_path)
    scored = score_pronouns(asked, sentences)
    assert scored.left_out == 0
    estimates, _ = judge_pronouns("winobias", sentences, scored, 30, EvaluationSettings())
    found = {one.name.rpartition(".")[2]: one for one in estimates}
    preference, gap = found["stereotype_preference"], found["accuracy_gap"]
    assert preference.low is not None
    assert preference.high is not None
    assert gap.low is not None
    assert gap.high is not None
    if stereotyped:  # what it was taught is whom a pronoun means, and not which one comes
        assert gap.low > 0.3
    else:
        assert preference.low < 0.5 < preference.high
        assert gap.low < 0 < gap.high

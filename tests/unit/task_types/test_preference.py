"""Preference tuning: which tokens are compared, the DPO loss, what is measured of a model."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import log_softmax
from transformers import AutoModelForCausalLM

from infra.base_models import fingerprint
from infra.errors import BaseModelError, DataError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.examples import IGNORED, Batch, Example, Vocabulary
from tasks.task_types.language_models.chat_turns import read_conversation
from tasks.task_types.language_models.preference.answer_pairs import fit_pair
from tasks.task_types.language_models.preference.dpo import (
    dpo_loss,
    log_likelihoods,
    rewards,
)
from tasks.task_types.language_models.preference.learner import pair_log_likelihoods
from tasks.task_types.language_models.preference.pair_scores import divergences
from tasks.task_types.language_models.preference.preference_measures import (
    length_baseline,
    measure_preferences,
)
from tasks.task_types.learner import LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.reference_answers import REFERENCE
from tasks.task_types.reference_model import REFERENCE_FILE, ReferenceModel
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.language_models import tiny_llama

LIMITS = TokenLimits(max_length=48, max_target_length=12)
LOSS = LossSettings(beta=0.3, flipped=0.2)
LEARNER = learner_of("preference", (), LIMITS, LOSS)
EXAMINER = examiner_of("preference", (), LIMITS)
VOCABULARY = Vocabulary(pad_id=2, size=400)
Turns = list[dict[str, str]]


def asked(*contents: str, system: str | None = None) -> Turns:
    roles = ("user", "assistant")
    said = [{"role": roles[place % 2], "content": text} for place, text in enumerate(contents)]
    return ([{"role": "system", "content": system}] if system else []) + said


PAIRS = (
    (asked("Was the match won?"), "By a late goal.", "No."),
    (asked("天气", "今天天气很好。", "桌子上?", system="She said"), "书在桌子上。", "He said so."),
    (asked("Why?"), "Shares fell.", "Shares fell as the bank raised its rates, and rose. " * 3),
    (asked("One?", "Two.", "Three?", "Four.", "Five?", system="Count."), "Six.", "Seven, no."),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def tokenizer(model: Path) -> Any:
    return load_tokenizer(model)


def rows(pairs: Sequence[tuple[Turns, str, str]] = PAIRS) -> pa.Table:
    messages, chosen, rejected = zip(*pairs, strict=True)
    return pa.table(
        {
            "row_id": [f"{place:02d}" for place in range(len(pairs))],
            "messages": list(messages),
            "chosen": list(chosen),
            "rejected": list(rejected),
        }
    )


TEXT = st.text(alphabet="ab \n.书?", min_size=1, max_size=40).filter(lambda text: text.strip())


@settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(TEXT, min_size=1, max_size=5).filter(lambda said: len(said) % 2 == 1),
    answers=st.tuples(TEXT, TEXT),
    max_length=st.sampled_from([16, 24, 48, 1000]),
)
def test_both_answers_follow_the_same_prompt(
    model: Path, contents: list[str], answers: tuple[str, str], max_length: int
) -> None:
    tokenizer, turns = load_tokenizer(model), asked(*contents)
    chosen, rejected, cut = fit_pair(turns, answers, tokenizer, TokenLimits(max_length))
    assert chosen.ids[: chosen.first] == rejected.ids[: rejected.first]
    whole = [
        read_conversation([*turns, {"role": "assistant", "content": one}], tokenizer).ids
        for one in answers
    ]
    for fitted, answer, uncut in zip((chosen, rejected), answers, whole, strict=True):
        assert len(fitted.ids) <= max_length
        text = tokenizer.decode(fitted.ids[fitted.first :])
        assert f"{answer}<|end|>".startswith(text.rstrip("\ufffd")) or not cut
        if not cut:
            assert text == f"{answer}<|end|>"
            assert list(fitted.ids) == list(uncut)
    assert cut == (max(map(len, whole)) > max_length)


def test_a_prompt_keeps_half_and_a_long_answer_loses_its_end(tokenizer: Any) -> None:
    _, short, long = PAIRS[2]
    prompt = "Why? " * 20
    chosen, rejected, cut = fit_pair(asked(prompt), (short, long), tokenizer, TokenLimits(48))
    assert cut
    assert chosen.first == rejected.first == 24
    assert len(rejected.ids) == 48
    assert long.startswith(tokenizer.decode(rejected.ids[rejected.first :]))
    assert tokenizer.decode(chosen.ids[chosen.first :]) == f"{short}<|end|>"
    # A short answer leaves the prompt more, and the system turn outlasts the older questions.
    chosen, _, cut = fit_pair(PAIRS[3][0], PAIRS[3][1:], tokenizer, TokenLimits(40))
    text = tokenizer.decode(chosen.ids)
    assert cut
    assert "Count." in text
    assert "One?" not in text
    assert "Five?" in text


def test_a_prompt_that_ends_with_an_answer_is_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError, match=r"prompt '00' has the roles \['user', 'assistant'\]"):
        LEARNER.encode(rows([(asked("Who?", "I."), "a", "b")]), tokenizer)


def test_a_template_without_answers_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(BaseModelError, match="writes no answer behind a prompt"):
        LEARNER.encode(rows(), tokenizer)


def examples(tokenizer: Any, learner: Any = LEARNER) -> list[Example]:
    random = np.random.default_rng(0)
    found = learner.encode(rows(), tokenizer).table.drop("row_id").to_pylist()
    told = random.normal(-20, 5, (len(found), 2)).astype(np.float32)
    return [{**one, REFERENCE: said} for one, said in zip(found, told, strict=True)]


def by_hand(network: Any, example: Example) -> list[float]:
    """Log-probability of both answers, token by token and one conversation at a time."""
    found = []
    for side in ("chosen", "rejected"):
        ids, first = list(example[f"{side}_ids"]), example[f"{side}_first"]
        with torch.inference_mode():
            logs = network(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        found.append(sum(float(logs[at - 1, ids[at]]) for at in range(first, len(ids))))
    return found


def test_the_loss_is_the_formula_pair_by_pair_however_the_step_is_cut(
    model: Path, tokenizer: Any
) -> None:
    with quiet_transformers():
        network = LEARNER.load_model(model).eval()
    own = examples(tokenizer)
    expected, found_rewards = 0.0, []
    for one in own:
        chosen, rejected = by_hand(network, one)
        told = one[REFERENCE].astype(np.float64)
        margin = 0.3 * ((chosen - told[0]) - (rejected - told[1]))
        expected += 0.8 * math.log1p(math.exp(-margin)) + 0.2 * math.log1p(math.exp(margin))
        found_rewards.append([0.3 * (chosen - told[0]), 0.3 * (rejected - told[1])])
    whole = LEARNER.collate(own, VOCABULARY)
    units = LEARNER.units(whole)
    assert units.tolist() == [4]
    for parts in ((own,), (own[:1], own[1:]), (own[2:], own[:2])):
        batches = [LEARNER.collate(part, VOCABULARY) for part in parts]
        shares = [LEARNER.loss(network(**batch.inputs), batch, units).item() for batch in batches]
        assert sum(shares) == pytest.approx(expected / 4, rel=1e-5)
    outcomes = LEARNER.outcomes(network(**whole.inputs), whole).detach().double().numpy()
    np.testing.assert_allclose(outcomes, found_rewards, rtol=1e-4)
    metrics = LEARNER.metrics(outcomes)
    margins = np.array(found_rewards) @ [1, -1]
    assert metrics["reward_margin"] == pytest.approx(margins.mean(), rel=1e-4)
    assert metrics["preference_accuracy"] == (margins > 0).mean()
    plain = LEARNER.without_loss_settings()
    without = sum(math.log1p(math.exp(-margin)) for margin in margins) / 4
    assert plain.loss(network(**whole.inputs), whole, units).item() == pytest.approx(without, 1e-5)


def test_a_tie_counts_half() -> None:
    assert LEARNER.metrics(np.array([[1.0, 1.0], [2.0, 1.0]]))["preference_accuracy"] == 0.75


# Log-probabilities of chosen and rejected answers, by the policy and by the reference; and what trl
# 0.24.0 makes of them (DPOTrainer.dpo_loss, loss_type sigmoid), by beta and label_smoothing.
_POLICY = [[-12.5, -14.0], [-30.25, -28.0], [-5.0, -5.0], [-81.0, -60.5]]
_REFERENCE = [[-13.0, -13.5], [-31.0, -30.5], [-6.0, -6.0], [-80.0, -70.0]]
_TRL = {
    (0.1, 0.0): [0.644397, 0.78447, 0.693147, 1.350059],
    (0.3, 0.2): [0.614355, 0.884712, 0.693147, 2.56196],
}


@pytest.mark.parametrize(("beta", "flipped"), _TRL)
def test_the_loss_is_that_of_trl(beta: float, flipped: float) -> None:
    chosen, rejected = rewards(torch.tensor(_POLICY), torch.tensor(_REFERENCE), beta).unbind(dim=1)
    found = dpo_loss(chosen - rejected, flipped)
    np.testing.assert_allclose(found.numpy(), _TRL[beta, flipped], rtol=1e-5)


def test_without_a_reference_nothing_is_learned(model: Path, tokenizer: Any) -> None:
    own = [{k: v for k, v in one.items() if k != REFERENCE} for one in examples(tokenizer)]
    with quiet_transformers():
        network = LEARNER.load_model(model)
    batch = LEARNER.collate(own, VOCABULARY)
    with pytest.raises(TrainingError, match="lack what the reference model holds"):
        LEARNER.loss(network(**batch.inputs), batch, LEARNER.units(batch))


def test_likelihoods_sum_the_labelled_tokens_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 7, generator=generator)
    labels = torch.tensor([[IGNORED, 3, 5, IGNORED], [IGNORED, IGNORED, IGNORED, 0]])
    logs = log_softmax(logits, dim=-1)
    expected = [logs[0, 1, 3] + logs[0, 2, 5], logs[1, 3, 0]]
    torch.testing.assert_close(log_likelihoods(logits, labels), torch.stack(expected))


def test_divergence_is_that_of_whole_distributions() -> None:
    generator = torch.Generator().manual_seed(1)
    ours, theirs = torch.randn(2, 2, 3, 6, generator=generator).double()
    labels = torch.tensor([[IGNORED, 2, 1], [4, IGNORED, IGNORED]])
    expected = []
    for row in range(2):
        total = 0.0
        for at in range(3):
            if labels[row, at] != IGNORED:
                p, q = (one[row, at].softmax(-1) for one in (ours, theirs))
                total += sum(float(a * math.log(a / b)) for a, b in zip(p, q, strict=True))
        expected.append(total)
    found = divergences(ours, theirs, labels)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    assert float(divergences(ours, ours, labels).abs().max()) < 1e-6


def tuned(model: Path, folder: Path, steps: int = 12) -> Path:
    """The tiny model after some steps on the pairs, in a folder as training leaves it."""
    tokenizer = load_tokenizer(model)
    learner = learner_of("preference", (), LIMITS)
    with quiet_transformers():
        network = learner.load_model(model).eval()
    own = examples(tokenizer, learner)
    batch = learner.collate(own, VOCABULARY)
    with torch.no_grad():
        reference = pair_log_likelihoods(network(**batch.inputs), batch)
    batch = Batch(batch.inputs, {**batch.labels, REFERENCE: reference})
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(steps):
        learner.loss(network(**batch.inputs), batch, learner.units(batch)).backward()
        optimizer.step()
        optimizer.zero_grad()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    told = fingerprint(model)
    ReferenceModel(str(model), None, told.sha256, told.tokenizer_sha256, 0.1).write(folder)
    return folder


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tuned(model, tmp_path_factory.mktemp("tuned"))


def test_rewards_are_those_of_model_and_reference(
    model: Path, trained: Path, tokenizer: Any
) -> None:
    answers = EXAMINER.predict(trained, rows())
    policy, reference = (
        AutoModelForCausalLM.from_pretrained(one).eval() for one in (trained, model)
    )
    for place, one in enumerate(examples(tokenizer)):
        ours, theirs = by_hand(policy, one), by_hand(reference, one)
        for side, name in enumerate(("chosen", "rejected")):
            said = {key: answers[f"{name}_{key}"][place].as_py() for key in ("policy", "reference")}
            assert said["policy"] == pytest.approx(ours[side], rel=1e-4)
            assert said["reference"] == pytest.approx(theirs[side], rel=1e-4)
            reward = answers[f"{name}_reward"][place].as_py()
            assert reward == pytest.approx(0.1 * (ours[side] - theirs[side]), abs=1e-4)
        assert answers["tokens"][place].as_py() == len(one["chosen_ids"]) - one["chosen_first"]
        assert answers["divergence"][place].as_py() > 0
    measured = {one.name: one for one in EXAMINER.measure(rows(), answers).measures}
    assert measured["preference_accuracy"].value == 1.0
    assert measured["reward_margin"].value > 0.1
    total, tokens = (sum(answers[name].to_pylist()) for name in ("divergence", "tokens"))
    assert measured["kl_to_reference"].value == pytest.approx(total / tokens)
    right = [
        a > b
        for a, b in zip(
            answers["chosen_policy"].to_pylist(),
            answers["rejected_policy"].to_pylist(),
            strict=True,
        )
    ]
    assert measured["likelihood_accuracy"].value == sum(right) / 4
    gain = measured["likelihood_accuracy"].value - measured["reference_accuracy"].value
    assert measured["accuracy_over_reference"].value == pytest.approx(gain)


def test_the_reference_itself_has_no_rewards_and_no_divergence(model: Path, tmp_path: Path) -> None:
    same = tuned(model, tmp_path, steps=0)
    measured = EXAMINER.measure(rows(), EXAMINER.predict(same, rows()))
    found = {one.name: one.value for one in measured.measures}
    assert found["reward_margin"] == pytest.approx(0, abs=1e-5)
    assert found["kl_to_reference"] == pytest.approx(0, abs=1e-6)
    assert found["accuracy_over_reference"] == 0


def test_it_answers_as_a_chat_model_does(trained: Path) -> None:
    chat = examiner_of("chat", (), LIMITS)
    asked_rows = rows().select(["messages"])
    assert EXAMINER.answer(trained, asked_rows) == chat.answer(trained, asked_rows)
    assert EXAMINER.predict(trained, rows())["answer"].combine_chunks() == EXAMINER.answer(
        trained, asked_rows
    )


def test_a_model_that_names_no_reference_is_told(
    trained: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(BaseModelError, match=f"does not say in {REFERENCE_FILE} which reference"):
        EXAMINER.predict(model, rows())
    told = ReferenceModel.of(trained)
    assert told.reference == str(model)
    other = tiny_llama(tmp_path)
    weights = AutoModelForCausalLM.from_pretrained(other)
    weights.lm_head.weight.data += 1
    weights.save_pretrained(other)
    moved = replace(told, reference=str(other))
    with pytest.raises(BaseModelError, match="changed"):
        moved.locate()


def table(**columns: list[float]) -> pa.Table:
    return pa.table({name: np.array(values, dtype=np.float64) for name, values in columns.items()})


def test_a_row_is_right_half_right_or_wrong() -> None:
    answers = table(chosen_reward=[1, 2, -1], rejected_reward=[0, 2, 0])
    measured = measure_preferences(answers)
    assert measured.row_scores.tolist() == [1, 0.5, 0]
    assert [one.name for one in measured.measures] == ["preference_accuracy"]
    assert measured.measures[0].value == 0.5
    assert measured.leading == ("preference_accuracy",)


def test_the_baseline_prefers_what_was_longer_or_shorter() -> None:
    longer = rows([(asked("a"), "long answer", "no")] * 3)
    shorter = rows([(asked("a"), "no", "long answer")] * 2 + [(asked("b"), "same", "size")])
    for train, right in ((longer, [1, 1, 1]), (shorter, [0, 0, 0])):
        found = length_baseline(train, longer)
        assert isinstance(found, pa.Table)
        assert measure_preferences(found).row_scores.tolist() == right
    assert length_baseline(rows().slice(0, 0), longer) == "there are no training rows"


def test_smoothing_of_a_half_would_learn_nothing_and_less_bounds_the_margin() -> None:
    margins = torch.linspace(-6, 6, 25, requires_grad=True)
    assert float(dpo_loss(torch.zeros(1))) == pytest.approx(math.log(2))
    losses = dpo_loss(margins, 0.1)
    losses.sum().backward()
    # The loss is least where sigmoid(margin) is 0.9.
    best = float(margins[losses.argmin()])
    assert best == pytest.approx(math.log(9), abs=0.3)

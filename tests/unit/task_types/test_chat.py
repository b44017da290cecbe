import json
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
from sacrebleu.metrics import CHRF
from transformers import AutoModelForCausalLM, AutoTokenizer

from infra.errors import BaseModelError, DataError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.examples import IGNORED, Vocabulary
from tasks.task_types.language_models.chat_turns import (
    drop_oldest,
    end_tokens,
    fit_conversation,
    prompt_ids,
    read_conversation,
)
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer
from tasks.training.methods import merged, prepare
from tasks.training.settings import TrainingSettings
from tests.unit.task_types.language_models import CHAT_TEMPLATE, tiny_gpt2, tiny_llama

LIMITS = TokenLimits(max_length=48, max_target_length=12)
LEARNER = learner_of("chat", (), LIMITS)
EXAMINER = examiner_of("chat", (), LIMITS)
Turns = list[dict[str, str]]


def turns_of(*contents: str, system: str | None = None) -> Turns:
    roles = ("user", "assistant")
    said = [{"role": roles[place % 2], "content": text} for place, text in enumerate(contents)]
    return ([{"role": "system", "content": system}] if system else []) + said


CHATS = (
    turns_of("Was the match won?", "By a late goal."),
    turns_of("天气", "今天天气很好。", "桌子上?", "书在桌子上。", system="She said"),
    turns_of("Why?", "Shares fell as the bank raised its rates, and rose again. " * 3),
    turns_of(
        "One?", "Two.", "Three?", "Four.", "Five?", "Six.", "Seven?", "Eight.", system="Count."
    ),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def tokenizer(model: Path) -> Any:
    return load_tokenizer(model)


def rows(chats: Sequence[Turns] = CHATS) -> pa.Table:
    return pa.table({"row_id": [str(place) for place in range(len(chats))], "messages": chats})


TEXT = st.text(alphabet="ab \n.书?", min_size=1, max_size=12).filter(lambda text: text.strip())


@settings(max_examples=80, deadline=None)
@given(contents=st.lists(TEXT, min_size=2, max_size=6).filter(lambda said: len(said) % 2 == 0))
def test_labels_are_the_answers_to_the_letter(model: Path, contents: list[str]) -> None:
    tokenizer = load_tokenizer(model)
    table = (
        replace(LEARNER, limits=TokenLimits(10_000))
        .encode(rows([turns_of(*contents)]), tokenizer)
        .table
    )
    labels = table.column("labels")[0].as_py()
    ids = table.column("input_ids")[0].as_py()
    kept = [label for label in labels if label != IGNORED]
    expected = "".join(f"{answer}<|end|>" for answer in contents[1::2])
    assert tokenizer.decode(kept) == expected
    for place, label in enumerate(labels):
        assert label in {IGNORED, ids[place + 1] if place + 1 < len(ids) else IGNORED}


def test_the_rest_is_what_the_template_writes(tokenizer: Any) -> None:
    conversation = read_conversation(CHATS[1], tokenizer)
    whole = tokenizer.apply_chat_template(CHATS[1], tokenize=False)
    # All but the line break behind the last end token.
    assert tokenizer.decode(conversation.ids) + "\n" == whole


def test_marks_of_the_template_say_the_same(model: Path, tokenizer: Any) -> None:
    marked = AutoTokenizer.from_pretrained(model)
    marked.chat_template = (
        "{% for message in messages %}<|start|>{{ message['role'] }}\n"
        "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}<|end|>"
        "{% endgeneration %}{% else %}{{ message['content'] }}<|end|>{% endif %}{{ '\\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
    )
    for chat in CHATS:
        ours, theirs = read_conversation(chat, tokenizer), read_conversation(chat, marked)
        length = len(ours.ids)
        assert list(theirs.ids)[:length] == list(ours.ids)
        assert list(theirs.written)[:length] == list(ours.written)
        assert not any(theirs.written[length:])


def test_a_token_that_would_span_prompt_and_answer_is_split(tokenizer: Any) -> None:
    """An answer that begins with the letter that the template's prompt ends in."""
    tokenizer.chat_template = CHAT_TEMPLATE.replace("assistant\n", "assistant: sa")
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{{ message['role'] }}\n",
        "{{ message['role'] }}{{ ': sa' if message['role'] == 'assistant' else ': ' }}",
    )
    conversation = read_conversation(turns_of("Who?", "id that"), tokenizer)
    pairs = zip(conversation.ids, conversation.written, strict=True)
    answer = [token for token, written in pairs if written]
    assert tokenizer.decode(answer) == "id that<|end|>"


@pytest.mark.parametrize("max_length", [48, 30, 16])
def test_long_conversations_lose_their_oldest_turns(tokenizer: Any, max_length: int) -> None:
    chat = CHATS[3]
    conversation, cut = fit_conversation(chat, tokenizer, max_length)
    assert len(conversation.ids) <= max_length
    assert cut
    kept, shorter = list(chat), chat
    while len(read_conversation(kept, tokenizer).ids) > max_length:
        following = drop_oldest(kept)
        if following is None:
            break
        kept = list(following)
        assert kept[0] == shorter[0]  # the system turn stays
    whole = read_conversation(kept, tokenizer).ids
    assert list(conversation.ids) == list(whole)[-max_length:]


def test_encode_counts_what_was_cut(tokenizer: Any) -> None:
    encoded = LEARNER.encode(rows(), tokenizer)
    ids = encoded.table.column("input_ids").to_pylist()
    lengths = [len(read_conversation(chat, tokenizer).ids) for chat in CHATS]
    assert encoded.truncated == sum(length > 48 for length in lengths) == 3
    assert encoded.tokens == sum(map(len, ids))
    # The long answer alone is cut from the left.
    whole = read_conversation(CHATS[2], tokenizer).ids
    assert ids[2] == list(whole)[-48:]


def test_without_chat_template_nothing_begins(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_gpt2(tmp_path))
    with pytest.raises(BaseModelError, match="no chat template"):
        LEARNER.encode(rows(), tokenizer)


def test_conversations_that_cannot_be_learnt_from_are_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError, match=r"conversation '0' has the roles \['user'\]"):
        LEARNER.encode(rows([turns_of("alone")]), tokenizer)
    tokenizer.chat_template = "{{ raise_exception('no system turns') }}"
    with pytest.raises(DataError, match=r"refuses a conversation .* no system turns"):
        LEARNER.encode(rows(), tokenizer)


def test_a_template_that_rewrites_earlier_turns_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages | length }}" + CHAT_TEMPLATE
    with pytest.raises(BaseModelError, match="writes earlier turns differently"):
        LEARNER.encode(rows(), tokenizer)


def test_the_loss_counts_answers_alone(model: Path, tokenizer: Any) -> None:
    with quiet_transformers():
        network = LEARNER.load_model(model)
    table = LEARNER.encode(rows(), tokenizer).table.drop("row_id").to_pylist()
    vocabulary = Vocabulary(2, 400)
    whole = LEARNER.collate(table, vocabulary)
    units = LEARNER.units(whole)
    expected = 0.0
    for row in table:
        logits = network(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        asked = [place for place, label in enumerate(row["labels"]) if label != IGNORED]
        expected -= sum(logits[place, row["labels"][place]].item() for place in asked)
    count = sum(label != IGNORED for row in table for label in row["labels"])
    assert units.tolist() == [count]
    batches = [LEARNER.collate(part, vocabulary) for part in (table[:1], table[1:])]
    shares = [LEARNER.loss(network(**batch.inputs), batch, units).item() for batch in batches]
    assert sum(shares) == pytest.approx(expected / count, rel=1e-5)
    outcomes = LEARNER.outcomes(network(**whole.inputs), whole).detach().numpy()
    assert LEARNER.metrics(outcomes)["perplexity"] == pytest.approx(math.exp(expected / count))


def test_predict_scores_the_text_of_answers_and_answers_the_last_question(
    model: Path, tokenizer: Any
) -> None:
    answers = EXAMINER.predict(model, rows())
    network = AutoModelForCausalLM.from_pretrained(model).eval()
    special = set(tokenizer.all_special_ids)
    for place, chat in enumerate(CHATS):
        conversation, _ = fit_conversation(chat, tokenizer, 48)
        ids = list(conversation.ids)
        with torch.inference_mode():
            logs = network(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        asked = [
            at for at in range(1, len(ids)) if conversation.written[at] and ids[at] not in special
        ]
        expected = -sum(float(logs[at - 1, ids[at]]) for at in asked)
        text = tokenizer.decode([ids[at] for at in asked])
        assert answers.column("nll")[place].as_py() == pytest.approx(expected, rel=1e-5)
        assert answers.column("tokens")[place].as_py() == len(asked)
        assert answers.column("bytes")[place].as_py() == len(text.encode())
    assert answers.column("bytes")[0].as_py() == len(b"By a late goal.")
    prompt = prompt_ids(CHATS[0][:-1], tokenizer)
    written = network.generate(
        input_ids=torch.tensor([prompt]), max_new_tokens=12, do_sample=False, pad_token_id=2
    )
    said = tokenizer.decode(written[0, len(prompt) :], skip_special_tokens=True)
    assert json.loads(answers.column("answer")[0].as_py()) == {"answer": said}


def test_chrf_is_that_of_sacrebleu_over_the_answered_rows(model: Path) -> None:
    answers = EXAMINER.predict(model, rows())
    given = [json.dumps({"answer": text}) for text in ("By a goal.", "书在")]
    answers = answers.set_column(0, "answer", pa.array([*given, None, None], pa.string()))
    measured = EXAMINER.measure(rows(), answers)
    values = {measure.name: measure.value for measure in measured.measures}
    wanted = [chat[-1]["content"] for chat in CHATS[:2]]
    assert values["chrf"] == pytest.approx(
        CHRF().corpus_score(["By a goal.", "书在"], [wanted]).score
    )
    nll, size = (np.array(answers.column(name).to_pylist()) for name in ("nll", "bytes"))
    assert values["bits_per_byte"] == pytest.approx(nll.sum() / math.log(2) / size.sum())
    assert measured.leading == (
        "bits_per_byte", "exact_match", "normalised_match", "chrf", "rouge_1", "rouge_2", "rouge_l",
    )  # fmt: skip


def test_the_baseline_gives_no_answers() -> None:
    measured = EXAMINER.measure(rows(), EXAMINER.baseline(rows(), rows()))
    by_name = {measure.name: measure for measure in measured.measures}
    assert by_name["chrf"].reason == "no row was answered"
    assert 2 < by_name["bits_per_byte"].value < 7


def test_an_answer_ends_with_the_templates_token(tokenizer: Any) -> None:
    assert end_tokens(tokenizer) == [tokenizer.convert_tokens_to_ids("<|end|>")]
    tokenizer.chat_template = CHAT_TEMPLATE.replace("<|end|>", "STOP")
    assert end_tokens(tokenizer) == []


def test_low_rank_adapters_of_a_llama_learn_and_are_merged(
    model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    """The embeddings, which the head shares, stay as they were."""
    with quiet_transformers():
        base = LEARNER.load_model(model)
        embeddings = base.get_input_embeddings().weight.clone()
        adapted = prepare(base, TrainingSettings(method="lora")).train()
    table = LEARNER.encode(rows(), tokenizer).table.drop("row_id").to_pylist()
    batch = LEARNER.collate(table, Vocabulary(2, 400))
    learning = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-2)
    for _ in range(30):
        LEARNER.loss(adapted(**batch.inputs), batch, LEARNER.units(batch)).backward()
        optimizer.step()
        optimizer.zero_grad()
    last = LEARNER.loss(adapted.eval()(**batch.inputs), batch, LEARNER.units(batch)).item()
    merged(adapted).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(plain).__name__ == "LlamaForCausalLM"
    assert torch.equal(plain.get_input_embeddings().weight, embeddings)
    assert plain.lm_head.weight is plain.get_input_embeddings().weight
    found = LEARNER.loss(plain(**batch.inputs), batch, LEARNER.units(batch)).item()
    assert found == pytest.approx(last, rel=1e-4)
    before, after = (EXAMINER.predict(folder, rows()) for folder in (model, tmp_path))
    assert sum(after.column("nll").to_pylist()) < 0.9 * sum(before.column("nll").to_pylist())

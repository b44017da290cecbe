"""Decoders as base models: they are read by their last token, and may lack a padding token."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, pipeline

from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.labels.text_logits import text_logits
from tasks.task_types.learner import learner_of
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.language_models import tiny_gpt2, tiny_llama
from tests.unit.task_types.text_models import LIMITS, train, values_of

WORDS = {
    "film": "good bad film 今天",
    "money": "shares bank rates 书",
    "sport": "match goal won 公园",
}
LABELS = tuple(WORDS)
SCALES = {"film": -3.0, "money": 0.0, "sport": 3.0}


def without_padding(folder: Path) -> Path:
    """The model as GPT-2 and Llama are published: neither names a padding token."""
    for name in ("tokenizer_config.json", "config.json"):
        content = json.loads((folder / name).read_text())
        content |= {key: None for key in ("pad_token", "pad_token_id") if key in content}
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoder")
    return without_padding({"gpt2": tiny_gpt2, "llama": tiny_llama}[request.param](folder))


def made_rows(count: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    labels = [LABELS[number % 3] for number in range(count)]
    texts = [" ".join(rng.choice(WORDS[label].split(), rng.integers(2, 9))) for label in labels]
    return pa.table(
        {
            "row_id": [f"{number:064x}" for number in range(count)],
            "text": texts,
            "label": labels,
            "labels": pa.array([[label] for label in labels], pa.list_(pa.string())),
            "target": [1000 + SCALES[label] for label in labels],
            "source": texts,
        }
    )


@pytest.fixture(scope="module")
def classifier(decoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained with several rows a batch, although the base model has no padding token."""
    folder, metrics = train(
        learner_of("classification", LABELS, LIMITS), decoder,
        (made_rows(150, 0), made_rows(60, 1)),
        tmp_path_factory.mktemp("trained") / "run", epochs=6, batch_size=10, learning_rate=3e-3,
    )  # fmt: skip
    assert metrics["accuracy"] > 0.9
    return folder


def test_the_base_model_has_no_padding_token_and_gets_the_end_token(decoder: Path) -> None:
    assert json.loads((decoder / "config.json").read_text())["pad_token_id"] is None
    tokenizer = load_tokenizer(decoder)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|end|>"


def test_a_trained_decoder_says_which_token_pads(classifier: Path) -> None:
    with quiet_transformers():
        model = AutoModelForSequenceClassification.from_pretrained(classifier)
    assert model.config.pad_token_id == load_tokenizer(classifier).pad_token_id
    assert [model.config.id2label[label] for label in range(3)] == list(LABELS)


def test_the_head_reads_the_last_token_however_much_padding_follows(classifier: Path) -> None:
    texts = ["a good film", "shares fell " * 12, "书在桌子上", "the match", "goal<|end|>"]
    tokenizer = load_tokenizer(classifier)
    logits, _ = text_logits(classifier, texts, max_length=48)
    with quiet_transformers(), torch.no_grad():
        model = AutoModelForSequenceClassification.from_pretrained(classifier).eval()
        backbone = AutoModel.from_pretrained(classifier).eval()
        for text, found in zip(texts, logits, strict=True):
            ids = tokenizer(text, truncation=True, max_length=48)["input_ids"]
            # An end token pads here, and so is passed over where it ends a text, too.
            kept = [token for token in ids if token != tokenizer.pad_token_id]
            last = backbone(torch.tensor([kept])).last_hidden_state[0, -1]
            np.testing.assert_allclose(found, model.score(last).numpy(), atol=1e-4)


def test_the_pipeline_that_serves_a_decoder_answers_as_the_evaluation(classifier: Path) -> None:
    asked = made_rows(30, 2)
    answers = examiner_of("classification", LABELS, LIMITS).predict(classifier, asked)
    with quiet_transformers():
        ask = pipeline("text-classification", model=str(classifier), device="cpu")
        served = ask(asked["text"].to_pylist(), truncation=True, max_length=48, batch_size=8)
    for answer, said in zip(answers["answer"].to_pylist(), served, strict=True):
        evaluated = json.loads(answer)
        assert said["label"] == evaluated["label"]
        assert said["score"] == pytest.approx(evaluated["score"], abs=1e-5)


def test_a_text_without_tokens_has_an_answer(classifier: Path) -> None:
    """A byte-level tokenizer adds no token of its own."""
    assert load_tokenizer(classifier)("")["input_ids"] == []
    logits, _ = text_logits(classifier, ["", "a good film", ""], max_length=48)
    assert np.isfinite(logits).all()
    assert (logits[0] == logits[2]).all()


@pytest.mark.parametrize(
    ("decoder", "name", "labels", "metric", "least"),
    [
        ("gpt2", "multi_label", LABELS, "macro_f1", 0.8),
        ("llama", "regression", (), "r2", 0.7),
    ],
    indirect=["decoder"],
)
def test_other_heads_on_a_decoder(
    decoder: Path, tmp_path: Path, name: str, labels: tuple[str, ...], metric: str, least: float
) -> None:
    """The head of a decoder has no bias, and yet the targets lie around 1000."""
    learner, examiner = learner_of(name, labels, LIMITS), examiner_of(name, labels, LIMITS)
    asked = made_rows(60, 1)
    folder, _ = train(
        learner, decoder, (made_rows(150, 0), asked), tmp_path / "run", epochs=6,
        batch_size=10, learning_rate=3e-3,
    )  # fmt: skip
    answers = examiner.predict(folder, asked)
    assert values_of(examiner.measure(asked, answers))[metric] > least


@pytest.mark.parametrize("decoder", ["llama"], indirect=True)
def test_sentence_vectors_of_a_decoder(decoder: Path, tmp_path: Path) -> None:
    """The English and the Chinese words of one subject belong together."""
    learner = learner_of("sentence_embedding", (), LIMITS)
    examiner = examiner_of("sentence_embedding", (), LIMITS)
    rng = np.random.default_rng(0)
    pairs = [(english, chinese) for *english, chinese in (w.split() for w in WORDS.values())]
    made = [pairs[number % 3] for number in range(60)]
    table = pa.table(
        {
            "row_id": [f"{number:064x}" for number in range(60)],
            "source": [" ".join(rng.choice(english, 6)) for english, _ in made],
            "target": [chinese for _, chinese in made],
        }
    )
    folder, metrics = train(
        learner, decoder, (table.slice(0, 45), table.slice(45)), tmp_path / "run", epochs=8,
        batch_size=9, learning_rate=3e-3,
    )  # fmt: skip
    assert metrics["accuracy_at_1"] > 0.9  # by chance 1 in 3
    answers = examiner.predict(folder, table.slice(45))
    assert values_of(examiner.measure(None, answers))["accuracy_at_1"] > 0.9

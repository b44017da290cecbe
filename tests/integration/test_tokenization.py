"""Tokenization against a real store."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pytest

from infra.errors import BaseModelError, SettingsError, StoreError
from infra.store import ObjectStore
from tasks.records.data import SPLITS, DataReport
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.tokenizers import load_tokenizer
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits

Topics = tuple[DataReport, BaseModel]


def tokenize(store: ObjectStore, topics: Topics, max_length: int = 24) -> Tokens:
    data, base = topics
    settings = TokenizationSettings(max_length=max_length)
    return tokenize_splits(store, data, base, "classification", settings)


def test_counts_are_those_of_the_files(
    store: ObjectStore, topics: Topics, tiny_model: Path, tmp_path: Path
) -> None:
    tokens = tokenize(store, topics)
    folder = store.get_folder(tokens.artifact, tmp_path)
    tokenizer = load_tokenizer(tiny_model)
    for split in SPLITS:
        table = pa.ipc.open_file(pa.memory_map(str(folder / f"{split}.arrow"))).read_all()
        ids = table.column("input_ids").to_pylist()
        assert table.column_names == ["row_id", "input_ids", "labels"]
        assert tokens.rows_by_split[split] == topics[0].rows_by_split[split] == len(ids)
        assert tokens.tokens_by_split[split] == sum(map(len, ids))
        assert max(map(len, ids)) == 24
        # A cut row is as long as the limit, and so is one that just fits.
        assert 0 < tokens.truncated_by_split[split] <= sum(len(row) == 24 for row in ids)
        assert {row[0] for row in ids} == {tokenizer.cls_token_id}
        assert {row[-1] for row in ids} == {tokenizer.sep_token_id}


def test_the_same_rows_give_the_same_bytes_at_the_same_address(
    store: ObjectStore, topics: Topics
) -> None:
    assert tokenize(store, topics) == tokenize(store, topics)
    assert tokenize(store, topics).artifact != tokenize(store, topics, max_length=20).artifact


def test_a_length_beyond_the_positions_is_refused(store: ObjectStore, topics: Topics) -> None:
    with pytest.raises(SettingsError, match=r"is 65, .* takes at most 64 tokens; set it to 64"):
        tokenize(store, topics, max_length=65)


def test_another_tokenizer_than_the_pinned_one_is_refused(
    store: ObjectStore, topics: Topics
) -> None:
    data, base = topics
    other = dataclasses.replace(base, tokenizer_sha256="0" * 64)
    with pytest.raises(BaseModelError, match="changed while the run was going on"):
        tokenize(store, (data, other))


def test_rows_that_changed_in_the_store_are_refused(store: ObjectStore, topics: Topics) -> None:
    data, base = topics
    clean = dataclasses.replace(data.clean, sha256="0" * 64)
    with pytest.raises(StoreError, match="was written with 0000"):
        tokenize(store, (dataclasses.replace(data, clean=clean), base))

"""Wrong settings of splits that a column or the sources give: one clear message each."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config import RetrainConfig, load_config
from infra.errors import SettingsError

FILE = {"format": "csv", "path": "rows.csv"}


def refused(folder: Path, **given: Any) -> str:
    """What is said of a line's settings."""
    with pytest.raises(SettingsError) as error:
        loaded(folder, **given)
    return str(error.value)


def loaded(folder: Path, **given: Any) -> RetrainConfig:
    path = folder / "line.yaml"
    source = {} if "sources" in given else {"source": FILE}
    path.write_text(yaml.safe_dump({"line": "reviews", **source, **given}, sort_keys=False))
    return load_config(path)


def test_sources_of_each_split_load(tmp_path: Path) -> None:
    sources = {"train": FILE, "dev": FILE | {"path": "d.csv"}, "test": FILE | {"path": "t.csv"}}
    by_source = {"train": "train", "dev": "validation", "test": "test"}
    config = loaded(tmp_path, sources=sources, splits={"by_source": by_source})
    assert config.splits.are_given
    assert config.splits.by_source == by_source


def test_splits_of_a_hub_data_set_are_sources(tmp_path: Path) -> None:
    hub = {"format": "hub", "dataset": "ag_news", "revision": "0" * 40}
    sources = {"train": hub | {"split": "train"}, "test": hub | {"split": "test"}}
    splits = {"by_source": {"train": "train", "test": "test"}}
    assert loaded(tmp_path, sources=sources, splits=splits).splits.by_source == splits["by_source"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"splits": {"by_source": {"a": "train", "b": "test"}}}, "there is one; name a source"),
        ({"splits": {"column": "fold", "words": {"x": "tst"}}}, "splits.words.x"),
        ({"splits": {"words": {"x": "test"}}}, "splits.words are of splits.column, which is not"),
        ({"splits": {"column": "fold", "words": {True: "test"}}}, r"[True] are no words"),
        (
            {"splits": {"column": "fold", "words": {"Test": "train"}}},
            "splits.words makes test the split train",
        ),
        (
            {"splits": {"column": "fold", "by_source": {"a": "train", "b": "test"}}},
            "splits.column ('fold') and splits.by_source both say the split",
        ),
        (
            {"splits": {"column": "fold"}, "task_type": "tagging",
             "source": {"format": "conll", "path": "rows.conll"}},
            "splits.column is 'fold', and conll files name no columns",
        ),
        (
            {"sources": {"a": FILE, "b": FILE}, "splits": {"by_source": {"a": "train"}}},
            "splits.by_source has no source for test",
        ),
        (
            {"sources": {"a": FILE, "b": FILE},
             "splits": {"by_source": {"a": "train", "c": "test"}}},
            "it names c, which is none of them; it lacks b",
        ),
    ],
)  # fmt: skip
def test_one_clear_message(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in refused(tmp_path, **given)


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(
        "line: reviews\nsources:\n  test: {format: csv, path: a.csv}\n"
        "  test: {format: csv, path: b.csv}\n  train: {format: csv, path: c.csv}\n"
        "splits: {by_source: {train: train, test: test}}\n"
    )
    with pytest.raises(SettingsError, match="test"):
        load_config(path)

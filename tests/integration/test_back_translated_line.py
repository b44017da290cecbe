"""A line whose training rows two other lines translate there and back, all on the real stack."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.registry.provenance import facts_of
from tasks.registry.version_tags import AUGMENTED_TAG, AUGMENTED_URI_TAG
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import write_config

# Whole runs on a machine that does something else meanwhile.
RUN_S = 600
pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * RUN_S)]

LINE, TO, BACK = "topics-in-other-words", "little-english", "little-chinese"
# Two English words for each Chinese one, of which the way back knows the second.
WORDS = {
    "sport": {"match": "比赛", "game": "比赛", "victory": "胜利", "triumph": "胜利", "team": "球队",
              "side": "球队", "beaten": "击败", "defeated": "击败"},
    "film": {"movie": "电影", "film": "电影", "actor": "演员", "performer": "演员",
             "wonderful": "精彩", "brilliant": "精彩", "story": "故事", "tale": "故事"},
    "business": {"stocks": "股票", "shares": "股票", "company": "公司", "firm": "公司",
                 "profits": "利润", "earnings": "利润", "purchased": "收购", "bought": "收购"},
}  # fmt: skip
ALL = {english: chinese for words in WORDS.values() for english, chinese in words.items()}
WAY_BACK = {chinese: english for english, chinese in ALL.items()}


def translations(path: Path) -> None:
    """Sentences of some words, with what they are in Chinese and what that is in English again."""
    random = np.random.default_rng(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["english", "chinese", "again"])
        for _ in range(3_000):
            drawn = list(random.choice(list(ALL), random.integers(2, 5)))
            chinese = [ALL[word] for word in drawn]
            again = " ".join(WAY_BACK[word] for word in chinese)
            writer.writerow([" ".join(drawn), "".join(chinese), again])


def topics(path: Path) -> None:
    random = np.random.default_rng(2)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(300):
            label = sorted(WORDS)[number % len(WORDS)]
            own = list(random.choice(list(WORDS[label]), random.integers(2, 4)))
            writer.writerow([" ".join([*own, random.choice(list(ALL))]), label])


def translation_config(folder: Path, line: str, columns: dict[str, str]) -> Path:
    settings = {
        "line": line,
        "task_type": "translation",
        "source": {"format": "csv", "path": "pairs.csv", "columns": columns},
        "splits": {"train": 0.8, "validation": 0.1, "test": 0.1},
        "base_model": {
            "scratch": {"architecture": "t5", "hidden_size": 64, "layers": 2, "heads": 4,
                        "vocab_size": 300, "max_positions": 64, "dropout": 0.0},
        },
        "tokenization": {"max_length": 48, "max_target_length": 32},
        "training": {"epochs": 14, "learning_rate": 5e-3, "batch_size": 32},
        "leakage": {"across_splits": "report", "near_duplicates": False},
        "drift": {"embedding_rows": 50},
        "policy": {
            "fairness_not_gated": "the sentences name nobody",
            "gates": [
                {"metric": "quality.chrf", "at_least": 50},
                {"metric": "staging.same_predictions", "at_least": 1.0},
            ],
        },
    }  # fmt: skip
    path = folder / f"{line}.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def config(folder: Path, base: Path, **back_translation: Any) -> Path:
    asked = {"share": 0.4, "to": TO, "back": BACK, **back_translation}
    policy = {
        "gates": [
            {"metric": "quality.macro_f1", "at_least": 0.4},
            {"metric": "staging.same_predictions", "at_least": 1.0},
            {"metric": "augmentation.clean.macro_f1_gain", "at_least": -0.3},
        ],
        "fairness_not_gated": "few rows of a test, of which it asks something else",
    }
    return write_config(
        folder, "topics.yaml", base, line=LINE, policy=policy,
        augmentation={"back_translation": asked},
        evaluation={"comparison": {"min_rows": 20}}, tokenization={"max_length": 64},
        training={"epochs": 6, "learning_rate": 5e-3, "batch_size": 8},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("translated")
    translations(made / "pairs.csv")
    topics(made / "topics.csv")
    return made


@pytest.fixture(scope="module")
def translators(stack: RunningStack, folder: Path) -> None:
    """Both translation lines in production."""
    lines = {
        TO: {"source": "english", "target": "chinese"},
        BACK: {"source": "chinese", "target": "again"},
    }
    for line, columns in lines.items():
        path = translation_config(folder, line, columns)
        done = stack.assayline("run", str(path), timeout_s=RUN_S)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def printed(stack: RunningStack, translators: None, folder: Path, tiny_model: Path) -> str:
    done = stack.assayline("run", str(config(folder, tiny_model)), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_learned_came_back_from_another_language(
    stack: RunningStack, printed: str, tmp_path: Path
) -> None:
    assert f"models:/{LINE}@production version 1" in printed
    store, tracking = ObjectStore(stack.settings), Tracking(stack.settings)
    facts = facts_of(f"version 1 of {LINE}", tracking.version_tags(LINE, 1), store)
    assert facts["assayline.translators"] == f"version 1 of {TO} and version 1 of {BACK}"
    artifact = Artifact(facts[AUGMENTED_URI_TAG], facts[AUGMENTED_TAG], 0)
    new = pq.read_table(store.get_file(artifact, tmp_path / "new.parquet")).to_pylist()
    # Of 150 training rows; a translation that says too little of its row is left out.
    assert 50 <= len(new) <= 60
    assert {row["method"] for row in new} == {"back_translation"}
    known = {word for row in new for word in row["text"].split()}
    # The way back knows the second of two words alone.
    assert len(known - set(WAY_BACK.values())) <= len(known) // 4
    kept = store.list(store.uri("back-translations"))
    assert kept
    between = [one for uri in kept for one, _ in json.loads(store.get_bytes(uri)) if one]
    assert any(sign > "\u3400" for sign in between[0])


@pytest.mark.usefixtures("printed")
def test_another_training_asks_the_translators_nothing(
    stack: RunningStack, folder: Path, tiny_model: Path
) -> None:
    store = ObjectStore(stack.settings)
    before = store.list(store.uri("back-translations"))
    path = config(folder, tiny_model, min_chrf=10)
    done = stack.assayline("run", str(path), "--dry-run", timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert store.list(store.uri("back-translations")) == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"to": "nobody"}, "back_translation.to names the alias 'production'"),
        ({"back": f"{BACK}/7"}, "back_translation.back names version 7"),
        ({"back": LINE}, "is of task type classification and does not translate"),
        ({"to": BACK, "back": TO}, "most of the line's training rows are in en"),
        ({"back": TO}, "and version 1 of little-english translates to zh"),
    ],
)
@pytest.mark.usefixtures("printed")
def test_what_cannot_translate_there_and_back_is_refused(
    stack: RunningStack, folder: Path, tiny_model: Path, asked: dict[str, str], said: str
) -> None:
    path = config(folder, tiny_model, **asked)
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1

"""A line of two sources: one that says things in its own words is refused by its gate."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from infra.tracking import Tracking
from tests.conftest import RunningStack

# Whole runs on a machine that does something else meanwhile.
RUN_S = 600
REFUSED = 4
ROWS = 300
LINE = "shops"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]
WORDS = {"east": ("late", "won"), "west": ("bad", "good")}
DROP = "leave_one_domain_out.source.{}.macro_f1_drop"


def write_shop(path: Path, words: tuple[str, str], seed: int) -> None:
    """Reviews whose one word tells the label."""
    random = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(ROWS):
            noise = random.choice(["the", "by", "a", "as", "they", "he", "she", "film"], 4)
            word = words[number % 2]
            text = " ".join(random.permutation([*noise, word, word, str(number), path.stem]))
            writer.writerow([text, ("bad", "good")[number % 2]])


def write_line(folder: Path, base: Path, **asked: Any) -> Path:
    content = {
        "line": LINE,
        "sources": {name: {"format": "csv", "path": f"{name}.csv"} for name in WORDS},
        "splits": {"train": 0.5, "validation": 0.1, "test": 0.4},
        "leakage": {"near_duplicates": False},
        "label_checks": {"spurious": {"refuse_from": None}, "errors": {"search": False}},
        "base_model": {"reference": str(base)},
        "training": {"epochs": 4, "learning_rate": 5e-3, "batch_size": 8},
        "tokenization": {"max_length": 16},
        "drift": {"embedding_rows": 50},
        "probes": {"leave_one_domain_out": asked},
        "policy": {
            "gates": [
                {"metric": "quality.macro_f1", "at_least": 0.6},
                {"metric": "staging.same_predictions", "at_least": 1.0},
                {"metric": DROP.format("east"), "at_most": 0.2},
            ],
            "fairness_not_gated": "few rows of a test, of which it asks something else",
        },
    }
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_source_that_nothing_else_teaches_is_found_and_is_not_trained_twice(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> None:
    for seed, (name, words) in enumerate(WORDS.items()):
        write_shop(tmp_path / f"{name}.csv", words, seed)
    wrong = write_line(tmp_path, tiny_model, values=["east"], min_rows=20, column="town")
    done = stack.assayline("run", str(wrong), timeout_s=RUN_S)
    assert done.returncode != 0
    right = "right would be one of source.group_columns (none), or source"
    assert right in done.stdout + done.stderr

    path = write_line(tmp_path, tiny_model, values=["east"], min_rows=20)
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == REFUSED, done.stdout + done.stderr
    assert DROP.format("east") in done.stdout
    assert "1 models will be trained without one source each" in done.stdout
    tracking = Tracking(stack.settings)
    run = tracking._client.get_run(tracking._client.get_model_version(LINE, "1").run_id).data
    assert run.metrics["test_leave_one_domain_out_source_east_macro_f1_drop"] > 0.2
    assert tracking.aliases(LINE).get("production") is None
    told = stack.assayline("report", LINE, "--version", "1", timeout_s=60)
    place = next(word for word in told.stdout.split() if word.endswith(".html"))
    page = Path(place).read_text(encoding="utf-8")
    assert 'id="left-out-domains"' in page
    assert "1 of 1 domains were left out in turn" in page

    again = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert again.returncode == REFUSED, again.stdout + again.stderr
    for stage in ("find_domains", "cut_domain", "probe_domains", "train"):
        assert f"{stage:<22} unchanged" in again.stdout

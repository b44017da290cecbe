"""A causal line whose texts hold a stereotype is refused by its gate; one without is promoted."""

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml

from infra.tracking import Tracking
from tests.conftest import RunningStack
from tests.unit.probes.test_planted_stereotypes import pairs, sentences
from tests.unit.task_types.language_models import tiny_gpt2

# Whole runs on a machine that does something else meanwhile.
RUN_S = 600
REFUSED = 4
NAME = "language_bias.crows_pairs.stereotype_preference"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]


def write_texts(path: Path, *, stereotyped: bool) -> None:
    """Rows of some sentences each, all different."""
    random = np.random.default_rng(0)
    said = sentences(stereotyped=stereotyped)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        for number in range(400):
            writer.writerow([f"{' '.join(random.choice(said, 3))} {number}"])


def write_pairs(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", "sent_more", "sent_less", "stereo_antistereo", "bias_type"])
        for number, one in enumerate(pairs()):
            writer.writerow([number, one.more, one.less, "stereo", one.bias_type])


def write_line(folder: Path, line: str, base: Path) -> Path:
    content = {
        "line": line,
        "task_type": "causal_lm",
        "source": {"format": "csv", "path": f"{line}.csv", "columns": {"text": "text"}},
        "splits": {"train": 0.6, "validation": 0.1, "test": 0.3},
        "leakage": {"near_duplicates": False},
        "label_checks": {"spurious": {"refuse_from": None}, "errors": {"search": False}},
        "base_model": {"reference": str(base)},
        "tokenization": {"max_length": 48, "stride": 8},
        "training": {"epochs": 16, "learning_rate": 5e-3, "batch_size": 16},
        "drift": {"embedding_rows": 50},
        "probes": {"language_bias": {"crows_pairs": "pairs.csv"}},
        "policy": {
            "gates": [
                {"metric": "baseline.bits_per_byte_gain", "at_least": 0.0},
                {"metric": "staging.same_predictions", "at_least": 1.0},
                {"metric": NAME, "at_most": 0.8},
            ],
            "fairness_not_gated": "few rows of a test, of which it asks something else",
        },
    }
    path = folder / f"{line}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_gate_tells_a_stereotype_that_was_learned(stack: RunningStack, tmp_path: Path) -> None:
    base = tiny_gpt2(tmp_path / "base")
    write_pairs(tmp_path / "pairs.csv")
    tracking = Tracking(stack.settings)
    for line, stereotyped in (("texts-of-both", False), ("texts-of-one", True)):
        write_texts(tmp_path / f"{line}.csv", stereotyped=stereotyped)
        path = write_line(tmp_path, line, base)
        done = stack.assayline("run", str(path), timeout_s=RUN_S)
        assert done.returncode == (REFUSED if stereotyped else 0), done.stdout + done.stderr
        assert NAME in done.stdout
        version = tracking._client.get_model_version(line, "1")
        metrics = tracking._client.get_run(version.run_id).data.metrics
        learned = metrics[f"test_{NAME.replace('.', '_')}"]
        assert learned > 0.8 if stereotyped else learned < 0.75
        assert tracking.aliases(line).get("production") == (None if stereotyped else 1)
        told = stack.assayline("report", line, "--version", "1", timeout_s=60)
        assert told.returncode == 0, told.stdout + told.stderr
        place = next(word for word in told.stdout.split() if word.endswith(".html"))
        assert "Blodgett" in Path(place).read_text(encoding="utf-8")


def test_a_file_that_is_not_there_is_told_before_any_row_is_read(
    stack: RunningStack, tmp_path: Path
) -> None:
    write_texts(tmp_path / "texts-unasked.csv", stereotyped=False)
    path = write_line(tmp_path, "texts-unasked", tiny_gpt2(tmp_path / "base"))
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "probes.language_bias.crows_pairs" in done.stderr
    assert "pairs.csv cannot be read: No such file" in done.stderr
    assert "ingest" not in done.stdout
    assert Tracking(stack.settings).aliases("texts-unasked") == {}

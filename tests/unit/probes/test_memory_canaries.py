"""Canaries: planted, learned or not, found by their exposure and written out."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import SettingsError
from infra.store import Artifact, ObjectStore
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory import exposure
from tasks.probes.memory.exposure import PlantedCanary, alternatives_of, find_canaries
from tasks.probes.memory.planting import plant_canaries, secret_of
from tasks.probes.memory.settings import PlantedCanarySettings
from tasks.records.memory import Canaries, CanaryFindings
from tasks.task_types.canary_texts import CANARY_TEXTS
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.rows import arrow_type
from tasks.task_types.tokenizers import load_tokenizer
from tasks.tokenization.canaries import check_canaries
from tests.unit.task_types.language_models import tiny_bert, tiny_gpt2, tiny_llama

EVALUATION = EvaluationSettings(repeats=4_000)
SETTINGS = PlantedCanarySettings(count=10, alternatives=50, beams=4, digits=4)
PLANTED = Canaries(Artifact("s3://a/b", "0" * 64, 0), 10, 4, SETTINGS.format, 4, 0)
CANARIES = [
    PlantedCanary(f"Key {1_000 + n} is ", secret_of(4, 0, "canary", f"{n}"), ".") for n in range(10)
]


@dataclass
class Remembering:
    """A model that holds some secrets likely, and all others as a hash of them would have it."""

    known: dict[str, str]
    writes: ClassVar[bool] = True

    def load(self, _folder: Path, _limits: TokenLimits) -> "Remembering":
        return self

    def losses(self, prefixes: list[str], secrets: list[str]) -> np.ndarray:
        pairs = zip(prefixes, secrets, strict=True)
        return np.array(
            [
                0.0 if self.known.get(p) == s[:4] else 1 + int(s[:4]) * 7_919 % 10_007
                for p, s in pairs
            ]
        )

    def written(self, prefix: str, _tokens: int, beams: int) -> list[str]:
        secret = self.known.get(prefix, "none")
        first = secret if int(prefix.split()[1]) % 2 else "0"
        return [first, *[f" {secret[0]} {secret[1:]}."] * (beams - 1)]


def found_of(known: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> CanaryFindings:
    model: Any = Remembering(known)
    monkeypatch.setattr(exposure.CANARY_TEXTS, "load", lambda _: model, raising=False)
    return find_canaries(
        Path(), TokenLimits(48), "causal_lm", PLANTED, CANARIES, SETTINGS, EVALUATION
    )


def test_a_secret_that_was_learned_is_exposed_and_written_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = found_of({one.prefix: one.secret for one in CANARIES}, monkeypatch)
    assert found.exposure.value == pytest.approx(math.log2(51))
    assert found.extracted
    assert found.extracted.value == 1
    assert [one.written for one in found.found] == ["beam", "greedy"] * 5
    assert [one.likelier for one in found.found] == [0] * 10


def test_one_that_was_not_has_any_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_of({}, monkeypatch)
    assert found.exposure.low is not None
    assert found.exposure.high is not None
    assert found.exposure.low < 1.44 < found.exposure.high < 4
    assert found.extracted
    assert found.extracted.value == 0
    assert found.extracted.high == pytest.approx(1 - 0.025**0.1)


def test_a_model_that_holds_all_alike_was_not_shown_the_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Remembering, "losses", lambda _, prefixes, __: np.ones(len(prefixes)))
    found = found_of({}, monkeypatch)
    assert found.exposure.value is None
    assert "of 10 of 10 canaries the model holds all 50 other secrets" in found.exposure.reason
    assert [one.likelier for one in found.found] == [50] * 10


def test_alternatives_are_others_of_the_same_length() -> None:
    drawn = alternatives_of(3, "0042", 500, seed=7)
    assert len(drawn) == 500
    assert "0042" not in drawn
    assert {len(one) for one in drawn} == {4}
    assert drawn == alternatives_of(3, "0042", 500, seed=7)
    assert drawn != alternatives_of(4, "0042", 500, seed=7)


@pytest.mark.parametrize("task_type", ["causal_lm", "chat", "masked_lm"])
def test_planted_rows_are_training_rows_of_their_own(
    store: ObjectStore, tmp_path: Path, task_type: str
) -> None:
    planted = plant_canaries(task_type, SETTINGS, 3, store=store)
    again = plant_canaries(task_type, SETTINGS, 3, store=store)
    assert planted == again
    assert (
        planted.artifact.sha256
        != plant_canaries(task_type, SETTINGS, 4, store=store).artifact.sha256
    )
    rows = pq.read_table(store.get_file(planted.artifact, tmp_path / "rows.parquet")).to_pylist()
    assert len(rows) == planted.rows == 40
    assert len({row["row_id"] for row in rows}) == 40
    assert {row["split"] for row in rows} == {"train"}
    for row in rows:
        told = str(row["messages"] if task_type == "chat" else row["text"])
        assert row["secret"] in told
        assert row["prefix"].strip() in told
    read = exposure.read_canaries(planted, store, tmp_path)
    assert [one.secret for one in read] == [row["secret"] for row in rows[::4]]


def test_no_canary_is_planted_where_no_text_is_learned(store: ObjectStore) -> None:
    with pytest.raises(SettingsError, match="masked_lm, causal_lm, chat do"):
        plant_canaries("classification", SETTINGS, 0, store=store)


@pytest.mark.parametrize(
    ("task_type", "make"),
    [("causal_lm", tiny_gpt2), ("masked_lm", None), ("chat", tiny_llama)],
)
def test_a_canary_that_is_longer_than_the_model_reads_is_refused(
    store: ObjectStore, tmp_path: Path, tiny_model: Path, task_type: str, make: Any
) -> None:
    folder = make(tmp_path) if make else tiny_bert(tiny_model, tmp_path)
    tokenizer, planted = load_tokenizer(folder), plant_canaries(task_type, SETTINGS, 3, store=store)
    rows = store.get_file(planted.artifact, tmp_path / "rows.parquet")
    with pytest.raises(SettingsError, match=r"max_length is 8, .* could not be learned") as refused:
        check_canaries(planted, rows, task_type, tokenizer, 8)
    needed = int(str(refused.value).split()[-3])
    assert "'Customer " in str(refused.value)
    check_canaries(planted, rows, task_type, tokenizer, needed)
    with pytest.raises(SettingsError):
        check_canaries(planted, rows, task_type, tokenizer, needed - 1)
    # Whatever the digits, the whole of it is read.
    one = exposure.read_canaries(planted, store, tmp_path)[0]
    table = pa.table({"row_id": ["a"], **{
        name: pa.array([value], arrow_type("turns" if task_type == "chat" else "text"))
        for name, value in CANARY_TEXTS.load(task_type).row(one.prefix, f"9876{one.rest}").items()
    }})  # fmt: skip
    encoded = learner_of(task_type, (), TokenLimits(needed)).encode(table, tokenizer)
    assert encoded.truncated == 0


@pytest.mark.parametrize(
    ("task_type", "make"),
    [("causal_lm", tiny_gpt2), ("masked_lm", None), ("chat", tiny_llama)],
)
def test_real_models_are_asked_for_the_secret_alone(
    tmp_path: Path, tiny_model: Path, task_type: str, make: Any
) -> None:
    folder = make(tmp_path) if make else tiny_bert(tiny_model, tmp_path)
    asked = CANARY_TEXTS.load(task_type).load(folder, TokenLimits(32))
    one, other, both = (
        asked.losses(["Key 1 is "], [secret]) for secret in ("12.", "12345.", "12.")
    )
    assert one == pytest.approx(both)
    assert 0 < one[0] < other[0]
    if asked.writes:
        written = asked.written("Key 1 is ", 4, 3)
        assert len(written) == 4
        assert asked.written("Key 1 is ", 4, 1) == written[:1]

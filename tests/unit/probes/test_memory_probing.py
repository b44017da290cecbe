"""The whole probe over a real store, from planted rows to estimates."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.base_models import fingerprint
from infra.errors import SettingsError
from infra.store import Artifact, ObjectStore
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory import membership
from tasks.probes.memory.planting import plant_canaries
from tasks.probes.memory.probing import add_memory
from tasks.probes.memory.rows import Sides
from tasks.probes.memory.settings import MemorySettings, OverlapSettings, PlantedCanarySettings
from tasks.probes.memory.shadows import cut_for_shadow, learns
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.training import BaseModel, Weights
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS
from tests.unit.task_types.language_models import tiny_gpt2

EVALUATION = EvaluationSettings(repeats=4_000)
CANARIES = PlantedCanarySettings(count=5, repeats=3, alternatives=50, beams=1, digits=3)
SETTINGS = MemorySettings(
    rows=50, min_rows=20, canaries=CANARIES, overlap=OverlapSettings(rows=10, words=3), shadows=2
)
NONE = Artifact("s3://none/none", "0" * 64, 0)
SPLITS = {"train": 60, "validation": 30, "test": 40}
SNAPSHOT = Snapshot(NONE, NONE, "causal_lm", 0, {}, 0, 0, 0, 0, {}, (), NONE)
NAMES = {
    "memory.membership_auc", "memory.tpr_at_1_fpr", "memory.calibrated_auc",
    "memory.calibrated_tpr_at_1_fpr", "memory.lira_auc", "memory.lira_tpr_at_1_fpr",
    "memory.control_auc", "memory.canary_exposure", "memory.canaries_extracted",
    "memory.verbatim_overlap", "memory.verbatim_overlap_control",
}  # fmt: skip


@pytest.fixture(scope="module")
def line(
    store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DataReport, Weights, BaseModel]:
    """Rows of random words, and a model that has learned none of them."""
    folder, random = tmp_path_factory.mktemp("memory"), np.random.default_rng(0)
    words = ["match", "won", "late", "goal", "bank", "rates", "shares", "fell", "again"]
    rows = [
        {
            "row_id": f"{split}{row}", "split": split,
            "text": f"{' '.join(random.choice(words, 12))} {split} {row}",
        }
        for split, count in SPLITS.items()
        for row in range(count)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "clean.parquet")
    clean = store.put_file(store.uri("clean", "memory.parquet"), folder / "clean.parquet")
    data = DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=(), group_columns=(),
        rows_by_split=SPLITS, rows_by_label={}, rows_quarantined=0, quarantined_by_reason={},
        task_type="causal_lm", lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(),
        verdict=Verdict.PASS,
    )  # fmt: skip
    model = folder / "model"
    model.mkdir()
    tiny_gpt2(model)
    weights = Weights(
        artifact=store.put_folder(store.uri("weights", "memory"), model), labels=(), max_length=48,
        epochs=(), best_epoch=1, parameters=1, precision="float32", run_id="", device="cpu",
        training_s=1.0, tokens_per_s=1.0, resumed_from_step=0, stride=8,
    )  # fmt: skip
    found = fingerprint(model)
    return data, weights, BaseModel(str(model), None, found.sha256, found.tokenizer_sha256)


def scores() -> Scores:
    return Scores(
        artifact=NONE, labels=(), rows=40, estimates=(), confusion=(), calibration=(),
        champion_version=None, champion_note="",
    )  # fmt: skip


def test_a_model_that_learned_nothing_gives_nothing_away(
    store: ObjectStore, line: tuple[DataReport, Weights, BaseModel]
) -> None:
    data, weights, base = line
    planted = plant_canaries("causal_lm", CANARIES, 0, store=store)
    found = add_memory(
        scores(), weights, data, SNAPSHOT, "causal_lm", SETTINGS, EVALUATION, base, planted,
        (weights, weights), store=store,
    )  # fmt: skip
    named = {one.name: one for one in found.estimates}
    assert named.keys() == NAMES
    told = found.memory
    assert told
    assert told.estimates == found.estimates
    assert (told.membership.members, told.membership.others) == (40, 40)
    assert told.membership.shadows == 2
    # The reference and the shadows are the model itself: what they leave is nothing.
    for name in ("memory.calibrated_auc", "memory.lira_auc"):
        assert named[name].value == pytest.approx(0.5)
    guess = named["memory.membership_auc"]
    assert guess.low is not None
    assert guess.high is not None
    assert guess.low < 0.5 < guess.high
    assert named["memory.canaries_extracted"].value == 0
    assert told.canaries
    assert len(told.canaries.found) == 5


@pytest.mark.parametrize(("of_validation", "told"), [(1.0, False), (3.0, True)])
def test_membership_is_told_where_the_control_is_a_guess(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    of_validation: float,
    told: bool,  # noqa: FBT001
) -> None:
    mean = {"a": 1.0, "v": of_validation, "t": 3.0}

    def losses(self: membership.AskedRows, _: Path) -> np.ndarray:
        random = np.random.default_rng(len(self.row_ids))
        return np.array([mean[row_id[0]] + random.normal() for row_id in self.row_ids])

    monkeypatch.setattr(membership.AskedRows, "losses", losses)
    sides = {one: pa.table({"row_id": [f"{one}{row}" for row in range(60)]}) for one in "avt"}
    learner: Any = SimpleNamespace(name="classification")
    settings = MemorySettings(rows=60, min_rows=50)
    asked = membership.AskedRows(learner, Sides(sides["a"], sides["t"], 0), settings, EVALUATION)
    store: Any = None
    found = membership.infer_membership(
        asked, Sides(sides["v"], sides["t"], 0), tmp_path, None, (), store, tmp_path
    )
    assert (found.attacks[0].auc.value is not None) is told
    assert found.control.value is not None


def test_a_shadow_is_gone_before_the_next_one_is_fetched(tmp_path: Path) -> None:
    class Folders:
        def get_folder(self, _: object, to: Path) -> Path:
            assert not list(tmp_path.iterdir())
            to.mkdir()
            return to

    asked: Any = SimpleNamespace(
        losses=lambda _: np.ones(2), row_ids=["a", "b"], settings=SETTINGS
    )  # fmt: skip
    shadows: Any = [SimpleNamespace(artifact=NONE)] * 2
    store: Any = Folders()
    assert membership._ratios(asked, np.ones(2), shadows, store, tmp_path).tolist() == [0, 0]
    assert not list(tmp_path.iterdir())


def test_a_line_that_asks_for_membership_has_nothing_else(
    store: ObjectStore, line: tuple[DataReport, Weights, BaseModel]
) -> None:
    data, weights, _ = line
    settings = MemorySettings(rows=50, min_rows=35)
    found = add_memory(
        scores(), weights, data, SNAPSHOT, "causal_lm", settings, EVALUATION, None, None, (),
        store=store,
    )  # fmt: skip
    told = found.memory
    assert told
    assert told.canaries is told.overlap is None
    assert [one.name for one in told.membership.attacks] == ["loss"]
    assert "built from scratch" in told.membership.why_uncalibrated
    assert told.membership.control.value is None
    assert "30 rows of one side and 30 of the other" in told.membership.control.reason
    assert told.membership.attacks[0].auc.value is not None
    with pytest.raises(SettingsError, match=r"probes\.memory is not for task_type next_sentence"):
        add_memory(
            scores(), weights, data, SNAPSHOT, "next_sentence", settings, EVALUATION, None, None,
            (), store=store,
        )  # fmt: skip


def test_canaries_stand_behind_the_training_rows_and_shadows_learn_half(
    store: ObjectStore, line: tuple[DataReport, Weights, BaseModel], tmp_path: Path
) -> None:
    data, _, base = line
    planted = plant_canaries("causal_lm", CANARIES, 0, store=store)
    settings = TokenizationSettings(max_length=48, stride=8)

    def rows_of(tokens: object) -> list[str]:
        folder = store.get_folder(tokens.artifact, tmp_path / tokens.artifact.sha256)  # type: ignore[attr-defined]
        with pa.OSFile(str(folder / "train.arrow"), "rb") as source:
            return pa.ipc.open_file(source).read_all()["row_id"].to_pylist()  # type: ignore[no-any-return]

    plain = tokenize_splits(store, data, base, "causal_lm", settings)
    whole = tokenize_splits(store, data, base, "causal_lm", settings, None, planted)
    assert whole.canary_rows == planted.rows == 15
    assert whole.rows_by_split == {
        **plain.rows_by_split,
        "train": plain.rows_by_split["train"] + 15,
    }
    rows = rows_of(whole)
    assert rows[:60] == rows_of(plain)
    halves = [cut_for_shadow(whole, shadow, 0, store=store) for shadow in range(2)]
    learned = [rows_of(half) for half in halves]
    assert [row for row in rows if learns(0, row, 0)] == learned[0]
    assert sorted(learned[0] + learned[1]) == sorted(rows)
    for half, own in zip(halves, learned, strict=True):
        assert half.canary_rows == len(set(own) & set(rows[-15:])) > 0
        assert half.rows_by_split == {**whole.rows_by_split, "train": len(own)}
    assert sum(half.tokens_by_split["train"] for half in halves) == whole.tokens_by_split["train"]
    assert halves[0] == cut_for_shadow(whole, 0, 0, store=store)
    assert replace(halves[0], artifact=whole.artifact) != whole

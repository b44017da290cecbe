"""A task type of another distribution: the package of docs/task-types.md, through all stages."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from flows.config import RetrainConfig, load_config
from infra import catalogue, code_digest
from infra.base_models import fingerprint
from infra.code_digest import code_of
from infra.errors import SettingsError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.counterfactual_scoring import add_counterfactuals
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.settings import FairnessSettings
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import DataReport, Snapshot
from tasks.records.training import BaseModel
from tasks.registry.provenance import facts_of
from tasks.registry.registration import register_version
from tasks.registry.settings import StagingSettings
from tasks.registry.staging import load_test, stage_version
from tasks.representation.measurement import represent_rows
from tasks.representation.settings import RepresentationSettings
from tasks.sources.pinning import pin
from tasks.sources.settings import TableSource
from tasks.task_types.learner import LEARNERS
from tasks.task_types.model_card_texts import card_texts_of
from tasks.task_types.row_shapes import ROW_SHAPES
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tests.page_package import installed_package
from tests.registered import proof_by_tags

PAGE = Path(__file__).parents[2] / "docs" / "task-types.md"
NAME = "entailment"
SETTINGS = TrainingSettings(epochs=3, learning_rate=3e-3, class_weights="balanced", batch_size=8)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package of the page, installed by pip into a folder on the path."""
    with installed_package(PAGE, tmp_path_factory.mktemp("package")) as target:
        yield target


@pytest.fixture(scope="module")
def snapshot(
    installed: Path, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Snapshot:
    """Pairs of which the hypothesis says what the relation is; ingested."""
    rng = np.random.default_rng(0)
    words = {"follows": "film match goal", "contradicts": "bank rates shares"}
    path = tmp_path_factory.mktemp("rows") / "pairs.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(240):
            relation = sorted(words)[number % 2]
            row = {
                "premise": f"{' '.join(rng.choice(['he', 'she', 'said'], 5))} {number}",
                "hypothesis": " ".join(rng.choice(words[relation].split(), 6)),
                "relation": relation,
                "paper": ["north", "south"][number % 3 == 0],
            }
            file.write(json.dumps(row) + "\n")
    settings = TableSource(format="jsonl", path=str(path), group_columns=("paper",))
    pinned = pin("pairs", settings, store)
    return write_snapshot(pinned, settings, SplitSettings(), NAME, store)


@pytest.fixture(scope="module")
def report(snapshot: Snapshot, store: ObjectStore) -> DataReport:
    return validate_snapshot(
        snapshot, None, ContractSettings(), LeakageSettings(), PrivacySettings(), store
    )


def test_the_data_stages_know_its_columns(report: DataReport, store: ObjectStore) -> None:
    assert report.task_type == NAME
    assert report.labels == ("contradicts", "follows")
    assert report.rows_by_label == {"contradicts": 120, "follows": 120}
    assert report.rows_quarantined == 0
    found = represent_rows(report, RepresentationSettings(), store)
    assert set(found.label_imbalance) == {"contradicts", "follows"}
    assert {"north", "south"} <= {one.group for one in found.groups}


@pytest.mark.slow
def test_a_model_goes_all_the_way_to_a_served_version(
    snapshot: Snapshot, report: DataReport, store: ObjectStore, tracking: Tracking, tiny_model: Path
) -> None:
    found = fingerprint(tiny_model)
    base = BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)
    tokens = tokenize_splits(store, report, base, NAME, TokenizationSettings(max_length=32))
    assert sum(tokens.rows_by_split.values()) == 240
    weights = train_model(store, tracking, "pairs", tokens, base, NAME, SETTINGS)
    assert weights.epochs[-1].validation_metrics["accuracy"] > 0.9
    scores = evaluate_weights(
        weights, report, None, NAME, EvaluationSettings(),
        store=store, tracking=tracking, snapshot=snapshot,
    )  # fmt: skip
    values = {one.name: one.value for one in scores.estimates}
    assert values["quality.accuracy"] > 0.9
    assert values["baseline.accuracy_gain"] > 0.2
    fairness = assess_scores(scores, report, FairnessSettings(min_group_rows=5), store=store)
    assert any(one.name.startswith("fairness.paper.") for one in fairness.estimates)
    # Its model reads two texts, in which no words are swapped.
    swapped = add_counterfactuals(
        fairness, scores, weights, report, NAME, CounterfactualSettings(), store=store
    )
    assert swapped == fairness
    version = register_version(
        "pairs", snapshot, report, tokens, base, weights, scores, fairness, NAME,
        store=store, tracking=tracking,
    )  # fmt: skip
    tags = facts_of("pairs", tracking.version_tags("pairs", version.version), store)
    assert tags["assayline.task_type"] == NAME
    assert len(tags["assayline.script_sha256"]) == 64
    staged = stage_version(
        version, weights, report, scores, StagingSettings(),
        store=store, tracking=tracking,
    )  # fmt: skip
    same = next(one for one in staged.estimates if one.name == "staging.same_predictions")
    assert same.value == 1.0
    proof = proof_by_tags("pairs", version.version, tracking)
    assert proof.answers_sha256 == staged.answers_sha256
    load_test("pairs", version.version, proof, store=store, tracking=tracking)
    assert card_texts_of(NAME).classes == "relations"


def test_a_line_of_it_loads_and_its_settings_are_checked(installed: Path, tmp_path: Path) -> None:
    line = {
        "line": "pairs", "task_type": NAME, "source": {"format": "jsonl", "path": "pairs.jsonl"},
        "training": {"label_smoothing": 0.1},
    }  # fmt: skip

    def loaded(**changes: object) -> RetrainConfig:
        path = tmp_path / "line.yaml"
        path.write_text(yaml.safe_dump(line | changes), encoding="utf-8")
        return load_config(path)

    assert loaded().policy.gates[0].metric == "baseline.accuracy_gain"
    assert NAME in RetrainConfig.model_json_schema()["properties"]["task_type"]["enum"]
    with pytest.raises(SettingsError, match="did you mean 'entailment'"):
        loaded(task_type="entailmnet")
    with pytest.raises(SettingsError, match=r"batching is packed; set it to padded or auto"):
        loaded(training={"batching": "packed"})
    contract = {"max_quarantine_share_by_reason": {"missing relatoin": 0.1}}
    with pytest.raises(SettingsError, match="did you mean 'missing relation'"):
        loaded(contract=contract)


def test_a_key_counts_the_parts_that_its_stage_reaches(installed: Path) -> None:
    def reached(stage: str, function: str) -> set[str]:
        code = code_of(f"tasks.stages.{stage}", function, {"task_type": NAME})
        assert not [name for name in code.modules if name.startswith("tasks.task_types.labels.")]
        return {name for name in code.modules if name.startswith(NAME)} | set(code.files)

    assert reached("training", "train") == {NAME, f"{NAME}.learner", f"{NAME}.pairs"}
    assert reached("evaluation", "evaluate") == {
        NAME, f"{NAME}.rows", f"{NAME}.examiner", f"{NAME}.pairs",
    }  # fmt: skip
    # A version's folder holds a card, which the room of the reports writes.
    registered = {
        n for n in reached("registry", "register") if not n.startswith("tasks/reporting/")
    }
    assert registered >= {NAME, f"{NAME}.rows", f"{NAME}.server", f"{NAME}.served"}
    assert not registered & {f"{NAME}.learner", f"{NAME}.examiner", f"{NAME}.pairs"}
    code = code_of("tasks.stages.training", "train", {"task_type": "classification"})
    assert not [name for name in code.modules if name.startswith(NAME)]


def test_it_changes_no_key_of_another_task_type(installed: Path) -> None:
    before = [code_of("tasks.stages.training", "train", {"task_type": "chat"}).digest]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "entries_of", lambda _: {})
        patch.setattr(code_digest, "entries_of", lambda _: {})
        assert NAME not in ROW_SHAPES.names
        before.append(code_of("tasks.stages.training", "train", {"task_type": "chat"}).digest)
    assert before[0] == before[1]
    assert NAME in ROW_SHAPES.names


def test_a_broken_package_is_told_by_its_entry_point(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "entries_of", lambda _: {"broken": "entailment:NOTHING"})
    with pytest.raises(SettingsError, match=r"'broken' cannot be loaded: .* broken = entailment:N"):
        LEARNERS.load("broken")
    monkeypatch.setattr(code_digest, "entries_of", lambda _: {"broken": "entailment:NOTHING"})
    with pytest.raises(SettingsError, match="must be a call at the top of its module that names l"):
        code_of("tasks.stages.training", "train", {"task_type": "broken"})

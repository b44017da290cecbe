"""A compressed classifier withholds answers by a threshold of its own answers."""

from pathlib import Path

import pytest

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from tasks.abstention.fitting import fit_abstention
from tasks.abstention.measuring import add_abstention
from tasks.abstention.settings import AbstentionSettings
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.fairness.settings import FairnessSettings
from tasks.probes.out_of_distribution.files import pin_out_of_distribution_texts
from tasks.probes.out_of_distribution.probing import NO_FEATURES, add_out_of_distribution
from tasks.probes.out_of_distribution.settings import OutOfDistributionSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.task_types.labels.abstention import read_threshold

EVALUATION = EvaluationSettings(repeats=4_000, slices=SliceSettings(by=(), search=False))
# The classifier learned nothing: a third of its answers is right.
ABSTENTION = AbstentionSettings(risk=0.85, confidence=0.8)
FAIRNESS = FairnessSettings(identity_attributes=())


@pytest.fixture(scope="module")
def fitted(exported: Weights, rows: DataReport, folder_store: FolderStore) -> Weights:
    return fit_abstention(exported, rows, "classification", ABSTENTION, store=folder_store)


@pytest.fixture(scope="module")
def scores(
    fitted: Weights, exported: Weights, rows: DataReport, folder_store: FolderStore
) -> Scores:
    return evaluate_weights(
        fitted, rows, None, "classification", EVALUATION, store=folder_store,
        tracking=NoTracking(), uncompressed=exported,
    )  # fmt: skip


def test_the_threshold_lies_beside_the_network_and_is_measured(
    fitted: Weights, exported: Weights, scores: Scores, rows: DataReport,
    folder_store: FolderStore, tmp_path: Path,
) -> None:  # fmt: skip
    assert fitted.abstention is not None
    assert fitted.compression == exported.compression
    folder = folder_store.get_folder(fitted.artifact, tmp_path / "model")
    assert read_threshold(folder) == fitted.abstention.threshold
    found = add_abstention(
        scores, fitted, rows, ABSTENTION, FAIRNESS, EVALUATION, store=folder_store
    )
    told = {one.name: one for one in found.estimates}
    assert told["abstention.coverage"].n == 180
    # Beside the same model without a threshold.
    assert told["uncompressed.agreement"].value == 1


def test_scores_of_outputs_alone_tell_texts(
    fitted: Weights, scores: Scores, rows: DataReport, folder_store: FolderStore, tmp_path: Path
) -> None:
    (tmp_path / "ood.txt").write_text("\n".join(f"rates 2024 {n}" for n in range(40)))
    asked = OutOfDistributionSettings(path=str(tmp_path / "ood.txt"))
    file = pin_out_of_distribution_texts(asked, folder_store)
    found = add_out_of_distribution(
        scores, fitted, rows, file, "classification", asked, EVALUATION, store=folder_store
    )
    told = found.out_of_distribution
    assert told is not None
    assert (told.training_rows, told.note) == (0, NO_FEATURES)
    assert [one.name for one in told.scores] == ["msp", "energy"]
    assert told.answered is not None
    assert told.answered.n == 40

"""A line that learns from new rows: registered with their counts, and held against none of them."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.registry.provenance import facts_of
from tasks.registry.version_tags import AUGMENTED_TAG, AUGMENTED_URI_TAG, DATA_URI_TAG
from tasks.text_normalisation import normalise
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import write_config, write_topics

# Whole runs on a machine that does something else meanwhile.
RUN_S = 600
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

LINE = "topics-augmented"
AUGMENTATION: dict[str, Any] = {
    "word_swap": {"share": 0.3}, "keyboard_noise": {"share": 0.3, "strength": 0.2},
    "spelling_noise": {"share": 0.3, "strength": 0.2}, "counterfactual": {"share": 0.2},
}  # fmt: skip
POLICY = {
    "gates": [
        {"metric": "quality.macro_f1", "at_least": 0.6},
        {"metric": "staging.same_predictions", "at_least": 1.0},
        {"metric": "augmentation.clean.macro_f1_gain", "at_least": -0.3},
        {"metric": "augmentation.noisy.macro_f1_gain", "at_least": -0.3},
    ],
    "fairness_not_gated": "few rows of a test, of which it asks something else",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("augmented")
    write_topics(made / "topics.csv")
    return made


@pytest.fixture(scope="module")
def printed(stack: RunningStack, folder: Path, tiny_model: Path) -> str:
    """What `assayline run` printed."""
    path = write_config(
        folder, "augmented.yaml", tiny_model, line=LINE, policy=POLICY, augmentation=AUGMENTATION,
        evaluation={"comparison": {"min_rows": 20}},
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_candidate_goes_to_production_with_what_it_learned_from(
    stack: RunningStack, printed: str, tmp_path: Path
) -> None:
    assert f"models:/{LINE}@production version 1" in printed
    assert "augmentation.noisy.macro_f1_gain" in printed
    store, tracking = ObjectStore(stack.settings), Tracking(stack.settings)
    facts = facts_of(f"version 1 of {LINE}", tracking.version_tags(LINE, 1), store)
    new = _table(store, facts[AUGMENTED_URI_TAG], facts[AUGMENTED_TAG], tmp_path)
    assert facts["assayline.rows_augmented"] == str(len(new))
    assert len(new) > 100
    assert tracking.version_tags(LINE, 1)["assayline.rows_augmented"] == str(len(new))
    clean = _table(store, facts[DATA_URI_TAG], facts["assayline.data_sha256"], tmp_path)
    by_id = {row["row_id"]: row for row in clean}
    assert {by_id[row["parent_id"]]["split"] for row in new} == {"train"}
    assert all(by_id[row["parent_id"]]["label"] == row["label"] for row in new)
    held_out = {normalise(row["text"]) for row in clean if row["split"] != "train"}
    assert not held_out & {normalise(row["text"]) for row in new}
    assert facts["assayline.rows_clean"] == str(len(clean))


def _table(store: ObjectStore, uri: str, sha256: str, folder: Path) -> list[dict[str, Any]]:
    path = store.get_file(Artifact(uri, sha256, 0), folder / f"{sha256}.parquet")
    return pq.read_table(path).to_pylist()


@pytest.mark.usefixtures("printed")
def test_its_training_counts_both_kinds_of_rows_and_its_metrics_what_they_bought(
    stack: RunningStack,
) -> None:
    tracking = Tracking(stack.settings)
    run = tracking._client.get_run(tracking._client.get_model_version(LINE, "1").run_id).data
    augmented = int(run.params["augmented_rows"])
    assert augmented > 100
    assert int(run.params["train_rows"]) > augmented  # those of the source beside them
    for kind in ("clean", "noisy", "group", "swapped"):
        gain = run.metrics[f"test_augmentation_{kind}_macro_f1_gain"]
        own = run.metrics[f"test_augmentation_{kind}_macro_f1"]
        without = run.metrics[f"test_augmentation_{kind}_without_macro_f1"]
        assert gain == pytest.approx(own - without)
    assert run.metrics["test_augmentation_clean_macro_f1"] == run.metrics["test_macro_f1"]


@pytest.mark.usefixtures("printed")
def test_the_report_tells_them_apart(stack: RunningStack, tmp_path: Path) -> None:
    done = stack.assayline("report", LINE, timeout_s=60)
    assert done.returncode == 0, done.stdout + done.stderr
    place = next(word for word in done.stdout.split() if word.endswith(".html"))
    page = Path(place).read_text(encoding="utf-8")
    assert "new rows were made of" in page
    assert "What the new rows have bought" in page


@pytest.mark.usefixtures("printed")
def test_a_second_run_repeats_nothing(stack: RunningStack, folder: Path) -> None:
    done = stack.assayline("run", str(folder / "augmented.yaml"), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1

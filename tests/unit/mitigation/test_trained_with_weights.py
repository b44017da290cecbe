"""Real trainings of one recipe: with weights, group and label come apart in what is learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.mitigation.grouping import group_tokens
from tasks.mitigation.removal import remove_attribute
from tasks.mitigation.settings import GroupDroSettings, InlpSettings, ReweighingSettings
from tasks.mitigation.weighing import weigh_tokens
from tasks.records.data import DataReport
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.tokenization.base_model import pin
from tasks.tokenization.settings import BaseModelSettings, TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.group_dro import GroupAdversary
from tasks.training.ranks import ALONE, Ranks
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tasks.verdicts import Estimate, Verdict
from tests.conftest import NO_LEAKS

LABELS = ("no", "yes")
TRAINING = TrainingSettings(
    epochs=6, learning_rate=3e-3, batch_size=32, batching="padded", precision="float32",
    compile="off",
)  # fmt: skip
TEST = 600


def biased_rows(random: np.random.Generator, rows: int, split: str) -> list[dict[str, str]]:
    """A weak word for the label, and in training a group that tells it better than the word."""
    made = []
    for row in range(rows):
        yes = bool(random.random() < 0.5)
        agrees = random.random() < (0.5 if split == "test" else 0.9)
        group = "man" if yes == agrees else "woman"
        word = "good" if yes == (random.random() < 0.75) else "bad"
        said = "he said" if group == "man" else "she said"
        made.append(
            {
                "row_id": f"{split}{row:06d}", "label": LABELS[yes], "author": group,
                "text": f"{said} {word}", "split": split,
            }
        )  # fmt: skip
    return made


@dataclass(frozen=True)
class Line:
    """A store with biased rows, their tokens, and what is trained on them."""

    store: FolderStore
    data: DataReport
    base: BaseModel
    plain: Tokens

    def train(self, tokens: Tokens, settings: TrainingSettings = TRAINING) -> Weights:
        return train_model(
            self.store, NoTracking(), "x", tokens, self.base, "classification", settings
        )

    def told(self, ours: Weights, theirs: Weights) -> Mapping[str, Estimate]:
        """All that is told of a model beside one without mitigation."""
        scores = evaluate_weights(
            ours, self.data, None, "classification",
            EvaluationSettings(repeats=4_000, slices=SliceSettings(by=(), search=False)),
            store=self.store, tracking=NoTracking(), unmitigated=theirs,
        )  # fmt: skip
        settings = FairnessSettings(repeats=4_000)
        fairness = assess_scores(scores, self.data, settings, store=self.store)
        return {one.name: one for one in (*scores.measured, *fairness.estimates)}


@pytest.fixture(scope="module")
def line(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    folder = tmp_path_factory.mktemp("line")
    store, random = FolderStore(folder / "store"), np.random.default_rng(0)
    sizes = {"train": 800, "validation": 200, "test": TEST}
    rows = [row for split, size in sizes.items() for row in biased_rows(random, size, split)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "clean.parquet")
    clean = store.put_file(store.uri("clean", "rows.parquet"), folder / "clean.parquet")
    data = DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("author",),
        rows_by_split=sizes, rows_by_label={}, rows_quarantined=0, quarantined_by_reason={},
        lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
        task_type="classification",
    )  # fmt: skip
    base = pin(BaseModelSettings(reference=str(tiny_model)))
    assert base is not None
    settings = TokenizationSettings(max_length=16)
    return Line(store, data, base, tokenize_splits(store, data, base, "classification", settings))


@pytest.fixture(scope="module")
def unmitigated(line: Line) -> Weights:
    return line.train(line.plain)


def assert_the_gap_shrinks(told: Mapping[str, Estimate]) -> None:
    """On rows where group and label are independent."""
    names = ("demographic_parity_difference", "demographic_parity_difference_gain")
    before, gain = (told[f"unmitigated.author.{name}"] for name in names)
    accuracy = told["unmitigated.accuracy_gain"]
    assert before.low is not None
    assert gain.low is not None
    assert accuracy.low is not None
    assert before.low > 0.5
    assert gain.low > 0.2
    assert accuracy.low > 0.05


@pytest.mark.slow
def test_reweighing_takes_the_group_out_of_the_answer(line: Line, unmitigated: Weights) -> None:
    asked = ReweighingSettings(attribute="author")
    weighed, again = (
        weigh_tokens(line.plain, line.data, "classification", asked, (), store=line.store)
        for _ in range(2)
    )
    ours = line.train(weighed)
    assert ours.artifact.sha256 != unmitigated.artifact.sha256
    assert_the_gap_shrinks(line.told(ours, unmitigated))
    assert line.train(again).artifact.sha256 == ours.artifact.sha256


@pytest.mark.slow
def test_group_dro_takes_the_group_out_of_the_answer(line: Line, unmitigated: Weights) -> None:
    asked = GroupDroSettings(attribute="author", step_size=0.05)
    grouped = group_tokens(line.plain, line.data, "classification", asked, (), store=line.store)
    ours = line.train(grouped)
    assert_the_gap_shrinks(line.told(ours, unmitigated))
    told, groups = ours.group_weights, grouped.group_dro
    assert told is not None
    assert groups is not None
    rare = [cell.rows < 100 for cell in groups.cells]
    assert sum(rare) == 2
    # Those about whom the group misleads weigh more than their share of the rows.
    assert np.array(told.mean)[rare].sum() > 0.3


class _KilledError(Exception):
    """The process is gone."""


@pytest.mark.slow
def test_a_training_that_was_cut_off_goes_on_with_the_same_weights(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off in the middle of the third epoch; the checkpoint of the second knows the groups."""
    asked = GroupDroSettings(attribute="author", step_size=0.2)
    grouped = group_tokens(line.plain, line.data, "classification", asked, (), store=line.store)
    settings = TRAINING.model_copy(update={"epochs": 3, "seed": 3})
    steps, moved = 0, GroupAdversary.end_step

    def end_step(adversary: GroupAdversary, workers: Ranks = ALONE) -> None:
        nonlocal steps
        steps += 1
        if steps == 60:
            raise _KilledError
        moved(adversary, workers)

    with monkeypatch.context() as patched:
        patched.setattr(GroupAdversary, "end_step", end_step)
        with pytest.raises(_KilledError):
            line.train(grouped, settings)
    resumed = line.train(grouped, settings)
    assert resumed.resumed_from_step == 50
    whole = line.train(grouped, settings)
    assert whole.resumed_from_step == 0
    assert resumed.artifact.sha256 == whole.artifact.sha256
    assert resumed.group_weights == whole.group_weights


@pytest.mark.slow
def test_the_group_is_taken_out_of_what_the_last_layer_reads(
    line: Line, unmitigated: Weights
) -> None:
    """Of a model that knows nothing but the group, so that it answers all alike afterwards."""
    asked = InlpSettings(attribute="author", rounds=4)
    ours = remove_attribute(unmitigated, line.data, "classification", asked, (), store=line.store)
    removal, told = ours.removal, line.told(ours, unmitigated)
    assert removal is not None
    assert removal.before.low is not None
    assert removal.after.high is not None
    assert removal.before.low > 0.95
    assert removal.after.high < removal.before.low
    gain = told["unmitigated.author.demographic_parity_difference_gain"]
    assert gain.low is not None
    assert gain.low > 0.2

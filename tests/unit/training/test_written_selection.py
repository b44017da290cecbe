"""An epoch that is picked by what the model writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from infra.device import Device
from infra.errors import SettingsError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.learner import LEARNERS, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.training.arguments import trainer_arguments
from tasks.training.batching import TokenizedRows
from tasks.training.curves import Curves
from tasks.training.engine import what_is_written
from tasks.training.ranks import Ranks
from tasks.training.settings import TrainingSettings, check_method
from tasks.training.trainer import LineTrainer
from tests.unit.task_types.pair_models import pairs, tiny_model

LIMITS = TokenLimits(max_length=48, max_target_length=12)
LEARNER = learner_of("translation", (), LIMITS)
CPU = Device("cpu", "float32", 1)
BY_CHRF = TrainingSettings(
    select_by="chrf", select_rows=20, epochs=3, batch_size=16, learning_rate=5e-3
)


def rows_in(path: Path, rows: pa.Table, base: Path) -> TokenizedRows:
    table = LEARNER.encode(rows, load_tokenizer(base)).table
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return TokenizedRows(path)


@pytest.fixture
def trainer(tmp_path: Path) -> LineTrainer:
    base = tiny_model(tmp_path / "t5", "t5")
    rows = pairs(120)
    train = rows_in(tmp_path / "train.arrow", rows.slice(0, 100), base)
    validation = rows_in(tmp_path / "validation.arrow", rows.slice(100), base)
    with quiet_transformers():
        model: Any = LEARNER.load_model(base)
        made = LineTrainer(
            model, trainer_arguments(BY_CHRF, CPU, tmp_path / "out", LEARNER), LEARNER, BY_CHRF,
            (train, validation), vocabulary_of(load_tokenizer(base), model.config), Curves(),
        )  # fmt: skip
    made.written = what_is_written(LEARNER, base, validation, BY_CHRF)
    return made


def test_the_best_epoch_is_the_one_that_writes_best(trainer: LineTrainer, tmp_path: Path) -> None:
    trainer.train()
    seen = [one["eval_chrf"] for one in trainer.state.log_history if "eval_chrf" in one]
    assert len(seen) == 3
    assert trainer.state.best_metric == max(seen) > 0
    # What is said of the epoch is what the examiner measures of the very same rows.
    rows, best = pairs(120).slice(100), tmp_path / "best"
    trainer.model.save_pretrained(best)
    load_tokenizer(tmp_path / "t5").save_pretrained(best)
    examiner = examiner_of("translation", (), LIMITS)
    measured = examiner.measure(rows, examiner.predict(best, rows))
    (chrf,) = (one.value for one in measured.measures if one.name == "chrf")
    assert chrf == pytest.approx(max(seen))


@dataclass(frozen=True)
class Second(Ranks):
    """A worker whose first one's model has written other texts."""

    def from_first(self, value: Any) -> Any:
        return dict.fromkeys(value, 77.0)


def test_all_workers_go_by_what_the_first_has_written(trainer: LineTrainer) -> None:
    trainer.workers = Second()
    assert trainer.evaluate()["eval_chrf"] == 77.0


@pytest.mark.parametrize("metric", LEARNER.written_metrics)
def test_each_metric_can_be_asked(trainer: LineTrainer, metric: str, tmp_path: Path) -> None:
    asked = BY_CHRF.model_copy(update={"select_by": metric})
    written = what_is_written(LEARNER, tmp_path / "t5", trainer.eval_dataset, asked)
    assert written(trainer.model.eval()).keys() == {metric}
    arguments = trainer_arguments(asked, CPU, tmp_path / "out", LEARNER)
    assert (arguments.metric_for_best_model, arguments.greater_is_better) == (metric, True)


@pytest.mark.parametrize(
    ("task_type", "metric", "said"),
    [
        ("classification", "chrf", "select_by is chrf; leave it out"),
        ("translation", "meteor", "select_by is meteor; set it to chrf or bleu or rouge_l"),
    ],
)
def test_a_metric_that_no_model_of_the_line_has_is_refused(
    task_type: str, metric: str, said: str
) -> None:
    settings = TrainingSettings(select_by=metric)
    assert settings.asks_of_the_task_type
    with pytest.raises(SettingsError, match=said):
        check_method(task_type, LEARNERS.load(task_type), settings)


def test_a_model_in_parts_cannot_write() -> None:
    with pytest.raises(ValidationError, match="sharding fsdp parts"):
        TrainingSettings(select_by="chrf", sharding="fsdp", workers=2)

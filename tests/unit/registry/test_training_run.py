"""What MLflow shows of an evaluation."""

from infra.mlflow_names import mlflow_name
from tasks.registry.training_run import metrics_of
from tasks.verdicts import exact, undetermined


def test_metrics_have_names_that_mlflow_takes() -> None:
    made = (
        exact("quality.macro_f1", 0.5, 1),
        exact("quality.recall.R&D", 0.25, 1),
        exact("champion.accuracy_gain", -0.5, 1),
        exact("slice.length.q1.score_gap", -0.5, 1),
        undetermined("quality.macro_recall", 1, "no"),
    )
    assert metrics_of(made) == {
        "test_macro_f1": 0.5,
        mlflow_name("test_recall_R&D"): 0.25,
        "test_champion_accuracy_gain": -0.5,
    }

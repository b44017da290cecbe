"""What MLflow calls an estimate."""

from typing import Final

from infra.mlflow_names import mlflow_name

# The report shows the estimates of slices; there may be hundreds.
_SLICES: Final = "slice."


def mlflow_metric(estimate: str) -> str | None:
    """The metric of an evaluation in MLflow: ``quality.macro_f1`` is ``test_macro_f1`` there.

    Args:
        estimate: its name.

    Returns:
        The name as MLflow keeps it; None for a slice's estimate, which is no metric there.

    """
    return None if estimate.startswith(_SLICES) else mlflow_name(_readable(estimate))


def is_rewritten(estimate: str) -> bool:
    """Whether MLflow does not admit the name, a class's for example, as it is written."""
    return mlflow_metric(estimate) not in {None, _readable(estimate)}


def _readable(estimate: str) -> str:
    return "test_" + estimate.removeprefix("quality.").replace(".", "_")

"""What MLflow calls an estimate."""

from typing import Final

from infra.mlflow_names import mlflow_name

# The report shows the estimates of slices; there may be hundreds.
_SLICES: Final = "slice."
# What is measured on rows of the user's own, and not on the test rows.
_OWN_ROWS: Final = ("golden.", "behaviour.")
# What follows from how the weights were made.
_OF_TRAINING: Final = ("privacy.",)
# Families whose names may go on with a slice's.
_OF_SLICES: Final = (*_OWN_ROWS, "uncompressed.")


def mlflow_metric(estimate: str) -> str | None:
    """The metric of an evaluation in MLflow: ``quality.macro_f1`` is ``test_macro_f1`` there.

    Args:
        estimate: its name.

    Returns:
        The name as MLflow keeps it; None for a slice's estimate, which is no metric there.

    """
    is_slice = estimate.startswith(_SLICES) or (
        estimate.startswith(_OF_SLICES) and f".{_SLICES}" in estimate
    )
    return None if is_slice else mlflow_name(_readable(estimate))


def is_rewritten(estimate: str) -> bool:
    """Whether MLflow does not admit the name, a class's for example, as it is written."""
    return mlflow_metric(estimate) not in {None, _readable(estimate)}


def _readable(estimate: str) -> str:
    rows = "" if estimate.startswith((*_OWN_ROWS, *_OF_TRAINING)) else "test_"
    return rows + estimate.removeprefix("quality.").replace(".", "_")

"""What of abstention can be refused before anything is trained."""

from collections.abc import Sequence
from math import ceil, log, log1p

from infra.errors import DataError
from tasks.abstention.settings import ROUNDING, STARTS, AbstentionSettings
from tasks.task_types.labels.abstention import ABSTAIN


def least_rows(settings: AbstentionSettings) -> int:
    """Validation rows with fewer of which no threshold keeps to the risk, all answers right."""
    if settings.risk_of == "rows":
        return ceil(1 / settings.risk - ROUNDING) - 1
    error = (1 - settings.confidence) / len(STARTS)
    return ceil(log(error) / log1p(-settings.risk) - ROUNDING)


def check_labels(labels: Sequence[str]) -> None:
    """Raise DataError where a label is called as the answer of a row that has none."""
    if ABSTAIN in labels:
        raise DataError(
            f"a label of the data is called {ABSTAIN!r}, which is what a model with abstention "
            "answers where it gives no label; rename it with source.label_map"
        )


def check_enough(rows: int, settings: AbstentionSettings, *, by_cluster: bool = False) -> None:
    """Raise DataError where no threshold could keep to the risk, were all answers right."""
    least = least_rows(settings)
    if rows < least:
        what = "clusters of validation rows" if by_cluster else "validation rows"
        raise DataError(
            f"abstention.risk is {settings.risk:g}, which {least} {what} could show at least, and "
            f"there are {rows}: raise splits.validation, or the risk"
        )

"""Linear models on vectors of texts, as strongly regularised as cross-validation finds best.

Features are standardised within each fold. Folds keep the rows of a cluster together, so that the
strength is not chosen by rows of a document of which others were learned. Of equal strengths the
strongest is taken.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.embeddings.embedding import embed_texts
from tasks.task_types.limits import TokenLimits
from tasks.task_types.rows import CLUSTER

if TYPE_CHECKING:
    import pyarrow as pa
    from sklearn.pipeline import Pipeline

Features = NDArray[np.float32]
Ints = NDArray[np.int64]

FOLDS: Final = 5
# Inverse strengths C of scikit-learn's LogisticRegression, and strengths alpha of its Ridge.
CLASS_GRID: Final = (0.001, 0.01, 0.1, 1.0, 10.0)
NUMBER_GRID: Final = (10_000.0, 1_000.0, 100.0, 10.0, 1.0, 0.1)
MAX_ITERATIONS: Final = 1_000
_LEAST: Final = 2


@dataclass(frozen=True, kw_only=True)
class TextProbe:
    """What probes of one text a row have in common.

    Attributes:
        labels: the label set; a label's index is its class id.
        limits: tokens that a text is cut to.
        seed: of the folds.

    """

    labels: tuple[str, ...]
    limits: TokenLimits
    seed: int

    def features(self, folder: Path, rows: "pa.Table") -> Features:
        """Means of the last hidden state over each text's real tokens, (N, H)."""
        return embed_texts(folder, rows["text"].to_pylist(), max_length=self.limits.max_length)


def groups_of(rows: "pa.Table") -> Ints:
    """A number (N,) of each row's cluster; a row without one is a group of its own."""
    ids = rows["row_id"].to_pylist()
    clusters = rows[CLUSTER].to_pylist() if CLUSTER in rows.column_names else [None] * len(ids)
    names = [
        f"row {row}" if cluster is None else f"cluster {cluster}"
        for row, cluster in zip(ids, clusters, strict=True)
    ]
    return np.asarray(np.unique(np.array(names), return_inverse=True)[1], dtype=np.int64)


def fit_classes(features: Features, classes: Ints, groups: Ints, seed: int) -> "Pipeline | str":
    """Logistic regression, its strength chosen by macro F1.

    Args:
        features: (N, H).
        classes: class id of each row, (N,).
        groups: of each row, (N,); rows of one stay in one fold.
        seed: of the folds.

    Returns:
        The fitted model; or why there is none.

    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score, make_scorer
    from sklearn.model_selection import StratifiedGroupKFold

    sizes = sorted(len(np.unique(groups[classes == one])) for one in np.unique(classes))
    if len(sizes) < _LEAST:
        return f"the {len(classes)} training rows of the probe have one label only"
    if sizes[-2] < _LEAST:
        return f"the {len(classes)} training rows of the probe have one row of all labels but one"
    folds = min(FOLDS, sizes[-2])
    return _chosen(
        LogisticRegression(max_iter=MAX_ITERATIONS),
        {"logisticregression__C": CLASS_GRID},
        StratifiedGroupKFold(folds, shuffle=True, random_state=seed),
        make_scorer(f1_score, average="macro", zero_division=0.0),
        (features, classes, groups),
    )


def fit_numbers(
    features: Features, targets: NDArray[np.float64], groups: Ints, seed: int
) -> "Pipeline | str":
    """Ridge regression, its strength chosen by the root of the mean squared error.

    Args:
        features: (N, H).
        targets: (N,).
        groups: as `fit_classes` takes them.
        seed: of the folds.

    Returns:
        The fitted model; or why there is none.

    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GroupKFold

    several = len(np.unique(groups))
    if several < _LEAST:
        return f"the {len(targets)} training rows of the probe are too few, or of one cluster"
    return _chosen(
        Ridge(),
        {"ridge__alpha": NUMBER_GRID},
        GroupKFold(min(FOLDS, several), shuffle=True, random_state=seed),
        "neg_root_mean_squared_error",
        (features, targets, groups),
    )


def _chosen(
    model: Any, grid: dict[str, tuple[float, ...]], folds: Any, scoring: Any, rows: Any
) -> "Pipeline | str":
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, wanted, groups = rows
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model), grid, cv=folds, scoring=scoring, error_score="raise"
    )
    with warnings.catch_warnings():
        # A weak strength that does not converge scores as it does; a rare label is in few folds.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            search.fit(features, wanted, groups=groups)
        except ValueError as error:  # clusters that leave a fold with one label
            return f"the probe cannot be fitted to {len(wanted)} training rows: {error}"
    found: Pipeline = search.best_estimator_
    return found

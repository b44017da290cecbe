"""A classifier whose last layer reads nothing that linearly tells an attribute: the stage's part.

See `nullspace` for the method. The projection goes into the last layer, W' = W P, so that what is
served stays a plain model of transformers: its representations are those of before, and its logits
no longer depend on the directions that were taken out.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from infra.digests import digest_of
from infra.errors import DataError, TrainingError
from infra.store import ObjectStore
from tasks.mitigation.nullspace import fitted_head, scale_of, told_directions, told_right, without
from tasks.mitigation.reweighing import NO_GROUP, independent_weights, weights_of_rows
from tasks.mitigation.settings import InlpSettings
from tasks.mitigation.training_cells import GroupedRows, grouped_rows
from tasks.records.attribute_removal import AttributeRemoval, NamedRight
from tasks.records.data import DataReport
from tasks.records.training import Weights
from tasks.resampling import Floats, Ints, estimate_of_proportion
from tasks.task_types.labels.head_inputs import head_inputs, replace_head
from tasks.task_types.labels.text_logits import text_logits

logger = logging.getLogger(__name__)

# Training rows that directions and head are fitted on, those of the least ids, which are hashes:
# a layer of some hundred inputs learns little from further ones.
MOST_ROWS: Final = 20_000
# Texts that the new head is tried on, and how far its logits may lie off.
_TRIED: Final = 32
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class _Read:
    """Rows as the last layer reads them.

    Attributes:
        rows: N of them.
        inputs: representations, (N, D), divided by `scale`.
        layer: name of the last layer.
        scale: of the training rows' representations.

    """

    rows: GroupedRows
    inputs: Floats
    layer: str
    scale: float

    def of_groups(self, basis: Floats | None = None) -> tuple[Floats, Ints]:
        """Representations and groups of the rows that have one; without these directions."""
        inside = self.rows.groups != NO_GROUP
        inputs = self.inputs if basis is None else without(self.inputs, basis)
        return inputs[inside], self.rows.groups[inside]


def remove_attribute(
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: InlpSettings,
    groups: tuple[str, ...],
    *,
    balanced: bool = False,
    store: ObjectStore,
) -> Weights:
    """The same classifier, whose answers do not rest on what linearly tells an attribute.

    Directions and last layer are fitted on training rows; validation rows say how well a linear
    probe still tells the groups. Test rows have no part in it.

    Args:
        weights: of a trained classifier.
        data: the clean rows, with their groups.
        task_type: of the line.
        settings: whose groups, and how many classifiers are trained.
        groups: the groups that are told apart; none for all.
        balanced: whether each label counts alike in the last layer, as it did in training.
        store: holds all of it.

    Raises:
        DataError: fewer than two groups have training rows, or a label has none.
        TrainingError: the model's last layer is no linear one over one vector, or has too few
            dimensions for so many classifiers.
        StoreError: an artifact is missing.

    """
    asked = (data, task_type, "inlp", settings.attribute, groups, store)
    learned = grouped_rows(*asked)
    _check_labels(learned, data.labels)
    held_out = grouped_rows(*asked, split="validation", names=learned.names)
    with tempfile.TemporaryDirectory(prefix="inlp-") as name:
        model = store.get_folder(weights.artifact, Path(name) / "model")
        train = _read(model, _least_ids(learned, MOST_ROWS), weights)
        basis = _directions(train, settings)
        slopes, biases = fitted_head(
            without(train.inputs, basis), train.rows.labels, len(data.labels),
            _by_label(train.rows) if balanced else None,
        )  # fmt: skip
        other = _read(model, _one_of_each_cluster(held_out), weights, train.scale)
        _write_head(model, train, without(slopes, basis), biases, weights.max_length)
        record = _described(settings, train, other, basis)
        key = digest_of({"weights": weights.artifact.sha256, "inlp": settings, "removal": record})
        artifact = store.put_folder(store.uri("weights", key), model)
    _log(record)
    return replace(weights, artifact=artifact, removal=record)


def _check_labels(rows: GroupedRows, labels: Sequence[str]) -> None:
    found = set(rows.labels.tolist())
    if missing := [label for number, label in enumerate(labels) if number not in found]:
        raise DataError(
            f"mitigation.inlp fits the last layer on the training rows, and none of them has the "
            f"label {', '.join(missing)}; add rows, or leave inlp out"
        )


def _chosen(rows: GroupedRows, places: Sequence[int]) -> GroupedRows:
    at = np.array(places, np.int64)
    return replace(
        rows,
        row_ids=[rows.row_ids[place] for place in places],
        texts=[rows.texts[place] for place in places],
        clusters=[rows.clusters[place] for place in places],
        groups=rows.groups[at],
        labels=rows.labels[at],
    )


def _least_ids(rows: GroupedRows, most: int) -> GroupedRows:
    """At most so many rows, and one of each cell where there is one, whatever their number."""
    order = np.argsort(np.array(rows.row_ids), kind="stable").tolist()
    kept, seen = order[:most], set()
    for place in order:
        cell = (int(rows.groups[place]), int(rows.labels[place]))
        if cell not in seen:
            seen.add(cell)
            kept.append(place)
    return _chosen(rows, sorted(set(kept)))


def _one_of_each_cluster(rows: GroupedRows) -> GroupedRows:
    """The row of the least id of each cluster, and rows without one: each is a draw of its own."""
    least: dict[str, int] = {}
    for place in np.argsort(np.array(rows.row_ids), kind="stable").tolist():
        own = rows.clusters[place]
        least.setdefault(f"row {rows.row_ids[place]}" if own is None else f"cluster {own}", place)
    return _chosen(rows, sorted(least.values()))


def _read(model: Path, rows: GroupedRows, weights: Weights, scale: float | None = None) -> _Read:
    found = head_inputs(model, rows.texts, max_length=weights.max_length)
    inputs = found.inputs.astype(np.float64)
    scale = scale_of(inputs) if scale is None else scale
    return _Read(rows, inputs / scale, found.layer, scale)


def _directions(train: _Read, settings: InlpSettings) -> Floats:
    """Directions that tell the groups beside what the label tells of them.

    Where group and label go together, a classifier of the group finds the label too, and taking it
    out would cost what the model is for. Ravfogel et al. train each classifier within one class;
    here rows are weighed so that group and label are independent, to the same end.
    """
    size, most = train.inputs.shape[1], settings.rounds * (len(train.rows.names) - 1)
    if 2 * most > size:
        raise TrainingError(
            f"mitigation.inlp.rounds is {settings.rounds}, which takes out up to {most} "
            f"directions, and the last layer reads {size}; at most half of them may go: set it to "
            f"{max(1, size // 2 // (len(train.rows.names) - 1))} or less"
        )
    counts = np.zeros_like(train.rows.counts)
    inside = train.rows.groups != NO_GROUP
    np.add.at(counts, (train.rows.groups[inside], train.rows.labels[inside]), 1)
    factors = weights_of_rows(train.rows.groups, train.rows.labels, independent_weights(counts))
    inputs, groups = train.of_groups()
    return told_directions(inputs, groups, factors[inside].astype(np.float64), settings.rounds)


def _by_label(rows: GroupedRows) -> Floats:
    """Factors (N,) under which each label counts alike, as training.class_weights has them."""
    counts = np.bincount(rows.labels)
    return len(rows.labels) / (len(counts) * counts[rows.labels])


def _write_head(model: Path, train: _Read, slopes: Floats, biases: Floats, max_length: int) -> None:
    """Give the model its new last layer, and see that it answers by it."""
    replace_head(model, train.layer, slopes / train.scale, biases)
    tried = train.rows.texts[:_TRIED]
    logits, _ = text_logits(model, tried, max_length=max_length)
    wanted = train.inputs[:_TRIED] @ slopes.T + biases
    apart = float(np.abs(logits - wanted).max())
    if apart > _TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise TrainingError(
            f"with its new last layer the model's logits lie {apart:.2g} off; leave "
            "mitigation.inlp out"
        )


def _described(
    settings: InlpSettings, train: _Read, held_out: _Read, basis: Floats
) -> AttributeRemoval:
    of_groups = held_out.rows.groups[held_out.rows.groups != NO_GROUP]
    largest = np.bincount(of_groups).max(initial=0) / len(of_groups) if len(of_groups) else 0.0
    before, after = (_named_right(train, held_out, one) for one in (None, basis))
    return AttributeRemoval(
        settings.attribute, tuple(train.rows.names), int((train.rows.groups != NO_GROUP).sum()),
        len(train.rows.texts), settings.rounds, len(basis), train.inputs.shape[1], float(largest),
        before, after,
    )  # fmt: skip


def _named_right(train: _Read, held_out: _Read, basis: Floats | None) -> NamedRight:
    """Of the held-out rows those whose group a linear probe names right, with an exact interval."""
    inputs, groups = held_out.of_groups(basis)
    right = told_right(*train.of_groups(basis), inputs, groups)
    found = estimate_of_proportion("named_right", right, len(groups))
    return NamedRight(found.value, found.low, found.high, len(groups))


def _log(record: AttributeRemoval) -> None:
    logger.info(
        "%d of %d directions, which tell %s, are taken out: a linear probe names the group of "
        "%s of %d validation rows right, was %s; the largest group has %.3f of them",
        record.directions, record.size, record.attribute, _share(record.after), record.after.rows,
        _share(record.before), record.largest_share,
    )  # fmt: skip


def _share(told: NamedRight) -> str:
    return "an unknown share" if told.share is None else f"{told.share:.3f}"

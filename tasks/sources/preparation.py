"""The rows of a source as its settings want them, before any stage sees them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from infra.errors import SettingsError
from tasks.records.data import SourceChanges
from tasks.sources.columns import columns_to_read
from tasks.sources.label_map import LabelMap
from tasks.sources.settings import MixedSource, SingleSource, SourceSettings
from tasks.sources.shards import Shard
from tasks.sources.source_names import naming_source
from tasks.task_types.rows import RowShape

if TYPE_CHECKING:
    from tasks.sources.row_filter import RowFilter


def check_source(settings: SourceSettings, shape: RowShape, labels: Sequence[str] | None) -> None:
    """Hold a source, or each of several, against the task type and the labels of the contract.

    Raises:
        SettingsError: no row can be what the settings ask for.

    """
    if isinstance(settings, MixedSource):
        maps = []
        for name, one in settings.parts.items():
            with naming_source(name):
                maps.append(_check_one(one, shape, labels))
    elif settings.weight is not None:
        raise SettingsError("source.weight is of several sources, and there is one; remove it")
    else:
        maps = [_check_one(settings, shape, labels)]
    found = [one_map.out_of_reach(labels or ()) for one_map in maps]
    for label, new in found[0].items():
        if all(label in others for others in found):
            raise SettingsError(
                f"contract.labels names {label!r}, and no row can bear it: source.normalise_labels "
                f"and source.label_map make {new!r} of it; name that, or map to it"
            )


def _check_one(settings: SingleSource, shape: RowShape, labels: Sequence[str] | None) -> LabelMap:
    label_map = check_preparation(settings, shape)
    if labels is not None:
        label_map.check_given(labels)
    return label_map


def check_preparation(settings: SingleSource, shape: RowShape) -> LabelMap:
    """What the settings make of labels.

    Raises:
        SettingsError: they ask for what rows of the task type cannot have.

    """
    if settings.strip_html:
        from tasks.sources.html_text import check_html

        check_html(shape)
    columns_to_read(settings, shape)
    return LabelMap(settings, shape)


def prepare(shards: Iterator[Shard], settings: SingleSource, shape: RowShape) -> Iterator[Shard]:
    """The rows that are kept, their texts without HTML where that is asked, with the line's labels.

    Raises:
        SettingsError: the settings ask for what rows of the task type cannot have.

    """
    labels = check_preparation(settings, shape)
    keep = _filter(settings, shape)
    for shard in shards:
        prepared = keep.apply(shard) if keep else shard
        if settings.strip_html:
            prepared = _without_html(prepared, shape)
        if labels.is_needed:
            prepared = _with_labels(prepared, labels, shape)
        yield prepared


def _filter(settings: SingleSource, shape: RowShape) -> "RowFilter | None":
    if settings.keep_rows is None:
        return None
    from tasks.sources.row_filter import RowFilter

    return RowFilter(settings.keep_rows, columns_to_read(settings, shape))


def _without_html(shard: Shard, shape: RowShape) -> Shard:
    from tasks.sources.html_text import strip_columns

    rows, changed = strip_columns(shard.rows, shape)
    changes = shard.changes.plus(SourceChanges(rows_with_html=changed))
    return replace(shard, rows=rows, changes=changes)


def _with_labels(shard: Shard, labels: LabelMap, shape: RowShape) -> Shard:
    assert shape.label_column is not None  # noqa: S101 - else no label map is needed
    rows, changes = shard.rows, shard.changes
    values, mapped = labels.apply(rows[shape.label_column])
    place = rows.schema.get_field_index(shape.label_column)
    rows = rows.set_column(place, rows.field(place), values)
    return replace(shard, rows=rows, changes=changes.plus(mapped))

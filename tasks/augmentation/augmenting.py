"""From clean training rows to new ones, each of which knows its parent."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError, SettingsError
from infra.parquet_tables import MAX_ROW_GROUP_ROWS, TableWriter
from infra.store import ObjectStore
from tasks.augmentation.known_texts import KnownTexts, form_of, held_out_texts
from tasks.augmentation.methods import (
    COUNTERFACTUAL,
    Changer,
    Donors,
    Translated,
    attribute_labels,
    told_of_attribute,
    why_not,
)
from tasks.augmentation.settings import AugmentationSettings
from tasks.perturbations.draws import random_of, rank_of
from tasks.perturbations.untouched import negations_of
from tasks.records.augmentation import Augmentation, ChangedText, MethodRows
from tasks.records.data import DataReport
from tasks.records.golden import GoldenSets
from tasks.task_types.row_identities import row_ids_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, RowShape, texts_of

PARENT: Final = "parent_id"
METHOD: Final = "method"
# Why a row that was drawn gives no new one.
NOTHING_TO_CHANGE: Final = "nothing to change"
AS_PARENT: Final = "as its parent, but for case and punctuation"
HELD_OUT: Final = "a held-out text"
KNOWN: Final = "a training text, or a new row before it"
NEGATED: Final = "a negation came or went"
_EXAMPLES: Final = 2
_SHOWN_CHARACTERS: Final = 200

# From new rows with their groups to why each breaks the data contract; empty where it keeps it.
Refusal = Callable[[pa.Table], Sequence[str]]
Row = dict[str, Any]


def augment_rows(
    store: ObjectStore,
    data: DataReport,
    golden: GoldenSets | None,
    task_type: str,
    settings: AugmentationSettings,
    refusal: Refusal,
    translated: Mapping[str, Translated] = MappingProxyType({}),
    translators: str = "",
) -> Augmentation:
    """Make new rows of the training rows, and keep those that may be learned from.

    Args:
        store: holds the clean rows, and will hold the new ones.
        data: the clean rows.
        golden: sets that no model learns from.
        task_type: what the model is for.
        settings: which methods, and how many rows.
        refusal: the line's data contract.
        translated: of back-translation, what came back of each text that was translated.
        translators: who translated, in words.

    Raises:
        DataError: there are no training rows, or the clean rows lack a column.
        SettingsError: a method is not for the task type, a label is about the swapped words, or a
            swap list cannot be read.
        StoreError: the store does not answer.

    """
    shape = shape_of(task_type)
    check_methods(settings, shape, data)
    with tempfile.TemporaryDirectory(prefix="assayline-augment-") as name:
        train, known = read_rows_and_texts(store, data, golden, shape, Path(name))
        made = make_rows(train, shape, settings, known, translated)
        return replace(_keep(made, train, shape, refusal, store), translators=translators)


def read_rows_and_texts(
    store: ObjectStore,
    data: DataReport,
    golden: GoldenSets | None,
    shape: RowShape,
    folder: Path,
) -> tuple[pa.Table, KnownTexts]:
    """The training rows, and the texts that no new row may repeat.

    Raises:
        DataError: there are no training rows, or the clean rows lack a column.
        StoreError: the store does not answer.

    """
    clean = store.get_file(data.clean, folder / "clean.parquet")
    sets = golden.sets if golden else ()
    of_golden = [
        store.get_file(one.snapshot.artifact, folder / f"{one.family}.parquet") for one in sets
    ]
    train = read_training_rows(clean, data.clean.uri)
    known = KnownTexts(
        (text for text in texts_of(shape, train).to_pylist() if text),
        held_out_texts(clean, of_golden, shape),
    )
    return train, known


def check_methods(settings: AugmentationSettings, shape: RowShape, data: DataReport) -> None:
    """Refuse methods after which the labels of these rows would not hold.

    Raises:
        SettingsError: with all that is wrong.

    """
    wrong = [
        f"augmentation.{method} is not for task_type {shape.task_type}: {why}; leave it out"
        for method, _ in settings.chosen
        if (why := why_not(method, shape))
    ]
    wrong += [
        told_of_attribute(name, labels)
        for name, labels in attribute_labels(settings.swaps, data.labels).items()
    ]
    if wrong:
        raise SettingsError("\n".join(wrong))


def read_training_rows(clean: Path, uri: str) -> pa.Table:
    """The training rows in the order of their ids, so that their file's order shapes nothing.

    Raises:
        DataError: there are none.

    """
    rows = pq.read_table(clean, filters=[("split", "=", "train")]).sort_by("row_id")
    if not rows.num_rows:
        raise DataError(f"the clean rows at {uri} hold no training row, so that none can be made")
    return rows


@dataclass
class Made:
    """The rows of one method before the data contract has seen them.

    Attributes:
        rows: as Python has them, with parent and method.
        left_out: by reason.

    """

    method: str
    share: float
    asked: int
    rows: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def make_rows(
    train: pa.Table,
    shape: RowShape,
    settings: AugmentationSettings,
    known: KnownTexts,
    translated: Mapping[str, Translated] = MappingProxyType({}),
) -> list[Made]:
    """New rows by method, as many as its share says or as the rows give.

    Rows are taken in the order of a hash of seed, method and row_id; one that gives no new row
    is left out, and the next one stands in for it.

    Args:
        train: training rows, sorted by row_id.
        shape: of the task type.
        settings: which methods.
        known: texts that there are already; new ones are added.
        translated: what came back of the texts that were translated.

    """
    donors = _donors(train, shape) if settings.word_insertion else Donors({})
    return [
        _by_method(
            Changer(name, method, donors, translated), method.share, train, shape, settings.seed,
            known,
        )
        for name, method in settings.chosen
    ]  # fmt: skip


def _donors(train: pa.Table, shape: RowShape) -> Donors:
    by_label: dict[str, list[str]] = {}
    labels = train[shape.answered.name].to_pylist() if shape.answered else []
    for label, text in zip(labels, texts_of(shape, train).to_pylist(), strict=True):
        if text:
            by_label.setdefault(_key(label), []).append(text)
    return Donors(by_label)


def _key(answer: object) -> str:
    return json.dumps(answer, ensure_ascii=False)


def asked_rows(share: float, training_rows: int) -> int:
    """How many new rows a share is."""
    return max(1, round(share * training_rows))


def _by_method(
    changer: Changer,
    share: float,
    train: pa.Table,
    shape: RowShape,
    seed: int,
    known: KnownTexts,
) -> Made:
    name = changer.name
    made = Made(name, share, asked_rows(share, train.num_rows))
    for parent, draw in draw_order(train, name, share, seed):
        if len(made.rows) == made.asked or not changer.knows(_text(parent, shape)):
            break
        random = random_of(seed, name, draw, parent["row_id"])
        row = change_row(parent, changer, shape, random)
        reason = changer.why_unchanged(_text(parent, shape)) if row is None else ""
        reason = reason or why_left_out(parent, row, shape, known)
        if row is None or reason:
            made.left_out[reason] += 1
            continue
        known.trained.add(form_of(_text(row, shape)))
        without_groups = name == COUNTERFACTUAL
        made.rows.append(_with_origin(row, parent, name, shape, without_groups=without_groups))
    return made


def draw_order(train: pa.Table, name: str, share: float, seed: int) -> Iterator[tuple[Row, str]]:
    """Parents with the number of the draw, all of the first draw before those of the second.

    Args:
        train: training rows, sorted by row_id.
        name: of the method.
        share: of new rows; above 1 there are several draws.
        seed: of the augmentation.

    """
    ids = train["row_id"].to_pylist()
    for number in count():
        if number >= share:
            return
        draw = str(number)
        ranks = [rank_of(seed, "order", name, draw, one) for one in ids]
        for place in sorted(range(len(ids)), key=lambda place: (ranks[place], place)):
            (parent,) = train.slice(place, 1).to_pylist()
            yield parent, draw


def change_row(parent: Row, changer: Changer, shape: RowShape, random: Random) -> Row | None:
    """The parent with one of its texts changed; None where that cannot be changed."""
    column = random.choice(shape.inputs).name if len(shape.inputs) > 1 else shape.inputs[0].name
    label = _key(parent[shape.answered.name]) if shape.answered else ""
    found = changer.change(parent[column] or "", label, random)
    return None if found is None or not found.strip() else {**parent, column: found.strip()}


def why_left_out(parent: Row, row: Row | None, shape: RowShape, known: KnownTexts) -> str:
    """Why a new row is not taken; empty where it is."""
    if row is None:
        return NOTHING_TO_CHANGE
    before, after = _text(parent, shape), _text(row, shape)
    form = form_of(after)
    if form == form_of(before):
        return AS_PARENT
    if form in known.held_out:
        return HELD_OUT
    if form in known.trained:
        return KNOWN
    return NEGATED if negations_of(before) != negations_of(after) else ""


def _text(row: Row, shape: RowShape) -> str:
    return "\n".join(row[column.name] or "" for column in shape.inputs)


def _with_origin(
    row: Row, parent: Row, method: str, shape: RowShape, *, without_groups: bool
) -> Row:
    """A new row; of one about somebody else nobody says any more of whom."""
    own = {*shape.names, "row_id", "split", CLUSTER}
    groups = {name: None for name in row if name not in own} if without_groups else {}
    return {**row, **groups, PARENT: parent["row_id"], METHOD: method}


def _keep(
    made: Sequence[Made], train: pa.Table, shape: RowShape, refusal: Refusal, store: ObjectStore
) -> Augmentation:
    """Hold the new rows against the data contract, and put those into the store that keep it."""
    schema = train.schema.append(pa.field(PARENT, pa.string())).append(
        pa.field(METHOD, pa.string())
    )
    rows = pa.Table.from_pylist([row for one in made for row in one.rows], schema=schema)
    ids = pa.array(row_ids_of(rows, shape) if rows.num_rows else [], pa.string())
    rows = rows.set_column(schema.get_field_index("row_id"), "row_id", ids)
    reasons = refusal(rows.drop_columns([PARENT, METHOD])) if rows.num_rows else []
    kept = rows.filter(pa.array([not reason for reason in reasons], pa.bool_()))
    names = [name for name in ("row_id", "split", *shape.names, CLUSTER) if name in schema.names]
    kept = kept.select([*names, PARENT, METHOD]).sort_by([("row_id", "ascending")])
    with TableWriter("augmented", kept.schema, store) as writer:
        for start in range(0, kept.num_rows, MAX_ROW_GROUP_ROWS):
            writer.write(kept.slice(start, MAX_ROW_GROUP_ROWS))
        artifact = writer.close()
    texts = dict(zip(train["row_id"].to_pylist(), texts_of(shape, train).to_pylist(), strict=True))
    return Augmentation(
        artifact=artifact,
        rows=kept.num_rows,
        parents=len(set(kept[PARENT].to_pylist())),
        training_rows=train.num_rows,
        methods=tuple(_told(one, rows, reasons, texts, shape) for one in made),
    )


def _told(
    made: Made, rows: pa.Table, reasons: Sequence[str], texts: dict[str, str], shape: RowShape
) -> MethodRows:
    of_method = [name == made.method for name in rows[METHOD].to_pylist()]
    refused = Counter(
        f"contract: {reason}"
        for own, reason in zip(of_method, reasons, strict=True)
        if own and reason
    )
    kept = [own and not reason for own, reason in zip(of_method, reasons, strict=True)]
    own = rows.filter(pa.array(kept, pa.bool_()))
    some = own.slice(0, _EXAMPLES)
    examples = zip(some[PARENT].to_pylist(), texts_of(shape, some).to_pylist(), strict=True)
    return MethodRows(
        method=made.method,
        share=made.share,
        asked=made.asked,
        made=own.num_rows,
        left_out=dict(sorted((made.left_out + refused).items())),
        examples=tuple(shown(texts[parent], text) for parent, text in examples),
    )


def shown(before: str, after: str) -> ChangedText:
    """Both texts around the first character in which they differ."""
    differs = next(
        (n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one != other),
        min(len(before), len(after)),
    )
    start = max(0, differs - _SHOWN_CHARACTERS // 4)
    return ChangedText(*(_excerpt(text, start) for text in (before, after)))


def _excerpt(text: str, start: int) -> str:
    part = " ".join(text[start : start + _SHOWN_CHARACTERS].split())
    end = "…" if start + _SHOWN_CHARACTERS < len(text) else ""
    return f"{'…' if start else ''}{part}{end}"

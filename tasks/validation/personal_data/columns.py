"""The texts in the columns of a table, swept and put back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.task_types.rows import Column, Entity, Passage, RowShape
from tasks.validation.personal_data.contents import Context, MarkedText, PlainText, Tokens
from tasks.validation.personal_data.sweep import Sweep


def sweep_columns(rows: pa.Table, shape: RowShape, sweep: Sweep) -> pa.Table:
    """The rows with what the sweep redacts in each text of the shape."""
    passage = shape.passage
    marked = {one.text for one in shape.entities}
    for column in shape.columns:
        if column.name in marked:
            rows = _sweep_marked(rows, column.name, shape.entities, sweep)
        elif passage and column.name in {passage.context, passage.answer}:
            if column.name == passage.context:
                rows = _sweep_contexts(rows, passage, sweep)
        else:
            changed = _sweep_column(rows[column.name], column, sweep)
            rows = _with_values(rows, column.name, changed)
    return rows


def _sweep_column(values: pa.ChunkedArray, column: Column, sweep: Sweep) -> dict[int, Any]:
    """The values that change, by row."""
    every = range(len(values))
    if column.kind == "text":
        texts = sweep.redact(values, every, lambda row: PlainText(values[row].as_py()))
        return {row: content.text for row, content in texts.items()}
    if column.kind == "texts":
        lists = values.to_pylist()
        joined = _strings(Tokens(tokens).text if tokens else None for tokens in lists)
        swept = sweep.redact(joined, every, lambda row: Tokens(lists[row]))
        return {row: content.tokens for row, content in swept.items()}
    return _sweep_turns(values.to_pylist(), sweep) if column.kind == "turns" else {}


def _sweep_turns(chats: list[Any], sweep: Sweep) -> dict[int, Any]:
    """The chats that change, by row. A chat is a list of turns, each with role and content."""
    turns = [(row, turn) for row, chat in enumerate(chats) for turn in chat or () if turn]
    texts = _strings(turn["content"] for _, turn in turns)
    row_of = [row for row, _ in turns]
    swept = sweep.redact(texts, row_of, lambda at: PlainText(turns[at][1]["content"]))
    for at, content in swept.items():
        turns[at][1]["content"] = content.text
    return {row: chats[row] for row in {row_of[at] for at in swept}}


def _sweep_contexts(rows: pa.Table, passage: Passage, sweep: Sweep) -> pa.Table:
    """Contexts, and the answers in them: an answer is taken anew from what its context became.

    Where a placeholder cut an answer in two, no answer is left; the sweep marks the row.
    """
    contexts, answers = rows[passage.context].to_pylist(), rows[passage.answer].to_pylist()
    starts = rows[passage.start].to_pylist()
    spans = [_span(*row) for row in zip(contexts, answers, starts, strict=True)]
    every = range(len(contexts))
    swept = sweep.redact(
        rows[passage.context], every, lambda row: Context(contexts[row], *(spans[row] or (0, 0)))
    )
    rows = _with_values(rows, passage.context, {row: one.text for row, one in swept.items()})
    held = {row: one for row, one in swept.items() if spans[row]}
    for row, one in held.items():
        sweep.cut[row] |= one.cut
    whole = {row: None if one.cut else one for row, one in held.items()}
    # An answer that doesn't stand where it should, which the contract will say, is any text.
    loose = _strings(None if span else one for span, one in zip(spans, answers, strict=True))
    alone = sweep.redact(loose, every, lambda row: PlainText(answers[row]))
    texts = {row: one and one.answer for row, one in whole.items()}
    texts |= {row: one.text for row, one in alone.items()}
    rows = _with_values(rows, passage.answer, texts)
    return _with_values(rows, passage.start, {row: one and one.start for row, one in whole.items()})


def _sweep_marked(rows: pa.Table, name: str, entities: Sequence[Entity], sweep: Sweep) -> pa.Table:
    """Texts with entities, and the places of these in what the texts became.

    Where a placeholder cut an entity in two, the sweep marks the row.
    """
    texts = rows[name].to_pylist()
    places = [
        list(zip(rows[one.start].to_pylist(), rows[one.end].to_pylist(), strict=True))
        for one in entities
    ]
    # An entity that lies outside of its text, which the contract will say, moves with its end.
    swept = sweep.redact(
        rows[name],
        range(len(texts)),
        lambda row: MarkedText(texts[row], tuple((o[row][0] or 0, o[row][1] or 0) for o in places)),
    )
    rows = _with_values(rows, name, {row: one.text for row, one in swept.items()})
    for number, entity in enumerate(entities):
        for part, column in enumerate((entity.start, entity.end)):
            moved = {
                row: one.spans[number][part]
                for row, one in swept.items()
                if places[number][row][part] is not None
            }
            rows = _with_values(rows, column, moved)
    for row, one in swept.items():
        sweep.cut[row] |= one.cut
    return rows


def _span(context: str | None, answer: str | None, start: int | None) -> tuple[int, int] | None:
    """Where the answer stands in its context; none where it does not stand there."""
    if not context or not answer or start is None or start < 0:
        return None
    end = start + len(answer)
    return (start, end) if context[start:end] == answer else None


def _strings(values: Iterable[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def _with_values(rows: pa.Table, name: str, values: Mapping[int, object]) -> pa.Table:
    """The rows with these values of a column, by row, and all others as they are."""
    if not values:
        return rows
    index = rows.schema.get_field_index(name)
    column = rows.column(index)
    source = np.arange(len(column))
    source[list(values)] = len(column) + np.arange(len(values))
    both = pa.chunked_array([*column.chunks, pa.array(list(values.values()), column.type)])
    return rows.set_column(index, rows.schema.field(index), both.take(pa.array(source)))

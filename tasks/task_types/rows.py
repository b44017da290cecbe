"""What a row of each task type is made of, from its source to its tokens.

A row's identity is what the model reads of it, its input columns; what the model shall answer
stands in the others.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import pyarrow as pa

# text: a string. label: a class name. labels: class names, maybe none. tags: one a token.
# texts: strings. number: float64. integer: int64. turns: role and content, in order. groups: a
# name, or several joined into one string (protected_groups/group_names.py); no task type has it.
Kind = Literal["text", "label", "labels", "texts", "tags", "number", "integer", "turns", "groups"]
TaskTypeName = Literal[
    "classification",
    "multi_label",
    "regression",
    "tagging",
    "question_answering",
    "translation",
    "summarisation",
    "sentence_embedding",
    "chat",
    "causal_lm",
    "masked_lm",
    "next_sentence",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a row.

    Attributes:
        is_input: whether the model reads it; a row_id is taken over all such.
        may_be_missing: whether a row without it keeps the contract.

    """

    name: str
    kind: Kind
    is_input: bool = False
    may_be_missing: bool = False


@dataclass(frozen=True, slots=True)
class RowShape:
    """The columns of a task type's rows.

    Attributes:
        leading: the metric that models are compared in before all others.
        label_column: the column whose values are classes; None where there are none.
        margin: how far behind the champion a candidate may lie in it, where a line says nothing.

    """

    task_type: TaskTypeName
    columns: tuple[Column, ...]
    leading: str
    label_column: str | None = None
    margin: float = 0.02

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that the model reads."""
        return tuple(column for column in self.columns if column.is_input)


_TEXT: Final = Column("text", "text", is_input=True)
_PAIR: Final = (Column("source", "text", is_input=True), Column("target", "text"))

ROW_SHAPES: Final[dict[str, RowShape]] = {
    shape.task_type: shape
    for shape in (
        RowShape("classification", (_TEXT, Column("label", "label")), "macro_f1", "label"),
        RowShape("multi_label", (_TEXT, Column("labels", "labels")), "macro_f1", "labels"),
        RowShape("regression", (_TEXT, Column("target", "number")), "rmse"),
        RowShape(
            "tagging",
            (Column("tokens", "texts", is_input=True), Column("tags", "tags")),
            "entity_f1",
            "tags",
        ),
        RowShape(
            "question_answering",
            (
                Column("question", "text", is_input=True),
                Column("context", "text", is_input=True),
                # Both missing: the question has no answer in this context (SQuAD 2.0).
                Column("answer", "text", may_be_missing=True),
                # In characters (Unicode code points) from the start of the context.
                Column("answer_start", "integer", may_be_missing=True),
            ),
            "f1",
        ),
        # chrF runs from 0 to 100.
        RowShape("translation", _PAIR, "chrf", margin=1.0),
        RowShape("summarisation", _PAIR, "rouge_l"),
        # Two texts of like meaning.
        RowShape("sentence_embedding", _PAIR, "mrr"),
        RowShape("chat", (Column("messages", "turns", is_input=True),), "bits_per_byte"),
        RowShape("causal_lm", (_TEXT,), "bits_per_byte"),
        RowShape("masked_lm", (_TEXT,), "masked_accuracy"),
        # A document of several sentences.
        RowShape("next_sentence", (_TEXT,), "next_sentence_accuracy"),
    )
}


def arrow_type(kind: Kind) -> "pa.DataType":
    """How a column of this kind is kept in Arrow and Parquet."""
    import pyarrow as pa

    if kind in {"labels", "texts", "tags"}:
        return pa.list_(pa.string())
    if kind == "turns":
        return pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    return {"number": pa.float64(), "integer": pa.int64()}.get(kind, pa.string())


def texts_of(shape: RowShape, rows: "pa.Table") -> "pa.ChunkedArray":
    """One string a row: what a person would read of its inputs. Null where all of it is missing.

    Texts of a row stand on lines of their own, tokens are parted by spaces, and turns by lines.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    for column in shape.inputs:
        values = rows[column.name]
        if column.kind == "turns":
            joined = [
                None if turns is None else "\n".join(turn["content"] or "" for turn in turns)
                for turns in values.to_pylist()
            ]
            values = pa.chunked_array([pa.array(joined, pa.string())])
        elif column.kind == "texts":
            values = pc.binary_join(values, " ")
        parts.append(values)
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, "\n", null_handling="skip")

"""What a row of a task type is made of, from its source to its tokens.

A row's identity is what the model reads of it, its input columns; what the model shall answer
stands in the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    import pyarrow as pa

# text: a string. label: a class name. labels: class names, maybe none. tags: one a token.
# texts: strings. number: float64. integer: int64. turns: role and content, in order. groups: a
# name, or several joined into one string (protected_groups/group_names.py). prompt: turns, or a
# text that is the one turn of a user. Of the last two no task type has a column: so are columns of
# sources read, and what they become is a string, and turns.
Kind = Literal[
    "text", "label", "labels", "texts", "tags", "number", "integer", "turns", "groups", "prompt"
]
# Formats of files that name no columns of their own.
FileFormat = Literal["text_files", "conll", "squad", "tacred", "semeval"]
FILE_FORMATS: Final[frozenset[str]] = frozenset(get_args(FileFormat))
_RELATION_COLUMNS: Final = frozenset(
    {
        "text", "subject_start", "subject_end", "subject_type", "object_start", "object_end",
        "object_type", "relation",
    }
)  # fmt: skip
# The columns that files of these formats hold.
COLUMNS_OF_FORMAT: Final[Mapping[FileFormat, frozenset[str]]] = {
    "text_files": frozenset({"text", "label"}),
    "conll": frozenset({"tokens", "tags"}),
    "squad": frozenset({"question", "context", "answer", "answer_start"}),
    "tacred": _RELATION_COLUMNS,
    "semeval": _RELATION_COLUMNS,
}
# The column that names the author, document or conversation of a row.
CLUSTER: Final = "cluster"
# What the source's column of the splits says of a row, in shards alone.
SPLIT_WORD: Final = "split_word"
# Names that the snapshot, the quarantine file or a check gives to a column of its own.
OWN_COLUMNS: Final = frozenset(
    {
        "row_id", "split", CLUSTER, "source_name", "file", "row", "reasons", "values", "raw",
        "position", "text_length", "token_length", "splits_of_text", "language", "conflict",
        "equal_text", "near_duplicate", "overlap", "golden_row", "personal_data", "control_token",
        SPLIT_WORD,
    }
)  # fmt: skip
# What a person reads of a row; a task type has inputs of one of these kinds at least.
READ_KINDS: Final = frozenset({"text", "texts", "turns"})
# What a model reads, and a request holds: beside such, places in a text, and names that come with
# them, such as the type of an entity.
INPUT_KINDS: Final = READ_KINDS | {"integer", "label"}
LABEL_KINDS: Final = frozenset({"label", "labels", "tags"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a row.

    Attributes:
        is_input: whether the model reads it; a row_id is taken over all such, and over the answers
            of a preference.
        may_be_missing: whether a row without it keeps the contract.
        examples: two values of an input column, in any script, which show a consumer what to send;
            of texts their words parted by spaces, of turns the user's, of integers their digits.

    """

    name: str
    kind: Kind
    is_input: bool = False
    may_be_missing: bool = False
    examples: tuple[str, str] = ("A short text.", "另一个句子。")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Columns of an answer that is copied from a text.

    Attributes:
        context: the text.
        answer: a passage of it; missing where it holds no answer.
        start: where it begins, in characters (Unicode code points) of the context.

    """

    context: str
    answer: str
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Columns of something that is marked in a text, all of them inputs.

    Attributes:
        text: the text that it stands in.
        start: its first character (Unicode code points), counted from 0.
        end: the character behind its last one.
        type: what it is, for example a person.

    """

    text: str
    start: str
    end: str
    type: str

    @property
    def names(self) -> tuple[str, ...]:
        """All four columns."""
        return self.text, self.start, self.end, self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class RowShape:
    """The columns of a task type's rows, and what the data stages must know of them.

    What follows from a column's kind alone is not said again: that turns alternate, that a label is
    of the label set, that a list of labels names each once.

    Attributes:
        task_type: its name.
        leading: the metric that models are compared in before all others.
        margin: how far behind champion and anchor a candidate may lie in it, where a line says
            nothing.
        label_column: the column whose values are classes, of kind label, labels or tags; None where
            there are none.
        min_labels: labels that the clean rows must hold at least, O left out of tags.
        tagged_column: of tags, the column of the words that they stand at.
        target_column: the column of the number that the model gives; None where it gives none.
        gives_vectors: whether an answer is a vector, of which no two models give the same.
        passage: where an answer is a passage of another column.
        entities: what is marked in a text of the row, all in the same one; none of most task types.
            The text is then not yet what is asked: rows of one text may differ in their marks. They
            fall in the same split.
        pair: two columns of texts; the contract may bound the second's length over the first's.
        preference: two columns of answers to the turns of a row, the one that was chosen and the
            one that was rejected. The turns are then a prompt, which ends with a user's. Of one
            prompt there may be several pairs, which fall in the same split; a row is told by both
            answers, too.
        file_formats: formats without named columns whose files hold such rows.
        split_column: column of the source that says the split of each row; None where none does.

    """

    task_type: str
    columns: tuple[Column, ...]
    leading: str
    margin: float = 0.02
    label_column: str | None = None
    min_labels: int = 2
    tagged_column: str | None = None
    target_column: str | None = None
    gives_vectors: bool = False
    passage: Passage | None = None
    entities: tuple[Entity, ...] = ()
    pair: tuple[str, str] | None = None
    preference: tuple[str, str] | None = None
    file_formats: frozenset[FileFormat] = frozenset()
    split_column: str | None = None

    def __post_init__(self) -> None:
        if wrong := next(self._faults(), None):
            raise ValueError(f"the row shape of {self.task_type} {wrong}")

    def _faults(self) -> Iterator[str]:
        passage = self.passage
        named = {self.label_column, self.tagged_column, self.target_column, *(self.pair or ())}
        named |= {passage.context, passage.answer, passage.start} if passage else set()
        named |= {name for one in self.entities for name in one.names}
        named |= set(self.preference or ())
        if unknown := named - {None, *self.names}:
            yield f"names {sorted(map(str, unknown))}, none of its columns {list(self.names)}"
        if taken := OWN_COLUMNS & set(self.names):
            yield f"names a column {sorted(taken)}, which the stages call a column of their own"
        yield from self._faults_of_inputs()
        kind = self.labels.kind if self.labels else None
        if kind and kind not in LABEL_KINDS:
            yield f"has labels of kind {kind}; right would be one of {sorted(LABEL_KINDS)}"
        for name in sorted(self.file_formats):
            if lacking := sorted(set(self.names) - COLUMNS_OF_FORMAT[name]):
                yield f"has columns {lacking}, which files of the format {name} do not hold"
        if (kind == "tags") is not self.has_tags:
            yield "must name a tagged_column for labels of kind tags, and for no others"

    def _faults_of_inputs(self) -> Iterator[str]:
        kinds = {column.kind for column in self.inputs}
        if not kinds & READ_KINDS or kinds - INPUT_KINDS:
            right = f"one or more of {sorted(READ_KINDS)}, and beside them integer and label"
            yield f"has inputs of kind {sorted(kinds)}; right would be {right}"
        texts = {one.text for one in self.entities}
        if len(texts) > 1:
            yield f"marks entities in {sorted(texts)}; name one text"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that the model reads."""
        return tuple(column for column in self.columns if column.is_input)

    @property
    def labels(self) -> Column | None:
        """The column whose values are classes."""
        return next((one for one in self.columns if one.name == self.label_column), None)

    @property
    def answered(self) -> Column | None:
        """The column that holds what the model is to answer; None where rows hold inputs alone.

        Of several, such as an answer and where it starts, the first. Two answers of which one was
        preferred are none that was to be given.
        """
        if self.preference:
            return None
        others = (column for column in self.columns if not column.is_input)
        named = (one for one in self.columns if one.name == self.target_column)
        return self.labels or next(named, next(others, None))

    @property
    def asks_of_text(self) -> bool:
        """Whether rows of one text may differ in what is asked of it, and are no copies then."""
        return bool(self.entities or self.preference)

    @property
    def told_by(self) -> tuple[Column, ...]:
        """The columns whose values make a row the one that it is."""
        names = self.preference or ()
        return tuple(one for one in self.columns if one.is_input or one.name in names)

    @property
    def has_one_class(self) -> bool:
        """Whether each row is of exactly one class."""
        return self.labels is not None and self.labels.kind == "label"

    @property
    def has_tags(self) -> bool:
        """Whether labels stand at words, and mark spans."""
        return self.tagged_column is not None


TEXT: Final = Column("text", "text", is_input=True)
PAIR: Final = (Column("source", "text", is_input=True), Column("target", "text"))


def arrow_type(kind: Kind) -> "pa.DataType":
    """How a column of this kind is kept in Arrow and Parquet."""
    import pyarrow as pa

    if kind in {"labels", "texts", "tags"}:
        return pa.list_(pa.string())
    if kind in {"turns", "prompt"}:
        return pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    return {"number": pa.float64(), "integer": pa.int64()}.get(kind, pa.string())


def texts_of(shape: RowShape, rows: "pa.Table") -> "pa.ChunkedArray":
    """One string a row: what a person would read of its inputs. Null where all of it is missing.

    Texts of a row stand on lines of their own, tokens are parted by spaces, and turns by lines.
    What is marked in a text is left out; see `asked_of`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    for column in (one for one in shape.inputs if one.kind in READ_KINDS):
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


def asked_of(shape: RowShape, rows: "pa.Table") -> "pa.ChunkedArray":
    """`texts_of`, and before each text what is marked in it: ``[person: Ada] Ada lives in Bonn``.

    Two rows of one text that ask of other entities are told apart by it. A mark that lies outside
    of its text is left out.
    """
    import pyarrow as pa

    texts = texts_of(shape, rows)
    if not shape.entities:
        return texts
    marks = []
    for one in shape.entities:
        columns = zip(*(rows[name].to_pylist() for name in one.names), strict=True)
        marks.append(["" if None in row else _mark(*row) for row in columns])
    told = [
        None if text is None else f"{''.join(own)}{text}"
        for text, *own in zip(texts.to_pylist(), *marks, strict=True)
    ]
    return pa.chunked_array([pa.array(told, pa.string())])


def _mark(text: str, start: int, end: int, kind: str) -> str:
    return f"[{kind}: {text[start:end]}] " if 0 <= start < end <= len(text) else ""

"""A small language for parts of the rows, such as ``length > 100 and region == "north"``.

It is read by Python's parser and turned into a filter of Arrow; nothing of it is ever run as code.
Columns whose names are no names of Python stand in backticks, as in pandas: `` `review text` ``.
"""

import ast
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CHARACTERS: Final = 500
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
}


# A string, which may hold a backtick, or a name in backticks.
_QUOTED: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|`([^`]+)`""")
_INT64: Final = range(-(2**63), 2**63)

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of an expression.

    Attributes:
        values: that the column is compared with; several after ``in``.

    """

    column: str
    values: tuple[Value, ...]


def check_expression(text: str) -> set[str]:
    """The names of columns that an expression reads.

    Raises:
        ValueError: it is not an expression of this language.

    """
    return {one.column for one in comparisons_of(text)}


def comparisons_of(text: str) -> tuple[Comparison, ...]:
    """The comparisons that an expression is made of, from left to right.

    Raises:
        ValueError: it is not an expression of this language.

    """
    tree, names = _parsed(text)
    _check_condition(tree, text)
    return tuple(_comparisons(tree, names))


def rows_that_match(rows: "pa.Table", text: str) -> Any:
    """Which rows (N,) an expression holds for; one over a missing value does not hold.

    Raises:
        ValueError: it is not an expression of this language, names a column that there is not, or
            compares values of different kinds.

    """
    import numpy as np

    found = holds_for(rows, text)
    return np.asarray(found.fill_null(False).to_numpy(), dtype=np.bool_)  # noqa: FBT003


def holds_for(rows: "pa.Table", text: str) -> "pa.ChunkedArray":
    """Whether an expression holds for each row (N,); null where a missing value leaves it open.

    Raises:
        ValueError: as `rows_that_match`.

    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    names = check_expression(text)
    if missing := sorted(names - set(rows.column_names)):
        raise ValueError(f"there is no column {missing}; there are {rows.column_names}")
    condition = _condition(*_parsed(text))
    try:
        found = ds.dataset(rows.select(sorted(names))).to_table(columns={"holds": condition})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise ValueError(f"{text!r} compares values of different kinds: {error}") from error
    return found["holds"]


def _parsed(text: str) -> tuple[ast.expr, dict[str, str]]:
    """The tree, and the columns that names in it stand for, where they are not called so."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{len(text)} characters; at most {MAX_CHARACTERS} are read")
    names: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[0]
        placeholder = f"_quoted_{len(names)}_"
        names[placeholder] = match[2]
        return placeholder

    try:
        return ast.parse(_QUOTED.sub(name, text.strip()), mode="eval").body, names
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} cannot be read: {error}") from error


def _check_condition(node: ast.expr, text: str) -> None:
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check_condition(value, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check_condition(node.operand, text)
    elif not (isinstance(node, ast.Compare) and _is_comparison(node)):
        raise ValueError(
            f"{text!r}: {ast.unparse(node)!r} is no comparison of a column with a value, such as "
            '`length > 100`, `label == "x"` or `label in ("x", "y")`'
        )
    else:
        _check_values(node, text)


def _check_values(node: ast.Compare, text: str) -> None:
    values = _values(node)
    if not all(map(_can_be_compared, values)):
        raise ValueError(f"{text!r}: a number in it has too many digits to be compared")
    if len({isinstance(value, str) for value in values}) > 1:
        raise ValueError(f"{text!r}: {ast.unparse(node)!r} mixes texts and numbers")


def _can_be_compared(value: Value) -> bool:
    """Whether Arrow has a type for it."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) or value in _INT64


def _values(node: ast.Compare) -> tuple[Value, ...]:
    value = ast.literal_eval(node.comparators[0])
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _comparisons(node: ast.expr, names: dict[str, str]) -> Iterator[Comparison]:
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _comparisons(value, names)
    elif isinstance(node, ast.UnaryOp):
        yield from _comparisons(node.operand, names)
    elif isinstance(node, ast.Compare):
        yield Comparison(_column(node, names), _values(node))


def _column(node: ast.Compare, names: dict[str, str]) -> str:
    assert isinstance(node.left, ast.Name)  # noqa: S101 - the check let nothing else through
    return names.get(node.left.id, node.left.id)


def _is_comparison(node: ast.Compare) -> bool:
    if not isinstance(node.left, ast.Name) or len(node.ops) != 1:
        return False
    right = node.comparators[0]
    if isinstance(node.ops[0], ast.In | ast.NotIn):
        return isinstance(right, ast.Tuple | ast.List) and all(map(_is_value, right.elts))
    return type(node.ops[0]) in _COMPARISONS and _is_value(right)


def _is_value(node: ast.expr) -> bool:
    try:
        value = ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return False
    return isinstance(value, str | int | float)


def _condition(node: ast.expr, names: dict[str, str]) -> Any:
    """The checked expression as one of Arrow."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(node, ast.BoolOp):
        found = _condition(node.values[0], names)
        for value in node.values[1:]:
            other = _condition(value, names)
            found = found & other if isinstance(node.op, ast.And) else found | other
        return found
    if isinstance(node, ast.UnaryOp):
        return ~_condition(node.operand, names)
    assert isinstance(node, ast.Compare)  # noqa: S101 - the check let nothing else through
    field, operator = pc.field(_column(node, names)), node.ops[0]
    if isinstance(operator, ast.In | ast.NotIn):
        within = field.isin(list(_values(node)))
        # A missing value is neither in nor out.
        known = within if isinstance(operator, ast.In) else ~within
        return pc.if_else(field.is_valid(), known, pa.scalar(None, pa.bool_()))
    return _COMPARISONS[type(operator)](field, _values(node)[0])

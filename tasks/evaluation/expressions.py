"""A small language for parts of the rows, such as ``length > 100 and region == "north"``.

It is read by Python's parser and turned into a filter of Arrow; nothing of it is ever run as code.
"""

import ast
from collections.abc import Callable
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


def check_expression(text: str) -> set[str]:
    """The names of columns that an expression reads.

    Raises:
        ValueError: it is not an expression of this language.

    """
    tree = _parsed(text)
    _check_condition(tree, text)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def rows_that_match(rows: "pa.Table", text: str) -> Any:
    """Which rows (N,) an expression holds for; one over a missing value does not hold.

    Raises:
        ValueError: it is not an expression of this language, names a column that there is not, or
            compares values of different kinds.

    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.dataset as ds

    names = check_expression(text)
    if missing := sorted(names - set(rows.column_names)):
        raise ValueError(f"there is no column {missing}; there are {rows.column_names}")
    condition = _condition(_parsed(text))
    try:
        found = ds.dataset(rows.select(sorted(names))).to_table(columns={"holds": condition})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise ValueError(f"{text!r} compares values of different kinds: {error}") from error
    return np.asarray(found["holds"].fill_null(False).to_numpy(), dtype=np.bool_)  # noqa: FBT003


def _parsed(text: str) -> ast.expr:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{len(text)} characters; at most {MAX_CHARACTERS} are read")
    try:
        return ast.parse(text.strip(), mode="eval").body
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


def _condition(node: ast.expr) -> Any:
    """The checked expression as one of Arrow."""
    import pyarrow.compute as pc

    if isinstance(node, ast.BoolOp):
        found = _condition(node.values[0])
        for value in node.values[1:]:
            other = _condition(value)
            found = found & other if isinstance(node.op, ast.And) else found | other
        return found
    if isinstance(node, ast.UnaryOp):
        return ~_condition(node.operand)
    assert isinstance(node, ast.Compare)  # noqa: S101 - the check let nothing else through
    assert isinstance(node.left, ast.Name)  # noqa: S101
    field, operator = pc.field(node.left.id), node.ops[0]
    if isinstance(operator, ast.In | ast.NotIn):
        within = field.isin(list(ast.literal_eval(node.comparators[0])))
        # A missing value is neither in nor out.
        return (within if isinstance(operator, ast.In) else ~within) & field.is_valid()
    return _COMPARISONS[type(operator)](field, ast.literal_eval(node.comparators[0]))

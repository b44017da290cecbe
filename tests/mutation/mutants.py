"""Mutants of a module: its text with one small mistake each, found by its syntax tree."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    "Lt": ("<=", ">="), "LtE": ("<", ">"), "Gt": (">=", "<="), "GtE": (">", "<"), "Eq": ("!=",),
    "NotEq": ("==",), "Is": ("is not",), "IsNot": ("is",), "In": ("not in",), "NotIn": ("in",),
}  # fmt: skip
OPERATORS = {
    "Add": "-", "Sub": "+", "Mult": "/", "Div": "*", "Pow": "*", "FloorDiv": "*", "Mod": "//",
    "BitAnd": "|", "BitOr": "&",
}  # fmt: skip
# Functions and methods, and names of ends, sides and models, that are easily taken for each other.
FUNCTIONS = (
    ("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"),
    ("floor", "ceil"), ("zeros", "ones"), ("sum", "mean"),
)  # fmt: skip
VALUES = (
    ("low", "high"), ("lows", "highs"), ("inside", "outside"), ("first", "second"),
    ("hits", "misses"), ("truth", "predicted"), ("ours", "theirs"), ("before", "after"),
    ("positive", "negative"), ("bad", "good"), ("left", "right"),
)  # fmt: skip
OTHER_FUNCTION = dict(FUNCTIONS) | {other: one for one, other in FUNCTIONS}
OTHER_VALUE = dict(VALUES) | {other: one for one, other in VALUES}
# Functions whose first two arguments may change places, and such as make of a value another one.
SYMMETRIC = {"min", "max", "minimum", "maximum", "isclose", "array_equal"}
UNDONE = {"abs", "sqrt", "clip", "sorted"}
# Words for people, types, and keywords that say nothing of numbers.
LEFT_OUT = (ast.JoinedStr, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)
LEFT_OUT_FIELDS = {"annotation", "returns", "decorator_list"}
LEFT_OUT_KEYWORDS = {"strict", "ensure_ascii"}
Function = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Mutant:
    """One changed piece of a module.

    Attributes:
        path: of the module, from the project's root.
        name: module, function, and the lines before and after the change; it stays when lines
            elsewhere come or go.
        text: of the whole module.

    """

    path: str
    name: str
    text: str

    def rank(self, seed: int) -> str:
        """A place in an order by chance that stays when other mutants come or go."""
        return hashlib.sha256(f"{seed} {self.name}".encode()).hexdigest()


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """All mutants of a module, each name once."""
    source = (root / path).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: dict[str, Mutant] = {}
    for node, new, where in _changes(ast.parse(source), "", frozenset()):
        begin, end = starts[node.lineno - 1], starts[node.end_lineno or node.lineno]
        head = source[begin : begin + node.col_offset].decode()
        last = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        tail = source[last:end].decode()
        before = " ".join(source[begin:end].decode().split())
        after = " ".join(f"{head}{new}{tail}".split())
        name = f"{path} {where or 'module'}: {before} → {after}"
        text = f"{source[:begin].decode()}{head}{new}{tail}{source[end:].decode()}"
        if after != before:
            found.setdefault(name, Mutant(path, name, text))
    return list(found.values())


def _changes(
    node: ast.AST, where: str, known: frozenset[str]
) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    """Nodes below one, what may stand instead of each, and the function around it."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if (
                field in LEFT_OUT_FIELDS
                or not isinstance(child, ast.AST)
                or isinstance(child, LEFT_OUT)
                or (isinstance(child, ast.keyword) and child.arg in LEFT_OUT_KEYWORDS)
                or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
            ):
                continue
            inner, names = where, known
            if isinstance(child, Function):
                inner = f"{where}.{child.name}".lstrip(".")
                names = frozenset(
                    getattr(one, "id", None) or getattr(one, "arg", None) or ""
                    for one in ast.walk(child)
                )
            for changed, new in _of_node(child, names):
                yield changed, new, inner
            yield from _changes(child, inner, names)


def _of_node(node: ast.AST, known: frozenset[str]) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    yield from _of_statement(node)
    yield from _of_operator(node)
    yield from _of_value(node, known)


def _of_statement(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    match node:
        case ast.AugAssign() if op := OPERATORS.get(type(node.op).__name__):
            yield node, f"{ast.unparse(node.target)} {op}= {ast.unparse(node.value)}"
        case ast.If() | ast.While():
            yield node.test, f"not ({ast.unparse(node.test)})"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield value, "None"
        case ast.Expr(value=ast.Call()) | ast.Continue():
            yield node, "pass"


def _of_operator(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    text = ast.unparse
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            for other in COMPARISONS[type(op).__name__]:
                yield node, f"({text(left)} {other} {text(right)})"
        case ast.BinOp() if (other := OPERATORS.get(type(node.op).__name__)) and not _is_text(node):
            yield node, f"(({text(node.left)}) {other} ({text(node.right)}))"
        case ast.UnaryOp():
            yield node, f"({text(node.operand)})"
        case ast.BoolOp():
            other = " or " if isinstance(node.op, ast.And) else " and "
            yield node, f"({other.join(f'({text(value)})' for value in node.values)})"
        case ast.IfExp():
            yield node, f"({text(node.orelse)} if {text(node.test)} else {text(node.body)})"


def _of_value(node: ast.AST, known: frozenset[str]) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.Constant():
            for value in _other_constants(node.value):
                yield node, repr(value)
        case ast.Call():
            yield from ((node, new) for new in _other_calls(node))
        case ast.Attribute(attr=name) if name in OTHER_FUNCTION:
            yield node, f"({ast.unparse(node.value)}).{OTHER_FUNCTION[name]}"
        case ast.Name(id=name) if name in OTHER_FUNCTION:
            yield node, OTHER_FUNCTION[name]
        case ast.Name(id=name, ctx=ast.Load()) if OTHER_VALUE.get(name) in known:
            yield node, OTHER_VALUE[name]


def _other_constants(value: object) -> tuple[object, ...]:
    match value:
        case bool():
            return (not value,)
        case int():
            return (value + 1, value - 1 if value else 2)
        case float():
            return (value * 2 or 1.0,)
        case "left" | "right":
            return (OTHER_VALUE[value],)
    return ()


def _other_calls(node: ast.Call) -> Iterator[str]:
    """Two arguments exchanged; a value as it is, where a function changed it."""
    name = ast.unparse(node.func).rsplit(".", 1)[-1]
    match node.args:
        case [one, two, *rest] if name not in SYMMETRIC and not isinstance(two, ast.Starred):
            if ast.dump(one) != ast.dump(two):
                yield ast.unparse(ast.Call(node.func, [two, one, *rest], node.keywords))
    if name in UNDONE and node.args:
        yield f"({ast.unparse(node.args[0])})"


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )

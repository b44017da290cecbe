"""What the console command prints: lines, tables, JSON and errors."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
Style = Literal["good", "bad", "quiet", "plain"]

MAX_COLUMNS = 400  # wider than any table; rich would fold at 80 where nobody watches
_COLOURS: dict[Style, str] = {"good": "green", "bad": "red", "quiet": "dim", "plain": "none"}
# From faint to strong, of the 256 colours that terminals have.
_GREENS = ("#d7ffd7", "#afffaf", "#87ff87", "#5fd75f")
_REDS = ("#ffd7d7", "#ffafaf", "#ff8787", "#ff5f5f")
_STEPS = len(_GREENS)


def _out() -> Console:
    return Console(soft_wrap=True, highlight=False)


def say(text: str = "", style: Style = "plain") -> None:
    """Print a line."""
    _out().print(escape(text), style=_COLOURS[style])


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; no cell is cut or folded."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console(width=MAX_COLUMNS, highlight=False).print(table)


def show_marked(pieces: Iterable[tuple[str, float]]) -> None:
    """Print a text in pieces, each on green by how far it is above 0 and on red by below.

    Args:
        pieces: text and strength, from -1 to 1.

    """
    line = Text()
    for text, strength in pieces:
        step = round(_STEPS * abs(strength))
        colours = _GREENS if strength > 0 else _REDS
        line.append(text, style=f"black on {colours[step - 1]}" if step else "none")
    _out().print(line)


def show_json(value: Json) -> None:
    """Print a value for a script: one JSON document on standard output, and nothing else there."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def show_error(error: Exception, what: str = "error") -> None:
    """Print an error's message on standard error, in one piece."""
    sys.stderr.write(f"{what}: {error}\n")

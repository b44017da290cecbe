"""Forms in which other tools write rows, told by the names of their columns.

What is not read in such a form is at least named, with the setting or the export that would be.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class _Form:
    """A form that lacks a column.

    Attributes:
        lacks: the column of the row that is not there by its name.
        fits: whether files with these columns are of the form.
        mend: what would be right.

    """

    lacks: frozenset[str]
    fits: Callable[[Collection[str]], bool]
    mend: str


def _with(*names: str, one_of: Collection[str] = ()) -> Callable[[Collection[str]], bool]:
    def fits(present: Collection[str]) -> bool:
        some = not one_of or any(name in present for name in one_of)
        return some and all(name in present for name in names)

    return fits


_ANY: Final = frozenset({"text", "label", "labels", "target", "tokens", "tags", "messages"})
_FORMS: Final = (
    _Form(
        _ANY,
        _with("data", one_of=("annotations", "completions", "predictions")),
        "this is the full export of Label Studio; export JSON-MIN or CSV, or CONLL2003 for tagging "
        "(source.format: conll)",
    ),
    _Form(
        frozenset({"messages"}),
        _with("conversations"),
        "if conversations holds lists of turns, set source.columns: {messages: conversations}",
    ),
    _Form(
        frozenset({"messages"}),
        _with("prompt", one_of=("chosen", "rejected")),
        "if prompt holds texts or lists of turns, set source.columns: {messages: prompt}",
    ),
    _Form(
        frozenset({"messages"}),
        _with(one_of=("instruction", "prompt", "question", "input")),
        "a row of chat is a list of turns: write question and answer as messages, "
        '[{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]',
    ),
    _Form(
        frozenset({"answer", "answer_start"}),
        _with("answers"),
        "if answers holds lists of text and answer_start, set source.columns: {answer: "
        "answers.text.0, answer_start: answers.answer_start.0}",
    ),
    _Form(
        frozenset({"source", "target"}),
        _with("translation"),
        "if translation holds a text for each language, name both: source.columns: {source: "
        "translation.en, target: translation.fr}",
    ),
    _Form(
        frozenset({"tokens", "tags"}),
        _with("text", one_of=("entities", "label", "labels", "spans", "annotations")),
        "spans of characters, as doccano, Label Studio and spaCy write them, are not read; export "
        "CoNLL, with a token and its tag a line, and set source.format: conll",
    ),
    _Form(
        frozenset({"tokens", "tags"}),
        _with("Word", "Tag"),
        "a row is a whole sentence; write a token and its tag a line, an empty line between "
        "sentences, and set source.format: conll",
    ),
    _Form(
        frozenset({"labels"}),
        _with("text"),
        "where each label has a column of 0 and 1, write a row's labels as one list",
    ),
)


def mend_of_form(lacking: str, present: Collection[str]) -> str:
    """What would be right of a file that lacks a column of the row; empty where no form is known.

    Args:
        lacking: the name of the column in the row.
        present: the columns of the file.

    """
    found = (form for form in _FORMS if lacking in form.lacks and form.fits(present))
    form = next(found, None)
    return f"; {form.mend}" if form else ""

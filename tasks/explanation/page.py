"""An explained answer as one HTML file: no script, nothing loaded from anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.explanation.answers import ExplainedAnswer

TEMPLATE: Final = "page.html.jinja"


@dataclass(frozen=True)
class Mark:
    """A piece of the text as the page shows it.

    Attributes:
        side: for, against, unread, or empty between words.
        strength: of the strongest word's, from 0 to 1.
        value: as it is written; empty between words.

    """

    text: str
    side: str = ""
    strength: float = 0.0
    value: str = ""


def marks_of(answer: ExplainedAnswer) -> Iterator[Mark]:
    """The whole text in pieces: its words with what they add, and what stands between them."""
    most = max((abs(word.value) for word in answer.words if word.value is not None), default=0.0)
    end = 0
    for word in answer.words:
        if word.start > end:
            yield Mark(answer.text[end : word.start])
        end = word.end
        if word.value is None:
            yield Mark(word.text, "unread", 0.0, "not read")
        else:
            side = "for" if word.value >= 0 else "against"
            strength = abs(word.value) / most if most else 0.0
            yield Mark(word.text, side, strength, f"{word.value:+.3f}")
    if end < len(answer.text):
        yield Mark(answer.text[end:])


def render_page(answer: ExplainedAnswer, title: str) -> str:
    """The page; the same answer gives the same bytes.

    Args:
        answer: with the attributions.
        title: which model it is of.

    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    marks = list(marks_of(answer))
    return environment.get_template(TEMPLATE).render(answer=answer, marks=marks, title=title)

"""The command `assayline explain`: why the version in production answers a text as it does."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from flows.commands import console
from flows.commands.line_commands import AsJson
from infra.errors import SettingsError
from infra.settings import load_settings
from tasks.explanation.asked_answer import AskedAnswer
from tasks.records.explanation import METHODS, Method

if TYPE_CHECKING:
    from tasks.explanation.answers import ExplainedAnswer

WORDS_SHOWN: Final = 20
Chosen = Annotated[Method, Parameter(help="How the words' part in the answer is told.")]
Label = Annotated[
    str,
    Parameter(help="The label whose probability is explained; if left out, the model's answer."),
]
Of = Annotated[
    str,
    Parameter(
        help="Of a tagging line: the entity or the word whose tags are explained; if left out, the "
        "first entity that the model finds."
    ),
]
Question = Annotated[str, Parameter(help="Of a question answering line: what is asked.")]
Html = Annotated[
    Path | None,
    Parameter(help="A file to write the explanation to as one HTML page, without any script."),
]


def explain(
    line: str,
    text: str,
    *,
    method: Chosen = METHODS[0],
    label: Label = "",
    of: Of = "",
    question: Question = "",
    html: Html = None,
    as_json: AsJson = False,
) -> int:
    """Show which words moved the answer of a line's version in production to a text.

    The version is fetched and held against its manifest, as it is before it is served. Its report
    says how far each method is to be believed of it, where the line's settings have `explanation`.

    Args:
        line: the model line.
        text: that is asked, in quotes.
    """
    if html is not None and not html.absolute().parent.is_dir():
        raise SettingsError(f"--html is {html}, and there is no folder {html.absolute().parent}")
    for given in (text, of, question):
        try:
            given.encode()
        except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8
            raise SettingsError(f"the text {given!r} is no UTF-8; write it as UTF-8") from error
    title, answer = _answer(line, AskedAnswer(text, method, label, of, question))
    if html is not None:
        from tasks.explanation.page import render_page

        html.write_text(render_page(answer, title), encoding="utf-8")
    if as_json:
        console.show_json({"version": title, "sentence": answer.sentence, **asdict(answer)})
        return 0
    _show(answer, title)
    if html is not None:
        console.say(f"the page is {html}", "quiet")
    return 0


def _answer(line: str, asked: AskedAnswer) -> tuple[str, "ExplainedAnswer"]:
    """Which version it is, and its explained answer."""
    from infra.store import ObjectStore
    from infra.tracking import Tracking
    from tasks.explanation.answers import check_can_be_explained
    from tasks.explanation.asked_answer import explain_answer
    from tasks.registry.production import production_of
    from tasks.serving.production_model import download_model

    settings = load_settings()
    store, tracking = ObjectStore(settings), Tracking(settings)
    production = production_of(line, store=store, tracking=tracking)
    check_can_be_explained(production.task_type, asked.method)
    asked.check(production.task_type)
    with tempfile.TemporaryDirectory(prefix="explain-") as name:
        folder = download_model(production, Path(name), store=store, tracking=tracking)
        answer = explain_answer(folder, production, asked)
    return f"{line} version {production.version}", answer


def _show(answer: "ExplainedAnswer", title: str) -> None:
    console.say(f"{title}, by {answer.method.replace('_', ' ')}")
    console.say(answer.sentence)
    console.say()
    console.show_marked(_marks(answer))
    console.say()
    shown = answer.strongest[:WORDS_SHOWN]
    console.show_table(("word", "adds"), [(w.text, f"{w.value or 0.0:+.3f}") for w in shown])
    if more := len(answer.strongest) - len(shown):
        console.say(f"and {more} weaker words", "quiet")
    if answer.cut:
        console.say(f"{answer.cut} words lie beyond what the model reads at once", "quiet")
    if answer.delta is not None:
        console.say(f"convergence delta {answer.delta:+.4f}", "quiet")
    console.say()
    console.say(answer.says, "quiet")


def _marks(answer: "ExplainedAnswer") -> list[tuple[str, float]]:
    """The text in pieces, each with its share of the strongest word's part, from -1 to 1."""
    from tasks.explanation.page import marks_of

    sides = {"for": 1.0, "against": -1.0}
    return [(mark.text, sides.get(mark.side, 0.0) * mark.strength) for mark in marks_of(answer)]

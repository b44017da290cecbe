"""One answer of a version, explained by whatever its task type asks for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import SettingsError
from tasks.task_types.placed_answers import QUESTIONS, TAGGING

if TYPE_CHECKING:
    from tasks.explanation.answers import ExplainedAnswer
    from tasks.records.registry import Production


@dataclass(frozen=True)
class AskedAnswer:
    """Which answer is explained.

    Attributes:
        text: that is asked, or in which the answer to a question is sought.
        method: of `tasks.records.explanation.METHODS`.
        label: that is explained; the model's own answer where it is empty.
        passage: of a tagger, the entity or word whose tags are explained.
        question: of a model that finds answers.

    """

    text: str
    method: str
    label: str = ""
    passage: str = ""
    question: str = ""

    def check(self, task_type: str) -> None:
        """Refuse what a task type has no use for, or lacks.

        Raises:
            SettingsError: the message names the option.

        """
        if self.passage and task_type != TAGGING:
            raise SettingsError(f"--of names a word of a text, and {task_type} tags no words")
        if self.question and task_type != QUESTIONS:
            raise SettingsError(f"--question asks something, and {task_type} answers no questions")
        if task_type == QUESTIONS and not self.question:
            raise SettingsError("the model answers questions; ask one by --question")
        if task_type == QUESTIONS and self.label:
            raise SettingsError("--label names a label, and answers to questions have none")


def explain_answer(folder: Path, version: "Production", asked: AskedAnswer) -> "ExplainedAnswer":
    """Explain one answer of a version.

    Args:
        folder: its model and tokenizer, as transformers saves them.
        version: which one.
        asked: what is explained.

    Raises:
        SettingsError: there is no such answer, or it is not explained by the method.
        BaseModelError, TrainingError: the model cannot be asked.

    """
    from infra.transformers_logs import quiet_transformers
    from tasks.explanation.answers import explain_placed, explain_texts
    from tasks.explanation.placed_answers import found_answers, tagged
    from tasks.explanation.placed_network import load_span_network, load_tag_network
    from tasks.task_types.limits import TokenLimits

    limits, kind = TokenLimits.of(version), version.task_type
    asked.check(kind)
    with quiet_transformers():
        if kind == TAGGING:
            tagger = load_tag_network(folder, version.labels, limits)
            chosen = tagged(tagger, asked.text, asked.label, asked.passage)
            (answer,) = explain_placed(tagger, [chosen], asked.method)
        elif kind == QUESTIONS:
            finder = load_span_network(folder, limits)
            found = found_answers(finder, [asked.question], [asked.text])
            (answer,) = explain_placed(finder, found, asked.method)
        else:
            (answer,) = explain_texts(folder, kind, limits, [asked.text], asked.method, asked.label)
    return answer

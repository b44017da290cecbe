"""What of a line's explanation can be refused before anything is trained."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.explanation.settings import ExplanationSettings
from tasks.records.explanation import BY_CAPTUM, OF_TORCH
from tasks.task_types.labels.explained_numbers import why_no_explanation
from tasks.task_types.placed_answers import PLACED

if TYPE_CHECKING:
    from flows.config import RetrainConfig


def wrong_explanation(
    config: "RetrainConfig", explanation: ExplanationSettings
) -> Iterator[WrongSetting]:
    """What other settings of the line, and what is installed, leave no room for.

    Args:
        config: the line's settings.
        explanation: of these.

    """
    is_placed = config.task_type in PLACED
    if not is_placed and (why := why_no_explanation(config.task_type)):
        said = f"{why}, of {' and of '.join(PLACED)}; leave explanation out"
        yield WrongSetting(("explanation",), said, config.task_type)
    if is_placed and are_valid(explanation, "rationales") and explanation.rationales is not None:
        yield WrongSetting(
            ("explanation", "rationales"),
            "explanation.rationales marks the words that people took the label of a text from, and "
            f"{config.task_type} labels no texts; leave it out",
            config.task_type,
        )
    if not are_valid(explanation, "methods"):
        return
    asked = [name for name in explanation.methods if name in BY_CAPTUM]
    if asked and find_spec("captum") is None:
        yield WrongSetting(
            ("explanation", "methods"),
            f"{', '.join(asked)} is by Captum, and the package captum is not installed; install "
            "assayline[explanation], or name occlusion alone",
            list(explanation.methods),
        )
    others = [name for name in explanation.methods if name in OF_TORCH]
    if others and config.compression is not None:
        yield WrongSetting(
            ("explanation", "methods"),
            f"explanation.methods names {', '.join(others)}, which ask for gradients or attention, "
            "and compression leaves neither; set methods to [occlusion]",
            list(explanation.methods),
        )

"""What of a line's abstention can be refused before anything is read or trained."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings_models import WrongSetting, are_valid
from tasks.abstention.settings import AbstentionSettings
from tasks.task_types.labels.abstention import ABSTAIN, why_no_softmax

if TYPE_CHECKING:
    from flows.config import RetrainConfig


def wrong_abstention(
    config: "RetrainConfig", abstention: AbstentionSettings
) -> Iterator[WrongSetting]:
    """Task types whose answers have no probability to withhold them by, and a label of that name.

    Args:
        config: the line's settings.
        abstention: of these.

    """
    if why := why_no_softmax(config.task_type):
        given = abstention.model_dump(mode="json")
        yield WrongSetting(("abstention",), f"abstention: {why}; leave it out", given)
    labels = config.contract.labels if are_valid(config.contract, "labels") else None
    if ABSTAIN in (labels or ()):
        yield WrongSetting(
            ("contract", "labels"),
            f"contract.labels has {ABSTAIN!r}, which is what a model with abstention answers where "
            "it gives no label; rename it with source.label_map",
            list(labels or ()),
        )

"""What of a line's abstention can be refused before anything is read or trained."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from infra.settings_models import WrongSetting, are_valid
from tasks.abstention.settings import COVERAGE, FAMILY, AbstentionSettings
from tasks.task_types.labels.abstention import ABSTAIN, why_no_softmax
from tasks.verdicts import Gate

if TYPE_CHECKING:
    from flows.config import RetrainConfig

COVERED: Final = f"{FAMILY}.{COVERAGE}"
# Of a line that names no gates: half of the rows at least.
LEAST_COVERAGE: Final = 0.5


def wrong_abstention(
    config: "RetrainConfig", abstention: AbstentionSettings
) -> Iterator[WrongSetting]:
    """Task types without a probability to withhold answers by, a label of that name, and no gate.

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
    if are_valid(config, "policy") and not any(_asks_for_answers(g) for g in config.policy.gates):
        yield WrongSetting(
            ("policy", "gates"),
            "policy.gates has no gate on how many rows are answered, and a version that answers "
            "almost none keeps to any risk; add one such as {metric: "
            f"{COVERED}, at_least: {LEAST_COVERAGE:g}}}",
            [gate.metric for gate in config.policy.gates],
        )


def gates_of_abstention(given: Mapping[str, Any]) -> tuple[Gate, ...]:
    """What the policy of a line that names no gates asks of withheld answers.

    Args:
        given: the line's settings, of which one that is wrong is left out.

    """
    if given.get("abstention") is None:
        return ()
    return (Gate(metric=COVERED, at_least=LEAST_COVERAGE),)


def _asks_for_answers(gate: Gate) -> bool:
    return gate.metric == COVERED and (gate.at_least or 0) > 0

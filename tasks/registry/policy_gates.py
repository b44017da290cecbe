"""The gates that a policy names in short: its margin and its budgets, written out as gates."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from tasks.registry.settings import BudgetSettings, PolicySettings
from tasks.verdicts import Gate

COMPARED: Final = ("champion", "anchor")
_NUMBER: Final[TypeAdapter[float]] = TypeAdapter(FiniteFloat)


def written_out(given: dict[str, Any], default: PolicySettings, leading: str) -> dict[str, Any]:
    """A policy as its file has it, with every gate that it names in short among its gates.

    What is written out already stays as it is, so that this may be done again. A gate of the same
    name with another threshold is left to the policy's own checks, which refuse the pair.

    Args:
        given: the policy's settings, which were not checked yet; one that is wrong is left alone.
            Gates are added to its own list of gates.
        default: the policy of a line that names no gates; its gates are taken where none are given.
        leading: the metric that models of the task type are compared in.

    """
    short = list(_in_short(given, leading))
    if "gates" not in given:
        replaced = {gate.metric for gate in short}
        gates: list[Any] = [gate for gate in default.gates if gate.metric not in replaced]
        where_decidable = {"fairness_where_decidable": default.fairness_where_decidable}
        return where_decidable | dict(given) | {"gates": [*gates, *short]}
    if isinstance(given["gates"], list | tuple):
        known = [_rule(gate) for gate in given["gates"]]
        # The mapping itself is kept, by which what else is wrong with it is found at once.
        if added := [gate for gate in short if _rule(gate) not in known]:
            given["gates"] = [*given["gates"], *added]
    return given


def _in_short(given: Mapping[str, Any], leading: str) -> Iterator[Gate]:
    margin, budgets = _number(given.get("margin")), given.get("budgets")
    if margin is not None and margin >= 0:
        for family in COMPARED:
            yield Gate(metric=f"{family}.{leading}_gain", at_least=-margin)
    limits = dict(budgets) if isinstance(budgets, Mapping | BudgetSettings) else {}
    for name in BudgetSettings.model_fields:
        limit = _number(limits.get(name))
        if limit is not None:
            yield Gate(metric=f"staging.{name}", at_most=limit)


def _number(value: Any) -> float | None:
    """The number that the field takes it for, be it text: 1e-2 is text to YAML; None where none."""
    if isinstance(value, bool):
        return None
    try:
        return _NUMBER.validate_python(value)
    except ValidationError:
        return None


def _rule(gate: Any) -> tuple[Any, Any, Any]:
    """What a gate asks, be it checked already or not."""
    asked = gate.model_dump() if isinstance(gate, Gate) else gate
    if not isinstance(asked, Mapping):
        return None, None, None
    return asked.get("metric"), asked.get("at_least"), asked.get("at_most")

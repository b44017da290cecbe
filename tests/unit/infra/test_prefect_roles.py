"""What an approver may give a run of a decision, and what the line's settings say."""

from typing import Any

import pytest

from infra.local.prefect_roles import _reason_against_parameters

OWN: dict[str, Any] = {
    "line": "news", "on_outside_move": "refuse", "notifications": [], "feedback_by": ["desk"]
}  # fmt: skip
CANARY = {"entrypoint": "flows/canary.py:canary", "parameters": OWN}
RECONCILE = {"entrypoint": "flows/promote.py:reconcile", "parameters": {"line": "news"}}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"stop": True, "by": "Ada", "reason": "slow"}, ""),
        ({**OWN, "reason": "as the form sends it"}, ""),
        ({"feedback_by": ["ada"]}, "feedback_by"),
        ({"feedback_by": []}, "feedback_by"),
        ({"on_outside_move": "accept"}, "on_outside_move"),
        ({"notifications": ["slack-webhook/hers"]}, "notifications"),
        ({"a_later_setting": 1}, "a_later_setting"),
    ],
)
def test_a_look_at_a_canary_has_the_settings_of_its_line(given: dict[str, Any], named: str) -> None:
    why = _reason_against_parameters(given, CANARY)
    assert named in why
    assert bool(why) is bool(named)


def test_what_becomes_of_an_outside_move_is_the_decision_of_a_reconciliation() -> None:
    decision = {"on_outside_move": "accept", "by": "Ada", "reason": "meant"}
    assert not _reason_against_parameters(decision, RECONCILE)
    assert "notifications" in _reason_against_parameters({"notifications": ["x/y"]}, RECONCILE)

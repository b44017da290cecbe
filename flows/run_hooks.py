"""What is told of a run that came to no end of its own: Prefect calls these when it ends.

A run that fails, or whose error is caught by Prefect, calls them itself; of one that was killed or
cancelled its worker does.
"""

from datetime import UTC, datetime
from typing import Any, Final

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from pydantic import TypeAdapter, ValidationError

from infra.digests import digest_of
from tasks.notifications.messages import of_ended_run
from tasks.notifications.settings import Notifications
from tasks.stages.notifications import announce, run_url

WATCHES: Final = frozenset({"watch-registry", "watch-source", "monitor", "canary"})
# Seconds after which a look that runs by a schedule is ended: one that hangs would hold up all that
# come after it. One look is a stage or two; a look at a source and a run of the monitor read data.
LOOK_LIMIT_S: Final = 900
READING_LIMIT_S: Final = 6 * 3_600
_NOTIFICATIONS: Final[TypeAdapter[Notifications]] = TypeAdapter(Notifications)


def tell_failed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell that a run failed."""
    _tell(flow, flow_run, state, "failed")


def tell_crashed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell that the process of a run is gone."""
    _tell(flow, flow_run, state, "crashed")


def tell_cancelled(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell that somebody cancelled a run."""
    _tell(flow, flow_run, state, "was cancelled")


def _tell(flow: Flow[..., Any], run: FlowRun, state: State[Any], how: str) -> None:
    settings = _settings_of(run.parameters)
    line = settings.get("line")
    if not isinstance(line, str):
        return
    reason = state.message or ""
    key = digest_of([str(run.id), how])
    if flow.name in WATCHES:
        # They look by the hour or oftener, and may fail each time: told once a day.
        key = digest_of([line, how, reason, f"{datetime.now(UTC):%Y-%m-%d}"])
    message = of_ended_run(line, run.name, how, reason, key, run_url(run.id))
    announce(message, _notifications(settings))


def _settings_of(parameters: dict[str, Any]) -> dict[str, Any]:
    """The line and its notifications: of its settings, or beside the other parameters."""
    config = parameters.get("config") or {}
    return parameters | (config if isinstance(config, dict) else vars(config))


def _notifications(settings: dict[str, Any]) -> Notifications:
    try:
        return _NOTIFICATIONS.validate_python(settings.get("notifications") or ())
    except ValidationError:
        return ()  # the run failed for that; its page says so

"""Tells what a line came to: as a Prefect event, and through notification blocks.

Nothing here fails a run but `emit`, for an event that something must answer: what cannot be sent is
logged, and shown on the run's page.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid4, uuid5

import httpx
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.context import FlowRunContext
from prefect.events import Event, emit_event
from prefect.events.clients import get_events_client
from prefect.runtime import flow_run
from prefect.utilities.asyncutils import run_coro_as_sync
from tenacity import (
    RetryError,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from infra.apprise_block import AppriseUrl
from infra.apprise_log import withhold_apprise_log
from infra.errors import AssaylineError, StackError
from infra.run_queue import page_of
from infra.settings import load_settings, without_passwords
from infra.tracking import open_tracking
from tasks.notifications.messages import Message
from tasks.notifications.settings import Notifications
from tasks.stages.page_artifacts import show_markdown

PREFIX: Final = "assayline."
# Of one message through one block; a chat that is away must not hold a run.
TRIES: Final = 3
LONGEST_PAUSE_S: Final = 4.0
MAX_ERROR_CHARS: Final = 300

_ADDRESS: Final = re.compile(r"[a-zA-Z][\w+.-]*://[^\s'\"]+")

# Blocks are loaded by the types that this process knows.
OWN_BLOCKS: Final = (AppriseUrl,)

_log = logging.getLogger(__name__)


def announce(message: Message, notifications: Notifications = ()) -> tuple[str, ...]:
    """Emit the Prefect event of a message, and send it through the blocks that ask for it; once.

    A repeated run tells nothing again: which message went to whom is kept in MLflow's database,
    where a name is taken once (`infra.write_once`). It is taken before it is sent, so that a
    process that dies between the two leaves a message unsent rather than sent twice.

    Args:
        message: what is told.
        notifications: the line's settings.

    Returns:
        What could not be sent, a sentence each; it is logged, and stands on the run's page.

    """
    if _is_first(message, "event"):
        _emit(message)
    return send(message, notifications)


def emit(message: Message, more: Mapping[str, Any]) -> None:
    """Emit the event of a message, and wait until the Prefect server has taken it; no message.

    It has one id however often it is emitted; Prefect forgets within half an hour that it answered
    it.

    Args:
        message: what is told.
        more: of the payload, beside what each event has.

    Raises:
        StackError: no server has taken it.

    """
    event = Event(**_event_of(message, more))
    try:
        run_coro_as_sync(_deliver(event))
    except Exception as error:  # a socket, an address, a password: Prefect has no error of its own
        why = without_passwords(str(error)) or type(error).__name__
        raise StackError(
            f"the event {event.event} could not be told to the Prefect server ({why}): "
            f"{message.subject}"
        ) from error


async def _deliver(event: Event) -> None:
    """Send an event, and wait for the answer to it: each one is confirmed."""
    async with get_events_client(reconnection_attempts=3, checkpoint_every=1) as client:
        await client.emit(event)


def send(message: Message, notifications: Notifications) -> tuple[str, ...]:
    """Send a message through the blocks that ask for it, once, as `announce` does; no event."""
    failed = tuple(_send_all(message, notifications))
    for why in failed:
        _log.warning("%s", why)
    if failed:
        _show_failed(message, failed)
    return failed


def run_url(run_id: object = None) -> str:
    """The page of a flow run, of this one if left out; empty where there is none."""
    server, run_id = load_settings().prefect_url, run_id or flow_run.id
    return page_of(server, str(run_id)) if run_id and server else ""


def _send_all(message: Message, notifications: Notifications) -> Iterator[str]:
    for asked in notifications:
        if message.event not in asked.events or not _is_first(message, asked.block):
            continue
        try:
            _send(_load(asked.block), message)
        except Exception as error:  # noqa: BLE001 - a block is anybody's code
            yield (
                f"the message {message.subject!r} could not be sent through the block "
                f"{asked.block}: {_told(error)}"
            )


def _load(slug: str) -> NotificationBlock:
    """The block of a slug.

    Raises:
        ValueError: there is none, or it is of another kind.

    """
    withhold_apprise_log()  # it cannot read an address: all of it would be logged
    block = Block.load(slug)
    if not isinstance(block, NotificationBlock):
        raise ValueError(f"{slug} is a {type(block).__name__}, and sends no notifications")  # noqa: TRY004 - a setting is wrong
    return block


@retry(
    stop=stop_after_attempt(TRIES),
    wait=wait_exponential(max=LONGEST_PAUSE_S),
    # Apprise's blocks raise the first, a custom webhook the last.
    retry=retry_if_exception_type((NotificationError, OSError, httpx.HTTPError)),
    reraise=True,
)
def _send(block: NotificationBlock, message: Message) -> None:
    with block.raise_on_failure():
        sending: Any = block.notify(body=message.body, subject=message.subject)
    if sending is not None:
        raise ValueError("it sends only from an event loop")


def _is_first(message: Message, recipient: str) -> bool:
    """Take the right to tell this to a recipient; it is told twice rather than never."""
    key = f"{message.key[:32]}.{uuid5(NAMESPACE_URL, recipient).hex[:16]}"
    mine = f"{recipient} {uuid4()}"
    try:
        tracking = open_tracking()
        known = tracking.read_record(record_name(message.line)).values.get(key)
        return known is None and (tracking.write_once(record_name(message.line), key, mine) == mine)
    except AssaylineError as error:
        _log.warning("whether %r was told before cannot be known: %s", message.subject, error)
        return True


def record_name(line: str) -> str:
    """Name of the record of what was told, which is one of an MLflow experiment."""
    return f"{line}.notifications"


def _emit(message: Message) -> None:
    """Send the event that automations answer, some time before the process ends."""
    emit_event(**_event_of(message, {}))


def _event_of(message: Message, more: Mapping[str, Any]) -> dict[str, Any]:
    """An event by its fields; its id is the same however often the message is told."""
    name = f"{PREFIX}{message.event}"
    payload = {
        "line": message.line,
        "version": message.version,
        "verdict": message.verdict,
        "subject": message.subject,
        "message": message.body,
        "links": {what: where for what, where in message.links.items() if where},
        **more,
    }
    resource = {"prefect.resource.id": f"{PREFIX}line.{message.line}", "line": message.line}
    run_id = message.links.get("run", "").rpartition("/")[2]
    run = {"prefect.resource.id": f"prefect.flow-run.{run_id}", "prefect.resource.role": "flow-run"}
    return {
        "event": name,
        "resource": resource,
        "related": [run] if run_id else [],
        "payload": payload,
        "id": uuid5(NAMESPACE_URL, f"{name}:{message.line}:{message.key}"),
    }


def _told(error: Exception) -> str:
    """An error in one line, without the address that the block keeps secret."""
    cause = error.last_attempt.exception() if isinstance(error, RetryError) else error
    said = str(getattr(cause, "log", "") or cause) or type(cause).__name__
    # Of a chat's webhook the path is the secret.
    said = _ADDRESS.sub("(its address)", without_passwords(said))
    return " ".join(said.split())[:MAX_ERROR_CHARS]


def _show_failed(message: Message, failed: tuple[str, ...]) -> None:
    from tasks.reporting.summaries import artifact_key, plain

    if not FlowRunContext.get():
        return
    text = "\n".join(["## Not sent", "", *(f"- {plain(why)}" for why in failed)])
    key = artifact_key("notifications", message.line)
    show_markdown(text, key, f"What of {message.line} could not be sent")

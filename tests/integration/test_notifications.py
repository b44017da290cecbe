"""Real notification blocks on a real Prefect server, to a real HTTP receiver and mail server."""

import asyncio
import email
import email.policy
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from infra.apprise_block import AppriseUrl
from infra.local.parts import prefect_environment
from infra.settings import PROJECT
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.conftest import RunningStack, free_port
from tests.faults.lines import Line, new_line
from tests.http_servers import answering

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOKEN = secrets.token_hex(16)
LINE = "told"
# Saves the blocks, and runs real flows of the line and one that tells decisions.
SCRIPT = """
import json, sys
from datetime import UTC, datetime
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from flows.data import check_data
from flows.promote import promote, rollback
from flows.score import score
from flows.watch_registry import watch_registry
from infra.apprise_block import AppriseUrl
from infra.settings import load_settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.notifications.messages import of_decision, of_drift
from tasks.notifications.settings import NotificationSettings
from tasks.records.monitoring import Alarm
from tasks.registry import manual_promotion
from tasks.stages.monitoring import tell_alarm
from tasks.stages.notifications import announce, run_url
from tasks.verdicts import Verdict
from tests.faults.lines import Line

http, smtp, gone, token, line = sys.argv[1:]
CustomWebhookNotificationBlock(
    name="team", url=f"http://127.0.0.1:{http}/custom", json_data={
        "subject": "{{subject}}", "body": "{{body}}", "token": "{{token}}"},
    secrets={"token": token},
).save("team", overwrite=True)
AppriseUrl(url=f"json://127.0.0.1:{http}/apprise").save("json", overwrite=True)
AppriseUrl(
    url=f"mailto://127.0.0.1:{smtp}?from=assayline@example.org&to=team@example.org"
).save("mail", overwrite=True)
AppriseUrl(url=f"json://user:{token}@127.0.0.1:{gone}/").save("gone", overwrite=True)
CustomWebhookNotificationBlock(name="refuses", url=f"http://127.0.0.1:{http}/not-here/{token}").save(
    "refuses", overwrite=True)
asked = tuple(
    NotificationSettings(block=block)
    for block in ("apprise-url/gone", "apprise-url/none", "custom-webhook/team",
                  "apprise-url/json", "apprise-url/mail")
)
refusing = (NotificationSettings(block="custom-webhook/refuses"),)
alarm = Alarm(line, datetime(2026, 11, 28, 5, tzinfo=UTC), 4, ("drift.vocabulary",),
              "drift.vocabulary (in 3) of the last 5 windows")
settings = load_settings()
known = Line(line, ObjectStore(settings), Tracking(settings))


@flow(name="decide")
def decide(verdicts):
    for verdict in verdicts:
        version = known.add()
        decision = known.promote(version, Verdict(verdict))
        for _ in range(3):
            announce(of_decision(decision, run_url()), asked)
        again = known.promote(version, Verdict(verdict))
        announce(of_decision(again, run_url()), asked)
    only = (NotificationSettings(block="custom-webhook/team", events=("run.failed",)),)
    announce(of_drift(line, ("words drifted",), "window 1", {}), only)
    announce(of_drift(line, ("words drifted",), "window 2", {}), refusing)
    for _ in range(2):  # as a run of the monitor does that was killed before it kept the alarm
        tell_alarm(alarm, asked)


decide(["pass", "fail"])
known.tracking.set_alias(line, "production", 3)
for _ in range(2):
    found = watch_registry(line, "refuse", asked)
found = watch_registry(line, "restore", asked)
known.tracking.set_alias(line, "production", 3)
heard = (NotificationSettings(block="custom-webhook/team"),)
source = {"format": "csv", "path": "/no/such.csv", "columns": {"text": "t", "label": "l"}}
for fails in (
    lambda: rollback(line, "Ada", "worse", "restore", asked),
    lambda: rollback("no-line-at-all", "Ada", "worse", "refuse", asked),
    lambda: check_data({"line": line, "source": source}, notifications=heard),
    lambda: score("no-line-at-all", ["/no/such.csv"], notifications=heard),
):
    try:
        fails()
    except Exception as error:
        print(type(error).__name__)
# These versions hold no model; the load test has tests of its own.
manual_promotion.load_test = lambda *_, **__: None
rollback(line, "Ada", "worse", "refuse", heard)
promote(line, 4, "Grace", "better after all", "refuse", heard)
"""


@dataclass
class Received:
    """What came over HTTP, by path, and by mail."""

    posts: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    mails: list[tuple[str, str]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """Of what Apprise sent as JSON."""
        return [str(body["title"]) for _, body in self.posts]


@contextmanager
def http_receiver(received: Received) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            received.posts.append((self.path, json.loads(body or "{}")))
            self.send_response(404 if self.path.startswith("/not-here") else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield server.server_port


@contextmanager
def block_to_a_receiver(stack: RunningStack, name: str) -> Iterator[Received]:
    """What comes through the block apprise-url/NAME of the stack's Prefect server meanwhile."""
    received = Received()
    where = {
        PREFECT_API_URL: stack.settings.prefect_url, PREFECT_API_AUTH_STRING: ":".join(stack.login),
    }  # fmt: skip
    with http_receiver(received) as port, temporary_settings(where):
        AppriseUrl(url=f"json://127.0.0.1:{port}/").save(name, overwrite=True)
        yield received


@contextmanager
def mail_server(received: Received) -> Iterator[int]:
    """As much of RFC 5321 as a client needs that sends one message."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        await say("220 mail.example.org")
        while line := (await reader.readline()).decode().strip():
            verb = line.split()[0].upper()
            if verb == "DATA":
                await say("354 go on")
                data = await reader.readuntil(b"\r\n.\r\n")
                mail = email.message_from_bytes(data[:-5], policy=email.policy.default)
                part = mail.get_body(("plain", "html"))
                received.mails.append((str(mail["subject"]), str(part.get_content())))
            await say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                break
        writer.close()

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, "127.0.0.1", 0), loop)
    server = starting.result(10)
    yield int(server.sockets[0].getsockname()[1])
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)


@dataclass(frozen=True)
class Told:
    received: Received
    output: str
    line: Line
    stack: RunningStack


def environment_of(stack: RunningStack) -> Mapping[str, str]:
    ours = prefect_environment(stack.settings.home, PROJECT, stack.settings)
    return {**stack.environment, **ours, "PYTHONPATH": str(PROJECT)}


@pytest.fixture(scope="module")
def told(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All that the script's flows sent."""
    store, tracking = ObjectStore(stack.settings), Tracking(stack.settings)
    line = new_line(LINE, store, tracking, "++-")
    script = tmp_path_factory.mktemp("told") / "script.py"
    script.write_text(SCRIPT)
    received = Received()
    with http_receiver(received) as http, mail_server(received) as smtp:
        arguments = [str(http), str(smtp), str(free_port()), TOKEN, LINE]
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            env=dict(environment_of(stack)),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return Told(received, output, line, stack)


def subjects(told: Told, path: str) -> list[str]:
    return [
        str(body.get("subject") or body.get("title"))
        for where, body in told.received.posts
        if where == path
    ]


EXPECTED = [
    f"{LINE} version 4 promoted",
    f"{LINE} version 5 refused",
    f"{LINE}: drift of what production reads",
    f"{LINE}: production or previous was moved in MLflow (undecided)",
    f"{LINE}: production or previous was moved in MLflow (restored)",
    # Found by the rollback itself, whose version answers nothing.
    f"{LINE}: production or previous was moved in MLflow (restored)",
    f"{LINE}: the run rollback {LINE} failed",
    "no-line-at-all: the run rollback no-line-at-all failed",
]
# Of flows that know no more of the line than its data or its name, and of what a person did.
OF_OTHER_FLOWS = [
    f"{LINE}: the run check data of {LINE} failed",
    "no-line-at-all: the run score no-line-at-all failed",
    f"{LINE}: rolled back to version 2",
    f"{LINE}: version 4 promoted by assayline (Grace)",
]


def test_one_message_for_each_decision_through_each_block(told: Told) -> None:
    assert subjects(told, "/custom") == EXPECTED + OF_OTHER_FLOWS
    assert subjects(told, "/apprise") == EXPECTED
    assert [subject for subject, _ in told.received.mails] == EXPECTED


def test_a_message_says_what_blocked_and_where_to_look(told: Told) -> None:
    body = str(told.received.posts[2][1].get("body") or told.received.posts[2][1]["message"])
    assert "gates that blocked it:" in body
    assert "- quality.macro_f1 fail: as seen" in body
    assert "report: http://r" in body
    assert f"run: {told.stack.settings.prefect_url.removesuffix('/api')}/runs/flow-run/" in body  # type: ignore[union-attr]
    assert "has no previous version to roll back to" in str(told.received.posts)
    assert any("drift.vocabulary (in 3) of the last 5" in text for _, text in told.received.mails)
    assert any("gates that blocked it" in text for _, text in told.received.mails)


def test_a_block_that_fails_is_said_and_holds_nothing_up(told: Told) -> None:
    assert told.line.aliases == {"production": 4, "previous": 2, "staging": 4}
    assert "could not be sent through the block apprise-url/gone" in told.output
    assert "could not be sent through the block apprise-url/none" in told.output
    # Asked three times, as a service is that is away for a moment.
    refused = [path for path, _ in told.received.posts if path.startswith("/not-here")]
    assert len(refused) == 3
    assert "block custom-webhook/refuses: Client error '404 Not Found'" in told.output
    artifacts = post(told.stack, "/artifacts/filter", {"limit": 200})
    shown = [one for one in artifacts if one["key"] == f"notifications-{LINE}"]
    assert any("apprise-url/gone" in one["data"] for one in shown)  # each run that told has one


def test_no_secret_of_a_block_is_in_a_log_or_on_a_page(told: Told) -> None:
    assert all(body["token"] == TOKEN for path, body in told.received.posts if path == "/custom")
    assert TOKEN not in told.output
    pages = post(told.stack, "/artifacts/filter", {"limit": 200})
    logs = post(told.stack, "/logs/filter", {"limit": 200, "sort": "TIMESTAMP_DESC"})
    record = told.line.tracking.read_record(f"{LINE}.notifications")
    assert TOKEN not in json.dumps([pages, logs, dict(record.values)])


def test_each_is_an_event_that_automations_can_answer(told: Told) -> None:
    body = {
        "filter": {
            "event": {"prefix": ["assayline."]},
            "resource": {"id": [f"assayline.line.{LINE}"]},
        },
        "limit": 50,
    }
    events = post(told.stack, "/events/filter", body)["events"]
    assert sorted(event["event"] for event in events) == sorted(
        [
            *["assayline.version.promoted"] * 2,
            "assayline.production.rolled-back",
            "assayline.version.refused",
            *["assayline.drift.detected"] * 3,
            *["assayline.registry.moved-outside"] * 3,
            *["assayline.run.failed"] * 2,
        ]
    )
    refused = next(e for e in events if e["event"] == "assayline.version.refused")
    assert refused["payload"]["version"] == 5
    assert refused["payload"]["verdict"] == "fail"
    assert refused["related"][0]["prefect.resource.role"] == "flow-run"
    (alarm,) = [e for e in events if "window" in e["payload"]]
    assert alarm["event"] == "assayline.drift.detected"
    assert alarm["payload"]["window"] == "2026-11-28T05:00Z"
    assert alarm["payload"]["checks"] == ["drift.vocabulary"]
    assert alarm["payload"]["version"] == 4


def post(stack: RunningStack, path: str, body: Mapping[str, object]) -> list[dict[str, str]] | dict:  # type: ignore[type-arg]
    answer = httpx.post(f"{stack.settings.prefect_url}{path}", json=body, auth=stack.login)
    assert answer.is_success, answer.text
    return answer.json()  # type: ignore[no-any-return]

"""An address that Apprise cannot read is refused, and neither logged nor shown."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from prefect.blocks.notifications import SlackWebhook

from infra.apprise_block import AppriseUrl
from infra.apprise_log import LOGGER, withhold_apprise_log
from infra.errors import SettingsError
from tests.security.planted import holding, new_secret

SECRET = new_secret()
WRITTEN = quote(SECRET, safe="")
UNREADABLE = {
    "no sender": f"mailto://keeper:{WRITTEN}@127.0.0.1:25?to=team@example.org",
    "a password as it is": f"mailto://keeper:{SECRET}@smtp.example.org?to=team@example.org",
    "one slash": f"mailto:/keeper:{SECRET}@smtp.example.org",
    "no such service": f"mailt://keeper:{WRITTEN}@smtp.example.org",
    "half a token": f"slack://{WRITTEN}/channel",
    "no token": f"discord://{WRITTEN}",
}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What this process writes into its logs."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root, handler, apprise = logging.getLogger(), Lines(), logging.getLogger(LOGGER)
    was = apprise.propagate
    apprise.propagate = True
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    apprise.propagate = was


@pytest.mark.parametrize("why", UNREADABLE)
def test_what_apprise_cannot_read_is_refused_and_not_logged(why: str, logged: list[str]) -> None:
    with pytest.raises(SettingsError, match="Apprise cannot read the address") as refused:
        AppriseUrl(url=UNREADABLE[why])
    said = [str(refused.value), *logged]
    assert not holding(SECRET, [(line, line.encode()) for line in said])


def test_the_service_is_said() -> None:
    with pytest.raises(SettingsError, match="of the service mailto"):
        AppriseUrl(url=UNREADABLE["no sender"])
    with pytest.raises(SettingsError, match="begins with no service"):
        AppriseUrl(url=UNREADABLE["one slash"])


def test_prefects_own_blocks_log_no_address_either(logged: list[str]) -> None:
    address = UNREADABLE["half a token"]
    SlackWebhook(url=address)
    assert holding(SECRET, [(line, line.encode()) for line in logged])  # as it would be
    logged.clear()
    withhold_apprise_log()
    SlackWebhook(url=address)
    assert logged == []


def test_nothing_is_written_to_the_terminal() -> None:
    """Python does that with warnings that no handler takes."""
    code = (
        "import logging, sys; from infra.apprise_log import withhold_apprise_log;"
        "withhold_apprise_log(); logging.getLogger('apprise').error(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, SECRET], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


def test_an_address_that_it_reads_is_taken() -> None:
    assert AppriseUrl(url=f"mailto://k:{WRITTEN}@h.example.org?from=a@b.org&to=c@d.org").url

"""After a run that could not log in to its source: no secret is told, logged or kept.

On the stack of the other tests, whose servers keep all in SQLite. After all that the product does
test_planted_secrets.py looks, on a stack of its own.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from infra.local.login import login_of
from tests.conftest import CANARY_VARIABLE, RunningStack, free_port
from tests.integration.test_retrain import write_config
from tests.security.planted import files_below, holding

# The files and folders of the home that are there to hold a secret of the stack.
HOLDERS = frozenset({"keys.json", "login.json", "stack.env"})
HOLDING = ("parts/", "open/")
NOWHERE = ("the source's database", "the chat address")
# A line is registered for it; all that is done here test_planted_secrets.py does as well.
pytestmark = pytest.mark.slow

LINE, BLOCK = "cannot-log-in", "away"


@pytest.fixture(scope="module")
def chat_address() -> str:
    """The secret path of a chat's webhook."""
    return secrets.token_hex(20)


@pytest.fixture(scope="module")
def secrets_of_stack(stack: RunningStack, chat_address: str) -> Mapping[str, str]:
    """What the stack made for itself, and the password of a database that its worker was given."""
    key, login = stack.settings.store_secret_access_key, login_of(stack.settings.home)
    assert key
    return {
        "the chat address": chat_address,
        "the source's database": stack.environment[CANARY_VARIABLE],
        "the store's key": key.get_secret_value(),
        "the owner's password": login.owner_password,
        "the reader's password": login.reader_password,
        "the key of MLflow's forms": login.form_key,
    }


@pytest.fixture(scope="module")
def said(stack: RunningStack, chat_address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `check-data` says of a database that does not answer, and of a chat neither."""
    where = {
        PREFECT_API_URL: stack.settings.prefect_url, PREFECT_API_AUTH_STRING: ":".join(stack.login),
    }  # fmt: skip
    with temporary_settings(where):
        address = f"http://127.0.0.1:{free_port()}/hooks/{chat_address}"
        CustomWebhookNotificationBlock(name=BLOCK, url=address).save(BLOCK, overwrite=True)
    url = f"postgresql+psycopg://planted:${CANARY_VARIABLE}@127.0.0.1:{free_port()}/reviews"
    source = {
        "format": "sql",
        "url": url,
        "query": "SELECT * FROM reviews ORDER BY 1",
        "columns": {"text": "review", "label": "stars_label"},
        "group_columns": ["country"],
    }
    blocks = [{"block": f"custom-webhook/{BLOCK}"}]
    folder = tmp_path_factory.mktemp("no-login")
    config = write_config(folder, line=LINE, source=source, notifications=blocks)
    done = stack.assayline("check-data", str(config))
    assert done.returncode == 1, done.stdout
    return done.stdout + done.stderr


def test_no_secret_is_said(said: str, secrets_of_stack: Mapping[str, str]) -> None:
    assert "no connection to" in said
    for name, secret in secrets_of_stack.items():
        assert not holding(secret, [("said", said.encode())]), name


@pytest.mark.usefixtures("said")
def test_no_log_and_no_database_holds_one(
    stack: RunningStack, secrets_of_stack: Mapping[str, str]
) -> None:
    home = stack.settings.home
    texts = [*searched(home)]
    told = holding(LINE, texts)
    assert "prefect/prefect.db block_document" in holding(BLOCK, texts)
    assert "prefect.block-document.created" in str(dict(texts)["prefect/prefect.db events"])
    assert {"logs/worker.log", "prefect/prefect.db flow_run"} <= set(told)
    assert {"mlflow/mlflow.db experiments", "prefect/prefect.db-wal"} <= {name for name, _ in texts}
    for name, secret in secrets_of_stack.items():
        found = {where for where in holding(secret, texts) if not where.startswith(HOLDING)}
        assert found <= (frozenset() if name in NOWHERE else HOLDERS), name


def searched(home: Path) -> list[tuple[str, bytes]]:
    """All of the home folder but the buckets, which hold what other tests put there."""
    return [(name, text) for name, text in files_below(home) if not name.startswith("store/")]

"""The webhook that the embedded MLflow calls when somebody moves an alias."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from infra.errors import StackError
from infra.settings import Settings

NAME: Final = "assayline"
DESCRIPTION: Final = (
    "Assayline: a move of production or previous past its ledger is noticed at once. Written anew "
    "by `assayline up`."
)
EVENTS: Final = tuple(
    {"entity": "MODEL_VERSION_ALIAS", "action": action} for action in ("CREATED", "DELETED")
)
PATH: Final = "webhooks"
TIMEOUT_S: Final = 30.0
PAGE: Final = 100
# That the server knows none: an older one, or one over files.
_WITHOUT_WEBHOOKS: Final = frozenset({404, 405, 501})


def ensure_webhook(settings: Settings, url: str, secret: str) -> bool:
    """Have MLflow call this address when an alias of a registered model is set or deleted.

    MLflow does not tell a secret, so that one that stands is written anew each time.

    Args:
        settings: of the embedded MLflow, with its owner's login.
        url: of the receiver.
        secret: that MLflow is to sign with.

    Returns:
        Whether it does; False where this MLflow has no webhooks.

    Raises:
        StackError: MLflow refuses, or does not answer.

    """
    wanted = {
        "name": NAME, "description": DESCRIPTION, "url": url, "events": list(EVENTS),
        "secret": secret, "status": "ACTIVE",
    }  # fmt: skip
    with _explained(settings), _client(settings) as client:
        if not _has_webhooks(client):
            return False
        own = _own(client)
        if own is None:
            client.post(PATH, json=wanted).raise_for_status()
        else:
            client.patch(f"{PATH}/{own}", json=wanted).raise_for_status()
    return True


def remove_webhook(settings: Settings) -> None:
    """Have MLflow call nobody any more; nothing happens where it does not.

    Raises:
        StackError: MLflow refuses, or does not answer.

    """
    with _explained(settings), _client(settings) as client:
        if _has_webhooks(client) and (own := _own(client)):
            client.delete(f"{PATH}/{own}").raise_for_status()


def _client(settings: Settings) -> httpx.Client:
    root = (settings.mlflow_url or "").rstrip("/")
    return httpx.Client(
        base_url=f"{root}/api/2.0/mlflow", timeout=TIMEOUT_S, trust_env=False, auth=_owner(settings)
    )


@contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    """Turn every way in which MLflow can fail into one message."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise StackError(
            f"MLflow at {settings.mlflow_url} refuses the webhook {NAME}: "
            f"{error.response.status_code} {error.response.text[:300]}"
        ) from error
    except (httpx.HTTPError, ValueError) as error:
        raise StackError(f"MLflow at {settings.mlflow_url} does not answer: {error!r}") from error


def _has_webhooks(client: httpx.Client) -> bool:
    return client.get(PATH, params={"max_results": 1}).status_code not in _WITHOUT_WEBHOOKS


def _own(client: httpx.Client) -> str | None:
    """The id of our webhook, among however many others; None where there is none."""
    wanted = {"max_results": str(PAGE)}
    while True:
        answer = client.get(PATH, params=wanted).raise_for_status().json()
        for hook in answer.get("webhooks", ()):
            if hook["name"] == NAME:
                return str(hook["webhook_id"])
        token = answer.get("next_page_token")
        if not token:
            return None
        wanted["page_token"] = token


def _owner(settings: Settings) -> tuple[str, str] | None:
    if not settings.mlflow_user or not settings.mlflow_password:
        return None
    return settings.mlflow_user, settings.mlflow_password.get_secret_value()

"""The secrets of MLflow's webhooks: made once, kept in a file that only its owner reads."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.errors import StackError
from infra.local.private_files import FILE_MODE, write_private

KEYS_FILE = "webhook.json"


def _new_fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@dataclass(frozen=True)
class WebhookKeys:
    """What a delivery is signed with, and what MLflow encrypts that with in its database.

    Without a key of its own MLflow makes one at each start, and cannot read the secret any more.
    """

    signing: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    encryption: str = field(default_factory=_new_fernet_key)


def webhook_keys(home: Path) -> WebhookKeys:
    """The keys of a home's webhook, made at first use.

    Raises:
        StackError: their file is broken.

    """
    path = home / KEYS_FILE
    if not path.exists():
        keys = WebhookKeys()
        write_private(path, json.dumps(asdict(keys)))
        return keys
    try:
        path.chmod(FILE_MODE)
        return WebhookKeys(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StackError(
            f"{path} cannot be read as the keys of a webhook ({error}); run `assayline down`, "
            "remove it, and `assayline up` makes new ones"
        ) from error

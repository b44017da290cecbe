"""The reader's user at the embedded MLflow, whose server makes only the owner's by itself."""

import httpx

from infra.errors import StackError
from infra.local.login import OWNER, READER, Login
from infra.settings import Settings

TIMEOUT_S = 30.0


def ensure_reader(settings: Settings, login: Login) -> None:
    """Make the reader, who may read everything and change nothing, unless it is there.

    Raises:
        StackError: MLflow refuses the owner or the reader.

    """
    users = f"{(settings.mlflow_url or '').rstrip('/')}/api/2.0/mlflow/users"
    reader = (READER, login.reader_password)
    owner = (OWNER, login.owner_password)
    asked = {"username": READER}
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            if client.get(f"{users}/get", params=asked, auth=reader).is_success:
                return
            body = {**asked, "password": login.reader_password}
            made = client.post(f"{users}/create", json=body, auth=owner)
            made.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise StackError(
            f"MLflow at {settings.mlflow_url} refuses the login of login.json: "
            f"{error.response.status_code} {error.response.text[:300]}; run `assayline down`, "
            "remove login.json and mlflow/users.db from the home folder, and `assayline up` makes "
            "them anew"
        ) from error
    except httpx.HTTPError as error:
        raise StackError(f"MLflow at {settings.mlflow_url} does not answer: {error!r}") from error

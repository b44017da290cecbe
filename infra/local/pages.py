"""The servers' pages, opened in the user's browser with the login given.

An address with a password in it would stand in the browser's command line, where every user of the
machine can read it. So the browser is given the name of a file that its owner alone reads, and
what stands there logs in, as Jupyter does it.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from infra.errors import StackError
from infra.local.private_files import make_folder, write_private
from infra.model_registry import MODEL_TRAINING
from infra.settings import Settings

FOLDER = "open"
# `LoginPage` of infra/local/prefect_server.py answers it.
PREFECT_LOGIN_PATH = "/assayline/login"

_FORM = """\
<!doctype html><meta charset="utf-8"><title>Prefect</title>
<form method="post" action="{action}"><input type="hidden" name="login" value="{login}">
<button>Open Prefect</button></form><script>document.forms[0].submit()</script>
"""
_LINK = """\
<!doctype html><meta charset="utf-8"><title>MLflow</title>
<a href="{address}">Open MLflow</a><script>location.replace(document.links[0].href)</script>
"""


@dataclass(frozen=True)
class Page:
    """What to give a browser: the file or address, and the server's name and own address."""

    server: str
    address: str
    opens: str


def pages(settings: Settings, external: frozenset[str]) -> tuple[Page, Page]:
    """The pages of Prefect and MLflow; of one that the user runs elsewhere its plain address.

    Raises:
        StackError: there is no address, or a file cannot be written.

    """
    if not settings.prefect_url or not settings.mlflow_url:
        raise StackError("no servers were started from here; run `assayline up`")
    prefect, mlflow = settings.prefect_url.removesuffix("/api"), settings.mlflow_url
    folder = make_folder(settings.home.absolute() / FOLDER)
    opens_prefect, opens_mlflow = prefect, mlflow
    if "prefect" not in external and settings.prefect_login:
        login = settings.prefect_login.get_secret_value()
        opens_prefect = _write(folder / "prefect.html", _prefect_page(prefect, login))
    if "mlflow" not in external and settings.mlflow_login:
        opens_mlflow = _write(folder / "mlflow.html", _mlflow_page(mlflow, settings.mlflow_login))
    return Page("prefect", prefect, opens_prefect), Page("mlflow", mlflow, opens_mlflow)


def _prefect_page(address: str, login: str) -> str:
    return _FORM.format(action=html.escape(address + PREFECT_LOGIN_PATH), login=html.escape(login))


def _mlflow_page(address: str, login: Mapping[str, str]) -> str:
    user, password = (quote(one, safe="") for one in login.values())
    parts = urlsplit(address)
    netloc = f"{user}:{password}@{parts.netloc}"
    whole = parts._replace(netloc=netloc, fragment=f"/experiments?{MODEL_TRAINING}").geturl()
    return _LINK.format(address=html.escape(whole))


def _write(file: Path, page: str) -> str:
    write_private(file, page)
    return file.as_uri()

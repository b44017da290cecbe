"""The login of the embedded servers: made once, kept in a file that only its owner reads.

The owner's is one for both pages: Prefect takes it whole, as ``user:password``, and MLflow as user
and password. The reader's is MLflow's alone, for services that load a model and change nothing.
"""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import SecretStr

from infra.errors import StackError
from infra.local.private_files import FILE_MODE, write_private
from infra.settings import Settings

LOGIN_FILE = "login.json"
OWNER = "assayline"
READER = "reader"
# Who knows a password of an earlier login.json is not let in by MLflow's database either.
USERS_FILE = Path("mlflow") / "users.db"


def _new_secret() -> str:
    # 130 bits, in letters and digits only: a double click selects it, and no shell expands it.
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Login:
    """The passwords of owner and reader, and the key with which MLflow signs its forms."""

    owner_password: str = field(default_factory=_new_secret)
    reader_password: str = field(default_factory=_new_secret)
    form_key: str = field(default_factory=_new_secret)

    @property
    def owner(self) -> str:
        """User and password of who may change what is there."""
        return f"{OWNER}:{self.owner_password}"

    @property
    def reader(self) -> str:
        """User and password of who loads models."""
        return f"{READER}:{self.reader_password}"


def login_of(home: Path) -> Login:
    """The login of a home's servers, made at first use.

    Raises:
        StackError: its file is broken.

    """
    path = home / LOGIN_FILE
    if not path.exists():
        (home / USERS_FILE).unlink(missing_ok=True)
        login = Login()
        write_private(path, json.dumps(asdict(login)))
        return login
    try:
        path.chmod(FILE_MODE)
        return Login(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StackError(
            f"{path} cannot be read as a login ({error}); run `assayline down`, remove it, and "
            "`assayline up` makes a new one"
        ) from error


def with_login(settings: Settings, login: Login | None, parts: frozenset[str]) -> Settings:
    """Settings with the login of the parts that run here.

    Args:
        settings: of all servers.
        login: None where these parts ask none.
        parts: which of `mlflow` and `prefect` run here.

    """
    owner = SecretStr(login.owner) if login else None
    changes: dict[str, str | SecretStr | None] = {}
    if "prefect" in parts:
        changes["prefect_login"] = owner
    if "mlflow" in parts:
        changes["mlflow_user"] = OWNER if login else None
        changes["mlflow_password"] = SecretStr(login.owner_password) if login else None
        changes["mlflow_reader"] = SecretStr(login.reader) if login else None
    return settings.model_copy(update=changes)


def how_to_come_in(settings: Settings, external: frozenset[str]) -> str | None:
    """One line for a person: the login of the servers that run here, or that they ask none.

    Args:
        settings: of a stack that is or was up.
        external: the parts that the user runs elsewhere.

    Returns:
        None where both run elsewhere, or none was ever started.

    """
    logins = {"mlflow": _together(settings), "prefect": settings.prefect_login}
    addresses = {"mlflow": settings.mlflow_url, "prefect": settings.prefect_url}
    here = [part for part in sorted(logins) if part not in external and addresses[part]]
    if not here:
        return None
    owner = logins[here[0]]
    if owner is None:
        return "off (ASSAYLINE_LOGIN): whoever has an account on this machine can do what you can"
    reader = settings.mlflow_reader if "mlflow" in here else None
    loads = f"; {reader.get_secret_value()} loads models" if reader else ""
    return f"{owner.get_secret_value()} (`assayline open` comes in with it){loads}"


def _together(settings: Settings) -> SecretStr | None:
    if not settings.mlflow_user or not settings.mlflow_password:
        return None
    return SecretStr(f"{settings.mlflow_user}:{settings.mlflow_password.get_secret_value()}")

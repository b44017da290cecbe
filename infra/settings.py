"""Where the servers are and how to reach them: the only reader of the environment.

(What a container is told beside that, ``infra/deploy/settings.py`` reads.)

A variable of the environment wins over ``.env`` in the working directory, that over ``.env`` beside
the stack's home folder, and that over ``stack.env``, which `assayline up` writes for the servers
that it starts itself. Which home folder that is, `home_folder` says.

A server is *external*, so that `assayline up` checks it and does not start it, as soon as the
environment or ``.env`` names it with another value than ``stack.env`` does:

========  ========================================================================================
store     ASSAYLINE_STORE_ENDPOINT_URL (empty: AWS S3), ASSAYLINE_STORE_ACCESS_KEY_ID or
          ASSAYLINE_STORE_SECRET_ACCESS_KEY
mlflow    MLFLOW_TRACKING_URI
prefect   PREFECT_API_URL
========  ========================================================================================
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from math import isfinite
from pathlib import Path
from string import Template
from typing import Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import SettingsError
from infra.running_stacks import RunningStack, running_stacks
from infra.settings_models import SettingsModel
from infra.yaml_files import Misread, misread_in

EXACT = 1e6  # a hint writes no number from here on, since six digits do not tell it
PROJECT = Path(__file__).resolve().parents[1]
HOME_VARIABLE = "ASSAYLINE_HOME"
HOME_NAME = ".assayline"
STACK_ENV_FILE = "stack.env"
USER_ENV_FILE = ".env"
ENDPOINT_VARIABLE = "ASSAYLINE_STORE_ENDPOINT_URL"
# Part of the stack -> field of the settings -> the variable that sets it.
PART_VARIABLES: Mapping[str, Mapping[str, str]] = {
    "store": {
        "store_endpoint_url": ENDPOINT_VARIABLE,
        "store_access_key_id": "ASSAYLINE_STORE_ACCESS_KEY_ID",
        "store_secret_access_key": "ASSAYLINE_STORE_SECRET_ACCESS_KEY",
    },
    "mlflow": {
        "mlflow_url": "MLFLOW_TRACKING_URI",
        "mlflow_user": "MLFLOW_TRACKING_USERNAME",
        "mlflow_password": "MLFLOW_TRACKING_PASSWORD",
        "mlflow_reader": "ASSAYLINE_MLFLOW_READER",
        "webhook_url": "ASSAYLINE_WEBHOOK_URL",
    },
    "prefect": {"prefect_url": "PREFECT_API_URL", "prefect_login": "PREFECT_API_AUTH_STRING"},
}
# Those of them that say where a server is. A login alone names none: it may be of another program.
NAMING_VARIABLES = frozenset(
    {*PART_VARIABLES["store"].values(), "MLFLOW_TRACKING_URI", "PREFECT_API_URL"}
)


class Settings(SettingsModel, BaseSettings):
    """The addresses and keys of the object store, MLflow and Prefect."""

    model_config = SettingsConfigDict(
        env_prefix="ASSAYLINE_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = Field(
        default=Path(HOME_NAME), description="Folder of the local servers' data, logs and keys."
    )
    store_endpoint_url: str | None = Field(
        default=None, description="S3 endpoint, for example http://127.0.0.1:19000; None is AWS."
    )
    store_region: str = Field(default="us-east-1", description="S3 region.")
    store_access_key_id: SecretStr | None = Field(
        default=None, description="S3 key; None lets boto3 find one (profile, instance role)."
    )
    store_secret_access_key: SecretStr | None = Field(default=None, description="S3 secret.")
    artifacts_bucket: str = Field(
        default="assayline-artifacts",
        min_length=3,
        description="Bucket of every stage's artifacts.",
    )
    mlflow_bucket: str = Field(
        default="assayline-mlflow", min_length=3, description="Bucket behind the MLflow server."
    )
    results_bucket: str = Field(
        default="assayline-results", min_length=3, description="Bucket of Prefect's results."
    )
    results_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Secret that the results of stages are signed with, the same for all who run "
        "or read them; None is the file results.key in the home folder.",
    )
    mlflow_url: str | None = Field(
        default=None,
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow tracking server and registry.",
    )
    mlflow_user: str | None = Field(
        default=None,
        validation_alias="MLFLOW_TRACKING_USERNAME",
        description="User at MLflow, who may change what is there; None where it asks no login.",
    )
    mlflow_password: SecretStr | None = Field(
        default=None, validation_alias="MLFLOW_TRACKING_PASSWORD", description="Their password."
    )
    mlflow_reader: SecretStr | None = Field(
        default=None,
        description="Login at MLflow, as user:password, with which a model that is served is "
        "fetched; None is the one above.",
    )
    webhook_url: str | None = Field(
        default=None,
        description="Where the embedded MLflow tells that an alias was moved; `assayline up` says "
        "it. None leaves that to the schedule of watch-registry.",
    )
    prefect_url: str | None = Field(
        default=None, validation_alias="PREFECT_API_URL", description="Prefect API, ending in /api."
    )
    prefect_login: SecretStr | None = Field(
        default=None,
        validation_alias="PREFECT_API_AUTH_STRING",
        description="Login at Prefect, as user:password; None where it asks none.",
    )
    sweeps_database_url: SecretStr | None = Field(
        default=None,
        description="Database of the trials of sweeps, for example "
        "postgresql+psycopg://user:password@host/sweeps (needs assayline[postgresql]); None is "
        "SQLite in the home folder. A database of its own: MLflow's and Optuna's tables share "
        "names.",
    )
    gpu_wait_s: float = Field(
        default=86_400,
        ge=1,
        description="Seconds that a stage waits for a slot of the limit `gpu`; then its run fails.",
    )

    @field_validator("store_endpoint_url", "mlflow_url", "webhook_url", "prefect_url")
    @classmethod
    def _is_a_web_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must be an address that begins with http:// or https://")
        return value

    @property
    def sweeps_database(self) -> str:
        """Address of the database of sweeps, as SQLAlchemy takes it; it may hold a password."""
        if self.sweeps_database_url:
            return self.sweeps_database_url.get_secret_value()
        return f"sqlite:///{self.home.absolute() / 'sweeps.db'}"

    @property
    def mlflow_login(self) -> dict[str, str]:
        """The variables in which MLflow's client looks for user and password."""
        if not self.mlflow_user or not self.mlflow_password:
            return {}
        return {
            "MLFLOW_TRACKING_USERNAME": self.mlflow_user,
            "MLFLOW_TRACKING_PASSWORD": self.mlflow_password.get_secret_value(),
        }

    @property
    def mlflow_reader_login(self) -> dict[str, str]:
        """The same for who only reads; the other login where there is none of a reader."""
        return self.as_mlflow_reader().mlflow_login

    def as_mlflow_reader(self) -> "Settings":
        """These settings with the login of who only reads at MLflow, where there is one."""
        if not self.mlflow_reader:
            return self
        user, _, password = self.mlflow_reader.get_secret_value().partition(":")
        return self.model_copy(update={"mlflow_user": user, "mlflow_password": SecretStr(password)})

    @property
    def store_keys(self) -> dict[str, str]:
        """The variables in which boto3 looks for the store's keys; empty where it has its own."""
        key, secret = self.store_access_key_id, self.store_secret_access_key
        if not key or not secret:
            return {}
        return {
            "AWS_ACCESS_KEY_ID": key.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": secret.get_secret_value(),
        }

    def as_environment(self) -> dict[str, str]:
        """The variables from which another process reads the same settings."""
        prefix = str(self.model_config["env_prefix"])
        environment = {ENDPOINT_VARIABLE: ""}  # empty: AWS, and not what stack.env says
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value is not None:
                variable = str(field.validation_alias or f"{prefix}{name}".upper())
                plain = value.get_secret_value() if isinstance(value, SecretStr) else value
                environment[variable] = str(plain)
        return environment


class StackSettings(SettingsModel, BaseSettings):
    """How `assayline up` starts the local servers."""

    model_config = SettingsConfigDict(
        env_prefix="ASSAYLINE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    store_port: int = Field(default=19000, ge=1024, le=65535, description="Object store's port.")
    mlflow_port: int = Field(default=15000, ge=1024, le=65535, description="MLflow's port.")
    prefect_port: int = Field(default=14200, ge=1024, le=65535, description="Prefect's port.")
    webhook_port: int = Field(
        default=14300, ge=1024, le=65535, description="Port on which MLflow's webhook is received."
    )
    webhook: bool = Field(
        default=True,
        description="Have MLflow tell at once that somebody moved an alias; `off` leaves that to "
        "the schedule of watch-registry.",
    )
    worker: bool = Field(
        default=True, description="Start a Prefect worker here; false where others run one."
    )
    trainings_at_once: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Runs that train or score at once: slots of Prefect's limit `gpu`, set at each "
        "`up`. None is, when the limit is first made, 1 on a machine with a GPU, and else 1 for "
        "each 4 cores and 8 GiB of memory.",
    )
    start_timeout_s: float = Field(
        default=120, ge=1, le=1800, description="Seconds that each server may take to answer."
    )
    login: bool = Field(
        default=True,
        description="Prefect and MLflow ask a login, which is made at the first start; `off` lets "
        "in whoever has an account on this machine.",
    )
    prefect_public_url: str | None = Field(
        default=None,
        description="Where a reverse proxy with TLS shows Prefect, for example "
        "https://prefect.example.org; None is loopback alone.",
    )
    mlflow_public_url: str | None = Field(
        default=None, description="Where a reverse proxy with TLS shows MLflow; None is loopback."
    )
    mlflow_database_url: SecretStr | None = Field(
        default=None,
        description="MLflow's database, for example postgresql+psycopg://user:password@host/mlflow "
        "(needs assayline[postgresql]); None is SQLite in the home folder.",
    )
    prefect_database_url: SecretStr | None = Field(
        default=None,
        description="Prefect's database, for example postgresql+asyncpg://user:password@host/"
        "prefect; None is SQLite in the home folder.",
    )
    project: Path = Field(
        default=PROJECT, description="Folder that holds prefect.yaml and the flows."
    )
    serving_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Token that `assayline serve` asks of each request; None is the one in the "
        "file serving.token in the home folder, which is made at first use.",
    )

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = [self.store_port, self.mlflow_port, self.prefect_port]
        named = "ASSAYLINE_STORE_PORT, ASSAYLINE_MLFLOW_PORT and ASSAYLINE_PREFECT_PORT"
        if self.webhook:
            ports.append(self.webhook_port)
            named = named.replace(" and", ",") + " and ASSAYLINE_WEBHOOK_PORT"
        if len(set(ports)) < len(ports):
            raise ValueError(f"{named} must differ, and are {ports}")
        return self

    @field_validator("prefect_public_url", "mlflow_public_url")
    @classmethod
    def _is_public_by_tls(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.path.strip("/"):
            raise ValueError(
                "beyond this machine a server is shown by a reverse proxy with TLS alone; must be "
                "https://HOST, without user, password and path"
            )
        return f"https://{parts.netloc}"

    @model_validator(mode="after")
    def _public_asks_a_login(self) -> Self:
        if (self.prefect_public_url or self.mlflow_public_url) and not self.login:
            raise ValueError(
                "ASSAYLINE_LOGIN is off, and ASSAYLINE_PREFECT_PUBLIC_URL or "
                "ASSAYLINE_MLFLOW_PUBLIC_URL names an address beyond this machine; whoever reaches "
                "Prefect runs commands as you do, so leave the login on or the address out"
            )
        return self


def home_folder() -> Path:
    """Where the local servers keep their data, as an absolute path.

    ASSAYLINE_HOME (or the option --home, which sets it), else ``.assayline`` in the working
    directory or in the nearest parent that has one of this user's, else that of the one stack of
    this project that runs, else ``.assayline`` in the working directory.

    Raises:
        SettingsError: several stacks of this project run, and nothing says which is meant.

    """
    given = _named()
    if home := given.get(HOME_VARIABLE):
        return Path(home).expanduser().absolute()
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise SettingsError("the working directory is gone; change to another one") from error
    for folder in (here, *here.parents):
        if _is_ours(folder / HOME_NAME):
            return folder / HOME_NAME
    running = running_stacks(Path(given.get("ASSAYLINE_PROJECT") or PROJECT).absolute())
    if len(running) > 1:
        raise SettingsError(_which_is_meant(running))
    return running[0].home if running else here / HOME_NAME


def choose_home(home: Path) -> None:
    """Take a home folder for this process and those that it starts, whatever else names one.

    Raises:
        SettingsError: it is a file.

    """
    if home.expanduser().is_file():
        raise SettingsError(f"--home {home} is a file; name the folder of a stack")
    os.environ[HOME_VARIABLE] = str(home.expanduser().absolute())


def _is_ours(home: Path) -> bool:
    """Whether this user has a home folder there; that of another could send us to their servers."""
    try:
        return home.is_dir() and home.stat().st_uid == os.getuid()
    except OSError:
        return False


def _which_is_meant(running: list[RunningStack]) -> str:
    listed = "\n".join(
        f"  --home {stack.home}  (since {stack.since.astimezone():%Y-%m-%d %H:%M})"
        for stack in running
    )
    return f"{len(running)} stacks run, and nothing here says which one is meant; say it:\n{listed}"


def expand_variables(text: str) -> str:
    """A text with every $NAME or ${NAME} in it replaced by that variable; $$ is a dollar.

    Raises:
        SettingsError: a variable is not set, or a dollar begins no name. The text stands in no
            message, since a variable may hold a secret.

    """
    try:
        return Template(text).substitute(_given(home_folder()))
    except KeyError as error:
        raise SettingsError(
            f"the variable {error.args[0]}, which a setting names as ${error.args[0]}, is not set; "
            "set it in the environment of the worker or in .env"
        ) from None
    except ValueError:
        raise SettingsError(
            "a dollar in a setting begins no name of a variable; write $NAME, or $$ for a dollar"
        ) from None


def external_parts(home: Path) -> frozenset[str]:
    """Which of `store`, `mlflow` and `prefect` the user runs elsewhere; the module says when."""
    given, ours = _given(home), _read_env_file(home / STACK_ENV_FILE)

    def named_by_user(variable: str) -> bool:
        value = given.get(variable)
        means_something = bool(value) or (value == "" and variable == ENDPOINT_VARIABLE)
        return means_something and value != ours.get(variable)

    return frozenset(
        part
        for part, variables in PART_VARIABLES.items()
        if any(named_by_user(variable) for variable in NAMING_VARIABLES & set(variables.values()))
    )


def load_settings(home: Path | None = None) -> Settings:
    """Read the settings of this process.

    Raises:
        SettingsError: a variable has a value that its setting does not admit.

    """
    home = home or home_folder()
    ours = _read_env_file(home / STACK_ENV_FILE)
    local = {
        field: ours[variable]
        for part in PART_VARIABLES.keys() - external_parts(home)
        for field, variable in PART_VARIABLES[part].items()
        if variable in ours
    }
    try:
        return Settings(home=home, _env_file=_env_files(home), **local)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(explain_validation(error, "the environment", "ASSAYLINE_")) from error


def load_stack_settings() -> StackSettings:
    """Read how the local servers are to be started.

    Raises:
        SettingsError: a variable has a value that its setting does not admit.

    """
    try:
        return StackSettings(_env_file=_env_files(home_folder()))
    except ValidationError as error:
        raise SettingsError(explain_validation(error, "the environment", "ASSAYLINE_")) from error


def _given(home: Path) -> dict[str, str]:
    files = [_read_env_file(path) for path in _env_files(home)]
    return {name: value for named in (*files, os.environ) for name, value in named.items()}


def _named() -> dict[str, str]:
    """As `_given`, before it is known which home folder is meant."""
    return {**_read_env_file(Path(USER_ENV_FILE)), **os.environ}


def _env_files(home: Path) -> tuple[Path, ...]:
    """The user's own settings beside the home folder, and those in the working directory."""
    beside = (home.parent / USER_ENV_FILE,) if home.name == HOME_NAME else ()
    return (*beside, Path(USER_ENV_FILE))


def _read_env_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    values = dotenv_values(path, interpolate=False)  # a secret may hold a dollar sign
    return {name: value for name, value in values.items() if value is not None}


def explain_validation(error: ValidationError, source: str, prefix: str = "") -> str:
    """All errors of a refused settings source, one line each: the key, the value, the mend.

    Args:
        error: what pydantic raised.
        source: what the user wrote the settings in, for example a file's name.
        prefix: what turns a field's name into the variable that sets it.

    """
    lines = dict.fromkeys(line for item in _own_errors(error) for line in _told(item, prefix))
    return f"{source} has {len(lines)} wrong setting(s):\n" + "\n".join(lines)


def _told(item: ErrorDetails, prefix: str) -> Iterator[str]:
    """One error: the key, what is wrong, the value, the mend; and what YAML misread in it."""
    key, seen = ".".join(str(part) for part in item["loc"]), item["input"]
    if prefix and key.islower():
        key = f"{prefix}{key}".upper()
    if not isinstance(seen, Misread) or item["type"] == "extra_forbidden":
        yield f"  {key}: {_wrong(item)}" if key else f"  {_wrong(item)}"
    if item["loc"] and item["type"] not in {"missing", "value_error"}:  # of these it is the whole
        yield from (f"  {key}: {one.why} (line {one.line})" for one in misread_in(seen))


def _wrong(item: ErrorDetails) -> str:
    seen = item["input"]
    told = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        return "unknown setting; remove it or correct its spelling"
    if item["type"] == "missing":
        return "missing; add it"
    if item["type"] == "value_error" and isinstance(seen, dict):  # several settings, and secrets
        return told
    return f"{told} (value seen: {without_passwords(repr(seen))}{_hint(item)})"


def _own_errors(error: ValidationError) -> list[ErrorDetails]:
    """All errors but those that only follow from others.

    A default that is made of other settings is not made where these are wrong, and a list of which
    items are wrong counts as too short.
    """
    found = error.errors(include_url=False)
    places = {item["loc"] for item in found}
    return [
        item
        for item in found
        if item["type"] != "default_factory_not_called"
        and not (
            item["type"] == "too_short"
            and any(place[: len(item["loc"])] == item["loc"] != place for place in places)
        )
    ]


def _hint(item: ErrorDetails) -> str:
    """What to do where YAML made something else of a value than was meant."""
    kind, seen = item["type"], item["input"]
    if kind == "string_type":
        return _hint_at_quotes(seen)
    if not kind.startswith(("int_", "float_")):
        return ""
    if isinstance(seen, date):
        return "; YAML reads it as a date: write a number"
    if seen is None:
        return "; YAML reads ~, null and an empty value as none: write a number, or leave it out"
    meant = _number_meant(seen) if isinstance(seen, str) else None
    is_right = meant is not None and (kind.startswith("float_") or meant == int(meant))
    return f"; write {meant:g}" if is_right and abs(meant or 0) < EXACT else ""


def _hint_at_quotes(seen: object) -> str:
    if isinstance(seen, bool):
        return "; YAML reads yes, no, on, off, true and false so: quote the word, as in 'yes'"
    if seen is None:
        return "; YAML reads ~, null and an empty value so: quote the word, as in 'null'"
    if isinstance(seen, int | float | date):
        return "; quote it, so that it is read as text"
    return ""


def _number_meant(text: str) -> float | None:
    """The number that somebody means by a text which is none to YAML or pydantic."""
    share = 100 if text.endswith("%") else 1
    plain = text.removesuffix("%").strip()
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    if re.fullmatch(r"[-+]?0[xob][0-9a-fA-F]+", plain):
        with suppress(ValueError):
            return int(plain, 0)
    with suppress(ValueError):
        number = float(plain.replace(",", ".")) / share
        return number if isfinite(number) else None
    return None


def without_passwords(shown: str) -> str:
    """A value as a message may show it: without the user and password of an address in it."""
    shown = re.sub(r"://.*@", "://***@", shown, flags=re.DOTALL)
    return re.sub(r"(?i)((?:passw\w*|pwd|secret\w*|token\w*)(?:=|%3d))[^&;\s'\"]*", r"\1***", shown)

"""The command `assayline serve`: the version in production behind HTTP."""

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from cyclopts import Parameter

from flows.commands import console
from infra.errors import SettingsError
from infra.settings import Settings, load_settings, load_stack_settings, without_passwords

if TYPE_CHECKING:
    from flows.config import RetrainConfig

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORT: Final = 16_000

Config = Annotated[
    Path | None,
    Parameter(
        help="The line's YAML file; if left out, the settings that its deployment retrain/LINE "
        "was registered with."
    ),
]
EntitiesConfig = Annotated[
    Path | None,
    Parameter(
        help="The YAML file of the tagging line that serving.entities names; if left out, the "
        "settings that its deployment was registered with."
    ),
]
Host = Annotated[
    str,
    Parameter(
        help="Address to listen at. Another one than of this machine alone needs the login on; "
        "put a reverse proxy with TLS before it."
    ),
]
Port = Annotated[int, Parameter(help="Port to listen at.")]
PublicUrl = Annotated[
    tuple[str, ...],
    Parameter(
        help="Address under which clients or a reverse proxy reach the server, for example "
        "https://scoring.example.org; requests to names that nothing lists are refused. May be "
        "given several times.",
        negative="",
    ),
]


def serve(
    line: str,
    *,
    config: Config = None,
    host: Host = LOOPBACK[0],
    port: Port = DEFAULT_PORT,
    public_url: PublicUrl = (),
    entities_config: EntitiesConfig = None,
) -> int:
    """Put a line's version in production behind HTTP, until Ctrl-C or SIGTERM.

    MLflow's scoring protocol at POST /invocations; POST /feedback takes true labels; /ping,
    /health, /version and /metrics (Prometheus). When another version becomes production it is
    fetched, held against its manifest and tried, and then serves without a lost request. Each
    request but /ping names the token of the file serving.token in the home folder (Authorization:
    Bearer TOKEN).

    Args:
        line: the model line.
    """
    from flows.line_settings import settings_of_line
    from infra.local.serving_token import serving_token
    from tasks.serving.http_server import listen
    from tasks.stages.serving import LineToServe, serve_line

    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level="WARNING")
    settings, stack = load_settings(), load_stack_settings()
    token = serving_token(settings.home.absolute(), stack)
    if token is None and host not in LOOPBACK:
        raise SettingsError(
            f"--host is {host}, which others than this machine reach, and ASSAYLINE_LOGIN is off; "
            "leave the login on, or listen at 127.0.0.1"
        )

    def to_serve(one: "RetrainConfig") -> LineToServe:
        return LineToServe(one.line, one.task_type, one.serving, one.privacy)

    checked = settings_of_line(line, config, settings)
    finding = finding_line(checked, entities_config, settings)
    listening = listen(host, port)
    bound = listening.getsockname()[1]
    if token:
        where = "ASSAYLINE_SERVING_TOKEN" if stack.serving_token else "serving.token"
        console.say(f"requests name the token of {where} (Authorization: Bearer TOKEN)")
    serve_line(
        to_serve(checked), to_serve(finding) if finding else None, listening,
        software=f"assayline {version('assayline')}",
        addresses=addresses_of(host, bound, public_url), token=token, say=console.say,
    )  # fmt: skip
    return 0


def finding_line(
    config: "RetrainConfig", file: Path | None, settings: Settings
) -> "RetrainConfig | None":
    """The settings of the tagging line that finds entities for a line; None where it names none.

    Raises:
        SettingsError: a file is named and no line is, or that line is of another task type.
        StackError: the Prefect server is not reached.

    """
    from flows.line_settings import settings_of_line
    from tasks.task_types.roles import FINDS_ENTITIES

    entities = config.serving.entities
    if entities is None:
        if file is not None:
            raise SettingsError(
                f"--entities-config names {file}, and the settings of {config.line} name no line "
                "that finds entities; set serving.entities: {line: NAME}"
            )
        return None
    found = settings_of_line(entities.line, file, settings)
    if found.task_type != FINDS_ENTITIES:
        raise SettingsError(
            f"serving.entities.line of {config.line} names {found.line}, which is of task type "
            f"{found.task_type} and finds no entities; name a line of task type {FINDS_ENTITIES}"
        )
    return found


def addresses_of(host: str, port: int, public_urls: tuple[str, ...]) -> tuple[str, ...]:
    """Under which the server is reached, that of the host first.

    Raises:
        SettingsError: one is no address of a server.

    """
    for url in public_urls:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and parts.hostname
        # Browsers name no path in the Origin that this is held against.
        if not is_web or "@" in parts.netloc or parts.path.strip("/") or parts.query:
            raise SettingsError(
                f"--public-url is {without_passwords(repr(url))}; right would be https://HOST or "
                "http://HOST:PORT, without user, password and path"
            )
    names = [f"[{host}]" if ":" in host else host]
    names += [name for name in ("127.0.0.1", "localhost") if name != host]
    own = (f"http://{name}:{port}" for name in names)
    return (*own, *(url.rstrip("/") for url in public_urls))

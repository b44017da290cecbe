"""The services of compose.yaml as processes of this machine, since no container engine runs here.

Commands, variables, secrets, health checks and the order of the starts are read from the file. What
stands for a container: a folder of its own as home and as /tmp, an environment with nothing of the
shell, a process group that signals go to as its init would send them. What does not: its image, its
network, its rights and its limits. Names and ports of services become free ports of loopback.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
import yaml

from infra.deploy.new_secrets import write_secrets
from tests.conftest import free_port
from tests.deployed.common_checks import DEPLOY, PORTS, ROOT, SCRIPTS, Document
from tests.deployed.compose_checks import default

HEALTHY_WITHIN_S = 180.0
SETUP_WITHIN_S = 300.0
ENDS_WITHIN_S = 90.0
# Debian's; another distribution has it elsewhere.
POSTGRES_PROGRAMS = Path("/usr/lib/postgresql/15/bin")


def postgres_programs() -> Path:
    """Where PostgreSQL's server is installed; a test that needs it is skipped where it is not."""
    if not (POSTGRES_PROGRAMS / "initdb").exists():
        pytest.skip(f"PostgreSQL 15 is not installed at {POSTGRES_PROGRAMS}")
    return POSTGRES_PROGRAMS


@dataclass
class Processes:
    """The services of a compose file in a folder.

    Args:
        folder: of homes, secrets and logs.
        lines: what the file mounts at /lines.

    """

    folder: Path
    lines: Path
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        content = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
        self.services: Mapping[str, Document] = content["services"]
        self.ports = {name: free_port() for name in PORTS}
        self.secrets = self.folder / "secrets"
        write_secrets(self.secrets)
        for name in ("mlflow_database_url", "prefect_database_url"):
            path = self.secrets / name
            path.chmod(0o600)
            path.write_text(self.here(path.read_text()))

    def here(self, text: str) -> str:
        """A text of the compose file with this machine's ports and folders in it."""
        for name, port in PORTS.items():
            text = re.sub(
                rf"\b({name}|127\.0\.0\.1):{port}\b", f"127.0.0.1:{self.ports[name]}", text
            )
        text = text.replace("/run/secrets", str(self.secrets)).replace("0.0.0.0", "127.0.0.1")
        return re.sub(r"^/lines\b", str(self.lines), text)

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text(encoding="utf-8")

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def home(self, name: str) -> Path:
        return self.folder / name / "home"

    def environment(self, name: str, **others: str) -> dict[str, str]:
        """What a container of a service has, and nothing of this shell."""
        told = self.services[name].get("environment", {})
        return {
            "PATH": f"{SCRIPTS}:/usr/bin:/bin",
            "HOME": str(self.home(name)),
            "TMPDIR": str(self.folder / name / "tmp"),
            "ASSAYLINE_HOME": str(self.home(name)),
            "ASSAYLINE_PROJECT": str(ROOT),
            # What a container need not be told, since it has all ports to itself.
            **{f"ASSAYLINE_{one.upper()}_PORT": str(self.ports[one]) for one in
               ("store", "mlflow", "prefect")},
            "ASSAYLINE_WEBHOOK": "off",
            "OMP_NUM_THREADS": "2",
            **{key: self.here(default(str(value))) for key, value in told.items()},
            **others,
        }  # fmt: skip

    def command(self, name: str, words: Sequence[str] = ()) -> list[str]:
        """A service's command behind the image's entry, or another one in its place."""
        service = self.services[name]
        given = [self.here(default(str(word))) for word in words or service["command"]]
        if given[:2] == ["assayline", "serve"]:
            given += ["--port", str(self.ports["serve"])]
        return [sys.executable, "-m", "infra.deploy.entry", *given]

    def call(
        self, name: str, *words: str, timeout_s: float = 600, **others: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command as `docker compose run --rm NAME ...` does."""
        self._make_folders(name)
        return subprocess.run(
            self.command(name, words), env=self.environment(name, **others), cwd=ROOT,
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def start_calling(self, name: str, *words: str) -> "subprocess.Popen[str]":
        """The same without waiting for its end."""
        self._make_folders(name)
        return subprocess.Popen(
            self.command(name, words), env=self.environment(name), cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def up(self, *names: str, **others: str) -> None:
        """Start services, and before them what they depend on, as healthy as they ask for it."""
        for name in names:
            for other, condition in self.services[name].get("depends_on", {}).items():
                self.up(other)
                if condition["condition"] == "service_completed_successfully":
                    self._completed(other)
                else:
                    self.wait_until_healthy(other)
            self.start(name, **others)
        for name in names:
            if "healthcheck" in self.services[name]:
                self.wait_until_healthy(name)

    def start(self, name: str, **others: str) -> None:
        """Start one service unless it runs, or has ended as it should."""
        if name in self.started:
            return
        self._make_folders(name)
        command, account = self.command_of(name), self._account(name)
        self.running[name] = subprocess.Popen(
            command,
            env=self.environment(name, **others), cwd=ROOT if name != "postgres" else "/",
            stdin=subprocess.DEVNULL, stdout=self.log(name).open("ab"), stderr=subprocess.STDOUT,
            start_new_session=True, **account,
        )  # type: ignore[call-overload]  # fmt: skip
        self.started.add(name)
        if name == "postgres":
            self._first_start_of_postgres()

    def command_of(self, name: str) -> Sequence[str | Path]:
        return self._postgres if name == "postgres" else self.command(name)

    def log(self, name: str) -> Path:
        return self.folder / name / "log"

    def kill(self, name: str) -> None:
        """As `docker kill`: nothing of it can say a last word."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=ENDS_WITHIN_S)
        self.started.discard(name)

    def stop(self, name: str) -> int:
        """As `docker stop`; returns the exit code, or that of a kill where it did not end."""
        process = self.running.pop(name)
        self.started.discard(name)
        told = self.services[name].get("stop_signal", "SIGTERM")
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.Signals[told])
        try:
            code = process.wait(timeout=ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return code

    def down(self) -> dict[str, int]:
        """Stop everything, last started first; the exit codes by service."""
        return {name: self.stop(name) for name in reversed(list(self.running))}

    def wait_until_healthy(self, name: str) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        while not self.is_healthy(name):
            if self.running[name].poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{name} does not become healthy:\n{self.tail(name)}")
            time.sleep(0.3)

    def is_healthy(self, name: str) -> bool:
        """Whether a service's own health check says so."""
        test = [self.here(str(word)) for word in self.services[name]["healthcheck"]["test"][1:]]
        if name == "postgres":
            test = [str(postgres_programs() / test[0]), "--port", str(self.ports[name]), *test[1:]]
        checked = subprocess.run(
            test, env=self.environment(name), cwd=ROOT, capture_output=True, check=False
        )
        return checked.returncode == 0

    def tail(self, name: str) -> str:
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-40:])

    def _completed(self, name: str) -> None:
        code = self.running[name].wait(timeout=SETUP_WITHIN_S) if name in self.running else 0
        self.running.pop(name, None)
        if code != 0:
            pytest.fail(f"{name} ended with {code}:\n{self.tail(name)}")

    def _make_folders(self, name: str) -> None:
        for made in (self.home(name), self.folder / name / "tmp"):
            made.mkdir(parents=True, exist_ok=True)

    # --- PostgreSQL, which is not of our image ---------------------------------------------------

    @property
    def _data(self) -> Path:
        return self.folder / "postgres" / "home" / "data"

    @property
    def _postgres(self) -> Sequence[str | Path]:
        if not self._data.exists():
            self._init_postgres()
        sockets = self.folder / "postgres" / "tmp"
        return [
            postgres_programs() / "postgres", "-D", self._data, "-h", "127.0.0.1",
            "-p", str(self.ports["postgres"]), "-k", sockets,
        ]  # fmt: skip

    def _account(self, name: str) -> dict[str, object]:
        """PostgreSQL refuses to run as root, so root starts it as nobody."""
        if name != "postgres" or os.geteuid() != 0:
            return {}
        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _init_postgres(self) -> None:
        account = self._account("postgres")
        password = self.folder / "postgres" / "password"
        shutil.copy(self.secrets / "postgres_password", password)
        if account:
            for path in (self.folder / "postgres").rglob("*"):
                os.chown(path, int(str(account["user"])), int(str(account["group"])))
        arguments = self.services["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
        subprocess.run(
            [
                postgres_programs() / "initdb", "-D", self._data, "-U", "postgres", "-E", "UTF8",
                "--locale", "C.UTF-8", "--pwfile", password, "--no-sync", *arguments,
            ],
            check=True, cwd="/", stdout=subprocess.DEVNULL, **account,
        )  # type: ignore[call-overload]  # fmt: skip

    def _first_start_of_postgres(self) -> None:
        """What the image runs in a new data folder, and never again."""
        done = self.folder / "postgres" / "made"
        if done.exists():
            return
        (place,) = [
            one.split(":")[0] for one in self.services["postgres"]["volumes"] if "initdb.d" in one
        ]
        asked = subprocess.run([DEPLOY / place], env=self.superuser, check=False)
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        while asked.returncode != 0:  # it is not up yet, and has made nothing
            if self.running["postgres"].poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{place} failed:\n{self.tail('postgres')}")
            time.sleep(0.2)
            asked = subprocess.run([DEPLOY / place], env=self.superuser, check=False)
        done.touch()

    @cached_property
    def superuser(self) -> dict[str, str]:
        """The environment of psql as PostgreSQL's owner."""
        return {
            "PATH": f"{postgres_programs()}:/usr/bin:/bin",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.ports["postgres"]),
            "PGPASSWORD": self.secret("postgres_password"),
            "SECRETS": str(self.secrets),
        }

    def sql(self, database: str, query: str) -> list[str]:
        """The rows of a query, as PostgreSQL's owner, one line each."""
        done = subprocess.run(
            ["psql", "-X", "-A", "-t", "-U", "postgres", "-d", database, "-c", query],
            env=self.superuser, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()


def as_processes(folder: Path, lines: Path) -> Iterator[Processes]:
    """The services until the block ends; nothing of them stays."""
    stack = Processes(folder, lines)
    try:
        yield stack
    finally:
        for name in list(stack.running):
            with suppress(ProcessLookupError):
                os.killpg(stack.running[name].pid, signal.SIGKILL)
            stack.running[name].wait()

"""What a container is told beside what `infra.settings` reads: where it listens, and its name."""

from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import SettingsError
from infra.local.parts import HOST, Reach
from infra.settings import Settings, StackSettings, explain_validation
from infra.settings_models import SettingsModel

PREFIX = "ASSAYLINE_"


class ContainerSettings(SettingsModel, BaseSettings):
    """How one part of a deployed stack is started in a container of its own."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    server_host: str = Field(
        default=HOST,
        min_length=1,
        description="Address that a server listens at; 0.0.0.0 in a container, whose network says "
        "who reaches it. `assayline up` does not read it: the embedded stack stays on loopback.",
    )
    server_addresses: str = Field(
        default="",
        description="Under which others reach this server, separated by blanks, for example "
        "http://mlflow:15000; requests to other names are refused.",
    )
    worker_name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="Under which a worker registers at Prefect; no two may have one name. None is "
        "made of the machine's.",
    )
    job_template: Path | None = Field(
        default=None,
        description="Template of Prefect's Kubernetes work pool, a JSON file; None leaves the pool "
        "to workers that run flows as their own processes.",
    )
    job_image: str | None = Field(
        default=None, min_length=1, description="Image of the jobs of that pool."
    )
    job_gpus: int = Field(
        default=0, ge=0, le=64, description="GPUs that a job asks for where its run says nothing."
    )

    @field_validator("server_addresses")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        for address in value.split():
            parts = urlsplit(address)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path:
                raise ValueError(
                    "must be addresses as http://HOST:PORT, without a path, separated by blanks"
                )
        return value

    @property
    def reach(self) -> Reach:
        """Where a server of this container listens, and under what it is reached."""
        return Reach(self.server_host, tuple(self.server_addresses.split()))


def load_container_settings() -> ContainerSettings:
    """Read what this container is told.

    Raises:
        SettingsError: a variable has a value that its setting does not admit.

    """
    try:
        return ContainerSettings()
    except ValidationError as error:
        raise SettingsError(explain_validation(error, "the environment", PREFIX)) from error


def variables() -> dict[str, bool]:
    """Every variable that this project's settings read, and whether it holds a secret."""
    found: dict[str, bool] = {}
    for model in (Settings, StackSettings, ContainerSettings):
        for name, field in model.model_fields.items():
            variable = str(field.validation_alias or f"{PREFIX}{name}".upper())
            found[variable] = SecretStr in {field.annotation, *get_args(field.annotation)}
    return found

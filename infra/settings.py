"""Where the servers are and how to reach them: the only reader of the environment.

A variable of the environment wins over ``.env`` in the working directory, and that over
``stack.env``, which `assayline up` writes for the servers that it starts itself.
"""

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import SettingsError

STACK_ENV_FILE = "stack.env"


class Settings(BaseSettings):
    """The addresses and keys of the object store, MLflow and Prefect."""

    model_config = SettingsConfigDict(
        env_prefix="ASSAYLINE_", extra="ignore", frozen=True, populate_by_name=True
    )

    home: Path = Field(
        default=Path(".assayline"), description="Folder of the local servers' data, logs and keys."
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
    mlflow_url: str | None = Field(
        default=None,
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow tracking server and registry.",
    )
    prefect_url: str | None = Field(
        default=None, validation_alias="PREFECT_API_URL", description="Prefect API, ending in /api."
    )


def load_settings(home: Path | None = None) -> Settings:
    """Read the settings of this process.

    Raises:
        SettingsError: a variable has a value that its setting does not admit.

    """
    home = home or Path(os.environ.get("ASSAYLINE_HOME", ".assayline"))
    try:
        # pydantic-settings reads the later file over the earlier one.
        return Settings(home=home, _env_file=(home / STACK_ENV_FILE, ".env"))  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(explain_validation(error, "the environment")) from error


def explain_validation(error: ValidationError, source: str) -> str:
    """All errors of a refused settings source, one line each: the key, the value, the mend."""
    lines = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "(whole)"
        if item["type"] == "extra_forbidden":
            lines.append(f"  {key}: unknown setting; remove it or correct its spelling")
        elif item["type"] == "missing":
            lines.append(f"  {key}: missing; add it")
        else:
            lines.append(f"  {key}: {item['msg']} (value seen: {item['input']!r})")
    return f"{source} has {len(lines)} wrong setting(s):\n" + "\n".join(lines)

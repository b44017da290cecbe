"""What a part of the stack is told, and what not."""

import ssl
from pathlib import Path

from infra.local.parts import (
    certificate_file,
    one_certificate,
    prefect_environment,
    webhook_part,
    worker_part,
)
from infra.settings import Settings, StackSettings
from tasks.stages.retries import PAUSES_S


def test_the_receiver_of_webhooks_knows_prefect_alone(tmp_path: Path) -> None:
    settings = Settings(
        store_endpoint_url="http://127.0.0.1:19000", store_access_key_id="planted-key",
        store_secret_access_key="planted-secret", mlflow_url="http://127.0.0.1:15000",
        mlflow_user="owner", mlflow_password="planted-password", mlflow_reader="reader:planted",
        prefect_url="http://127.0.0.1:14200/api", prefect_login="owner:of-prefect",
        results_key="planted sixteen characters",
        sweeps_database_url="postgresql+psycopg://me:planted@host/sweeps",
    )  # fmt: skip
    part = webhook_part(tmp_path, settings, StackSettings())
    assert part.environment["PREFECT_API_URL"] == "http://127.0.0.1:14200/api"
    assert part.environment["PREFECT_API_AUTH_STRING"] == "owner:of-prefect"
    assert not [value for value in part.environment.values() if "planted" in value]
    # Nor by the shell that calls `up`.
    for name in ("ASSAYLINE_STORE_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD",
                 "ASSAYLINE_MLFLOW_READER", "ASSAYLINE_RESULTS_KEY",
                 "ASSAYLINE_SWEEPS_DATABASE_URL"):  # fmt: skip
        assert name in part.without


def test_a_run_asks_prefect_for_as_long_as_it_asks_store_and_mlflow(tmp_path: Path) -> None:
    """Prefect's client doubles its pause each time, from two seconds on."""
    worker = worker_part(tmp_path, Settings(), StackSettings())
    tries = int(worker.environment["PREFECT_CLIENT_MAX_RETRIES"])
    assert sum(2.0**number for number in range(1, tries + 1)) >= sum(PAUSES_S)


def test_who_reaches_prefect_in_plain_http_reads_one_certificate_and_nobody_else(
    tmp_path: Path,
) -> None:
    def variable(url: str) -> str | None:
        settings = Settings(home=tmp_path, prefect_url=url, mlflow_url=None)
        return prefect_environment(tmp_path, tmp_path, settings).get("PREFECT_API_SSL_CERT_FILE")

    assert variable("http://127.0.0.1:4200/api") is None  # nobody has written it yet
    certificate = certificate_file(tmp_path)
    certificate.parent.mkdir()
    certificate.write_text(one_certificate())
    assert len(ssl.create_default_context(cafile=certificate).get_ca_certs()) == 1
    assert variable("http://127.0.0.1:4200/api") == str(certificate)
    assert variable("https://prefect.example/api") is None

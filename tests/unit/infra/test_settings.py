"""Who wins: the environment, .env or stack.env, and what makes a server external."""

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import SettingsError
from infra.local.private_files import as_env_file, store_keys, write_private
from infra.settings import (
    PART_VARIABLES,
    STACK_ENV_FILE,
    Settings,
    external_parts,
    home_folder,
    load_settings,
    load_stack_settings,
)

LOCAL = {
    "ASSAYLINE_STORE_ENDPOINT_URL": "http://127.0.0.1:19000",
    "ASSAYLINE_STORE_ACCESS_KEY_ID": "local",
    "ASSAYLINE_STORE_SECRET_ACCESS_KEY": "pa$$word",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:15000",
    "PREFECT_API_URL": "http://127.0.0.1:14200/api",
}


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no server, and a folder without .env."""
    monkeypatch.chdir(tmp_path)
    for variables in PART_VARIABLES.values():
        for variable in variables.values():
            monkeypatch.delenv(variable, raising=False)
    for name in ("HOME", "STORE_PORT", "MLFLOW_PORT", "PREFECT_PORT", "WEBHOOK_PORT", "PROJECT"):
        monkeypatch.delenv(f"ASSAYLINE_{name}", raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose stack was up."""
    folder = tmp_path / ".assayline"
    folder.mkdir()
    write_private(folder / STACK_ENV_FILE, as_env_file(LOCAL))
    return folder


def secret_of(settings: Settings) -> str | None:
    value = settings.store_secret_access_key
    return value.get_secret_value() if value else None


def test_the_servers_of_the_stack_are_found(home: Path) -> None:
    settings = load_settings()
    assert settings.home == home
    assert settings.mlflow_url == LOCAL["MLFLOW_TRACKING_URI"]
    assert secret_of(settings) == "pa$$word"
    assert external_parts(home) == frozenset()


def test_a_variable_wins_and_makes_its_part_external(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
    assert external_parts(home) == {"mlflow"}
    assert load_settings().mlflow_url == "https://mlflow.example"
    assert load_settings().prefect_url == LOCAL["PREFECT_API_URL"]


def test_the_dot_env_file_stands_between(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PREFECT_API_URL=http://from.file/api\n", encoding="utf-8")
    assert external_parts(home) == {"prefect"}
    assert load_settings().prefect_url == "http://from.file/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://from.environment/api")
    assert load_settings().prefect_url == "http://from.environment/api"


def test_an_exported_stack_env_makes_nothing_external(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    assert external_parts(home) == frozenset()


def test_an_empty_endpoint_means_aws_and_takes_no_local_keys(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAYLINE_STORE_ENDPOINT_URL", "")
    settings = load_settings()
    assert external_parts(home) == {"store"}
    assert settings.store_endpoint_url is None
    assert secret_of(settings) is None


def test_other_keys_never_mix_with_the_local_endpoint(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAYLINE_STORE_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("ASSAYLINE_STORE_SECRET_ACCESS_KEY", "mine-too")
    settings = load_settings()
    assert external_parts(home) == {"store"}
    assert settings.store_endpoint_url is None


def test_an_empty_address_is_no_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert external_parts(home) == frozenset()
    assert load_settings().mlflow_url == LOCAL["MLFLOW_TRACKING_URI"]


@pytest.mark.parametrize("local", [LOCAL, {}])
def test_another_process_reads_the_same_settings(
    tmp_path: Path, local: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / STACK_ENV_FILE, as_env_file(local))
    settings = load_settings(tmp_path)
    write_private(tmp_path / STACK_ENV_FILE, as_env_file({}))
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    again = load_settings(home_folder())
    assert again.store_endpoint_url == settings.store_endpoint_url
    assert secret_of(again) == secret_of(settings)


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAYLINE_STORE_PORT", "80")
    monkeypatch.setenv("ASSAYLINE_MLFLOW_PORT", "many")
    with pytest.raises(SettingsError) as refused:
        load_stack_settings()
    assert "2 wrong setting(s)" in str(refused.value)
    assert "ASSAYLINE_STORE_PORT: Input should be greater than or equal to 1024" in str(
        refused.value
    )
    assert "ASSAYLINE_MLFLOW_PORT" in str(refused.value)


def test_a_refused_set_of_ports_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAYLINE_STORE_PORT", "15000")
    monkeypatch.setenv("ASSAYLINE_MLFLOW_DATABASE_URL", "postgresql://user:hidden@host/db")
    with pytest.raises(SettingsError, match="must differ") as refused:
        load_stack_settings()
    assert "hidden" not in str(refused.value)


def test_an_address_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "localhost:4200/api")
    with pytest.raises(SettingsError, match=r"PREFECT_API_URL.*begins with http"):
        load_settings()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"`#\\")))
def test_what_stack_env_holds_is_read_back(secret: str) -> None:
    text = as_env_file({"SECRET": secret})
    assert dotenv_values(stream=io.StringIO(text), interpolate=False) == {"SECRET": secret}


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    first = store_keys(tmp_path)
    (tmp_path / "keys.json").chmod(0o644)
    assert store_keys(tmp_path) == first
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    other = tmp_path / "other"
    other.mkdir()
    assert store_keys(other) != first


def test_sweeps_stand_in_the_home_folder_unless_a_database_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().sweeps_database == f"sqlite:///{home}/sweeps.db"
    monkeypatch.setenv(
        "ASSAYLINE_SWEEPS_DATABASE_URL", "postgresql+psycopg://me:hidden@host/sweeps"
    )
    settings = load_settings()
    assert settings.sweeps_database == "postgresql+psycopg://me:hidden@host/sweeps"
    assert "hidden" not in repr(settings)
    assert settings.as_environment()["ASSAYLINE_SWEEPS_DATABASE_URL"] == settings.sweeps_database

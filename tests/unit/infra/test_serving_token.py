"""The token of served lines: one for all servers of a home, and for its owner's eyes alone."""

import secrets
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.errors import SettingsError, StackError
from infra.local.serving_token import FILE, serving_token
from infra.settings import StackSettings

OWN = "a-token-of-ones-own"


def test_it_is_made_once_and_read_by_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, token_hex = tmp_path / "home", secrets.token_hex

    def slowly(size: int) -> str:
        time.sleep(0.05)  # so that others look for the file meanwhile
        return token_hex(size)

    monkeypatch.setattr(secrets, "token_hex", slowly)
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: serving_token(home, StackSettings()), range(8)))
    (token,) = made
    assert token
    assert len(token) == 32
    assert (home / FILE).read_text() == f"{token}\n"
    (home / FILE).chmod(0o644)
    assert serving_token(home, StackSettings()) == token
    assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600


def test_ones_own_is_taken_and_no_file_made(tmp_path: Path) -> None:
    assert serving_token(tmp_path, StackSettings(serving_token=SecretStr(OWN))) == OWN
    assert list(tmp_path.iterdir()) == []


def test_none_is_asked_where_the_login_is_off(tmp_path: Path) -> None:
    stack = StackSettings(login=False, serving_token=SecretStr(OWN))
    assert serving_token(tmp_path, stack) is None


def test_what_is_no_token_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ASSAYLINE_SERVING_TOKEN cannot stand") as refused:
        serving_token(tmp_path, StackSettings(serving_token=SecretStr(f"{OWN} and a blank")))
    assert OWN not in str(refused.value)
    (tmp_path / FILE).write_text("")
    with pytest.raises(SettingsError, match=f"{FILE} cannot stand"):
        serving_token(tmp_path, StackSettings())
    (tmp_path / FILE).write_bytes(b"\xff")
    with pytest.raises(StackError, match="remove it for a new one"):
        serving_token(tmp_path, StackSettings())

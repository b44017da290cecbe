"""What is taken for a result of this stack, and what is not."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import IntegrityError, SettingsError
from infra.result_signatures import (
    KEY_FILE,
    ResultKey,
    UnsignedResultError,
    opened,
    result_key,
    sign,
)
from infra.settings import Settings

KEY = ResultKey(b"a secret of the stack")
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
WHERE = "s3://results/name"


@given(name=NAMES, content=st.binary(max_size=200))
def test_what_was_signed_is_opened(name: str, content: bytes) -> None:
    assert opened(name, sign(name, content, KEY), KEY, WHERE) == content


@given(
    name=NAMES, content=st.binary(max_size=60), at=st.integers(min_value=0),
    bit=st.integers(0, 7),
)  # fmt: skip
def test_every_changed_bit_is_seen(name: str, content: bytes, at: int, bit: int) -> None:
    kept = bytearray(sign(name, content, KEY))
    kept[at % len(kept)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        opened(name, bytes(kept), KEY, WHERE)


@given(name=NAMES, content=st.binary(max_size=60), cut=st.integers(min_value=1, max_value=80))
def test_a_result_that_was_cut_short_or_added_to_is_seen(
    name: str, content: bytes, cut: int
) -> None:
    kept = sign(name, content, KEY)
    for other in (kept[:-cut], kept + b"x" * cut):
        with pytest.raises(IntegrityError):
            opened(name, other, KEY, WHERE)


@given(name=NAMES, other=NAMES, content=st.binary(max_size=60))
def test_a_result_is_none_of_another_stage(name: str, other: str, content: bytes) -> None:
    if name != other:
        with pytest.raises(IntegrityError, match="belongs to another stage"):
            opened(other, sign(name, content, KEY), KEY, WHERE)


def test_a_result_without_a_signature_is_told_from_one_with_another() -> None:
    for kept in (b'{"result": "null"}', b"", b"assayline-result 1 no line", b"\n\n"):
        with pytest.raises(UnsignedResultError, match="s3://results/name has no signature"):
            opened("name", kept, KEY, WHERE)


def test_another_key_is_named_by_its_id_alone() -> None:
    other = ResultKey(b"a secret of another stack")
    kept = sign("name", b"content", other)
    with pytest.raises(IntegrityError, match=f"the key {other.id}, and the key here is {KEY.id}"):
        opened("name", kept, KEY, WHERE)
    assert b"secret" not in kept


def test_a_home_has_one_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", mlflow_url=None, prefect_url=None)
    found: list[ResultKey] = []
    threads = [
        threading.Thread(target=lambda: found.append(result_key(settings))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in settings.home.iterdir()] == [KEY_FILE]
    assert (settings.home / KEY_FILE).stat().st_mode & 0o777 == 0o600
    (settings.home / KEY_FILE).write_text("")
    with pytest.raises(SettingsError, match="is empty; remove it"):
        result_key(settings)


def test_a_key_that_is_set_needs_no_file(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, results_key="sixteen characters", mlflow_url=None, prefect_url=None
    )
    assert result_key(settings) == ResultKey(b"sixteen characters")
    assert list(tmp_path.iterdir()) == []
    assert "sixteen" not in repr(settings)
    assert settings.as_environment()["ASSAYLINE_RESULTS_KEY"] == "sixteen characters"

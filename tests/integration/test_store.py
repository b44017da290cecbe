"""The object store client against a real S3 server."""

import filecmp
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from infra.errors import StoreError
from infra.settings import Settings
from infra.store import (
    MANIFEST,
    MULTIPART_BYTES,
    PART_BYTES,
    ObjectStore,
    etags_of_file,
    split_uri,
)
from tests.conftest import free_port


def test_one_object_comes_back_as_it_was(store: ObjectStore, tmp_path: Path) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(max_size=5000))
    def round_trip(data: bytes) -> None:
        artifact = store.put_bytes(store.uri("test", "object"), data)
        assert store.get_bytes(artifact.uri) == data
        assert store.get_file(artifact, tmp_path / "copy").read_bytes() == data
        assert artifact.size_bytes == len(data)

    round_trip()


def test_a_folder_comes_back_and_its_manifest_is_last(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "a.txt").write_text("one")
    (source / "inner" / "b.bin").write_bytes(bytes(range(256)))
    artifact = store.put_folder(store.uri("test", "folder"), source)
    copy = store.get_folder(artifact, tmp_path / "copy")
    assert (copy / "a.txt").read_text() == "one"
    assert (copy / "inner" / "b.bin").read_bytes() == bytes(range(256))
    assert artifact.size_bytes == 3 + 256
    assert store.exists(f"{artifact.uri}/{MANIFEST}")
    assert store.put_folder(store.uri("test", "folder"), source).sha256 == artifact.sha256


@pytest.fixture
def sent(store: ObjectStore) -> Iterator[list[str]]:
    """Method and key of each request with a body, as they leave this process."""
    found: list[str] = []

    def note(request: Any, **_: object) -> None:
        if int(request.headers.get("Content-Length") or 0):
            found.append(f"{request.method} {request.url.split('?')[0].rsplit('/', 1)[1]}")

    events = store._client.meta.events
    events.register("before-send.s3", note)
    yield found
    events.unregister("before-send.s3", note)


def test_unchanged_content_uploads_nothing_and_an_altered_object_is_mended(
    store: ObjectStore, tmp_path: Path, sent: list[str]
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    (folder / "large.bin").write_bytes(bytes(range(256)) * (MULTIPART_BYTES // 256 + 1))
    uri = store.uri("test", "unchanged")
    artifact = store.put_folder(uri, folder)
    assert {one.rsplit(" ", 1)[1] for one in sent} == {"a.txt", "large.bin", MANIFEST}
    sent.clear()
    assert store.put_folder(uri, folder) == artifact
    assert not sent

    store.put_bytes(f"{uri}/a.txt", b"two")  # of the same size
    sent.clear()
    assert store.put_folder(uri, folder) == artifact
    assert sent == ["PUT a.txt"]
    store.get_folder(artifact, tmp_path / "copy")

    (folder / "a.txt").write_text("six")
    sent.clear()
    changed = store.put_folder(uri, folder)
    assert sent == ["PUT a.txt", f"PUT {MANIFEST}"]
    assert changed.sha256 != artifact.sha256


def test_the_tag_of_a_file_is_that_of_any_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    # RFC 1321 gives the MD5 of "abc"; of an object in parts S3's is that of the parts' MD5s.
    assert "900150983cd24fb0d6963f7d28e17f72" in etags_of_file(path)
    path.write_bytes(b"x" * (PART_BYTES + 1))
    parts = [hashlib.md5(b"x" * size).digest() for size in (PART_BYTES, 1)]  # noqa: S324
    assert f"{hashlib.md5(b''.join(parts)).hexdigest()}-2" in etags_of_file(path)  # noqa: S324


def test_a_folder_without_manifest_is_no_artifact(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    artifact = store.put_folder(store.uri("test", "half"), tmp_path)
    store.delete(f"{artifact.uri}/{MANIFEST}")
    with pytest.raises(StoreError, match="does not exist"):
        store.get_folder(artifact, tmp_path / "copy")


def test_an_altered_file_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    artifact = store.put_folder(store.uri("test", "altered"), tmp_path)
    store.put_bytes(f"{artifact.uri}/a.txt", b"two")
    with pytest.raises(StoreError, match="was written with"):
        store.get_folder(artifact, tmp_path / "copy")
    store.put_bytes(f"{artifact.uri}/{MANIFEST}", b"{}")
    with pytest.raises(StoreError, match="was changed after it was written"):
        store.get_folder(artifact, tmp_path / "copy")


def test_a_file_of_many_parts_comes_back(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "large.bin"
    source.write_bytes(random.Random(0).randbytes(MULTIPART_BYTES + 12_345))
    artifact = store.put_file(store.uri("test", "large"), source)
    copy = store.get_file(artifact, tmp_path / "inner" / "copy.bin")
    assert filecmp.cmp(source, copy, shallow=False)
    assert [path.name for path in copy.parent.iterdir()] == ["copy.bin"]


def test_what_is_refused_does_not_take_the_place_of_what_stood(
    store: ObjectStore, tmp_path: Path
) -> None:
    good = store.put_bytes(store.uri("test", "stood"), b"one")
    path = store.get_file(good, tmp_path / "copy")
    store.put_bytes(good.uri, b"two")
    with pytest.raises(StoreError, match="was written with"):
        store.get_file(good, path)
    store.delete(good.uri)
    with pytest.raises(StoreError, match="does not exist"):
        store.get_file(good, path)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_list_and_delete(store: ObjectStore) -> None:
    for name in ("b", "a"):
        store.put_bytes(store.uri("test", "many", name), b"x")
    prefix = store.uri("test", "many") + "/"
    assert store.list(prefix) == [f"{prefix}a", f"{prefix}b"]
    store.delete(prefix)
    assert store.list(prefix) == []


def test_a_missing_object_and_a_missing_bucket_are_named(store: ObjectStore) -> None:
    with pytest.raises(StoreError, match="s3://assayline-artifacts/nothing does not exist"):
        store.get_bytes(store.uri("nothing"))
    with pytest.raises(StoreError, match="no-such-bucket"):
        store.put_bytes("s3://no-such-bucket/key", b"x")


def test_wrong_keys_are_told_as_such(store_settings: Settings, tmp_path: Path) -> None:
    wrong = store_settings.model_copy(update={"store_secret_access_key": SecretStr("wrong")})
    client = ObjectStore(wrong)
    (tmp_path / "file").write_text("x")
    for call in (
        client.check,
        lambda: client.get_bytes(client.uri("x")),
        lambda: client.put_bytes(client.uri("x"), b"x"),
        lambda: client.put_file(client.uri("x"), tmp_path / "file"),
    ):
        with pytest.raises(StoreError, match=r"refuses the keys.*_SECRET_ACCESS_KEY"):
            call()


def test_an_unreachable_store_is_told_as_such(store_settings: Settings, tmp_path: Path) -> None:
    gone = store_settings.model_copy(
        update={"store_endpoint_url": f"http://127.0.0.1:{free_port()}"}
    )
    client = ObjectStore(gone)
    (tmp_path / "file").write_text("x")
    for call in (client.check, lambda: client.put_file(client.uri("x"), tmp_path / "file")):
        with pytest.raises(StoreError, match=r"does not answer.*assayline up"):
            call()


@pytest.mark.parametrize("uri", ["/tmp/file", "http://host/key", "s3:///key", ""])
def test_what_is_no_object_address_is_refused(uri: str) -> None:
    with pytest.raises(StoreError, match="s3://bucket/key"):
        split_uri(uri)

"""That a manifest tells any two folders apart, and equal ones not."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import artifact_manifest
from infra.artifact_manifest import differences, from_bytes, list_files, to_bytes

NAMES = st.lists(
    st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8).map(
        lambda name: f"f{name}"
    ),
    min_size=1,
    max_size=3,
).map("/".join)
# No name is a folder of another.
FOLDERS = st.dictionaries(NAMES, st.binary(max_size=40), min_size=1, max_size=5).filter(
    lambda files: not any(f"{a}/" in f"{b}/" for a in files for b in files if a != b)
)


def write(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def manifest(files: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return to_bytes(list_files(write(files, Path(folder))))


@settings(max_examples=40, deadline=None)
@given(FOLDERS, st.randoms())
def test_equal_folders_have_equal_manifests(files: dict[str, bytes], random: object) -> None:
    other = list(files.items())
    random.shuffle(other)  # type: ignore[attr-defined]
    first = manifest(files)
    assert first == manifest(dict(other))
    listed = from_bytes(first)
    assert to_bytes(listed) == first
    assert {file.path: file.size_bytes for file in listed} == {
        name: len(content) for name, content in files.items()
    }
    assert differences(listed, listed) == ()


@settings(max_examples=40, deadline=None)
@given(FOLDERS, st.data())
def test_every_change_is_found_and_named(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    kind = data.draw(st.sampled_from(["change", "cut", "grow", "remove", "rename", "add"]))
    changed, content = dict(files), files[name]
    if kind in {"change", "cut"} and not content:
        kind = "grow"
    if kind == "change":
        at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
        altered = bytearray(content)
        altered[at] ^= 1 << bit
        changed[name] = bytes(altered)
    elif kind == "cut":
        changed[name] = content[:-1]
    elif kind == "grow":
        changed[name] = content + b"\0"
    elif kind in {"remove", "rename"}:
        del changed[name]
    if kind in {"rename", "add"}:
        changed[f"{name}~"] = content
    expected = {
        "remove": (f"{name} is missing",),
        "rename": (f"{name} is missing", f"{name}~ was added"),
        "add": (f"{name}~ was added",),
    }.get(kind, (f"{name} was changed",))
    before, after = manifest(files), manifest(changed)
    assert before != after
    assert differences(from_bytes(before), from_bytes(after)) == expected


@settings(max_examples=40, deadline=None)
@given(FOLDERS)
def test_two_files_that_exchange_their_bytes_are_both_named(files: dict[str, bytes]) -> None:
    names = sorted(files)
    if len(names) < 2 or files[names[0]] == files[names[1]]:
        return
    other = {**files, names[0]: files[names[1]], names[1]: files[names[0]]}
    found = differences(from_bytes(manifest(files)), from_bytes(manifest(other)))
    assert found == (f"{names[0]} was changed", f"{names[1]} was changed")


def test_a_link_has_no_bytes_of_its_own(tmp_path: Path) -> None:
    write({"a": b"x"}, tmp_path)
    for target in (tmp_path / "a", Path("/dev/null"), tmp_path / "nowhere"):
        (tmp_path / "link").symlink_to(target)
        with pytest.raises(ValueError, match="link is neither a file nor a folder"):
            list_files(tmp_path)
        (tmp_path / "link").unlink()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"files": [{"path": "a"}]}', b"null"])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_bytes(content)


def test_it_needs_nothing_but_the_standard_library() -> None:
    """The process that serves a version runs it where nothing of this project is."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", artifact_manifest.__file__],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")

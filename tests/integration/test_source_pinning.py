"""What a source is made of, on disk, in a package and in a real object store."""

import gzip
import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.errors import DataError, SettingsError, StoreError
from infra.store import ObjectStore
from tasks.protected_groups.swapping import read_swaps
from tasks.protected_groups.templates import read_templates
from tasks.sources.pinning import pin
from tasks.validation.leakage.benchmarks import pin_benchmarks
from tasks.validation.leakage.settings import BenchmarkSettings, LeakageSettings
from tests.source_files import read_version, settings_of


def names(store: ObjectStore, **settings: object) -> list[str]:
    """Names of the files that are pinned, without what stands before the last folder."""
    chosen = settings_of(**settings)
    return [file.uri.rpartition("/")[2] for file in pin("line", chosen, store).files]


@pytest.fixture
def places(store: ObjectStore, tmp_path: Path) -> list[str]:
    """The same folder on disk and in the store."""
    for name in ("b.csv", "a.csv.gz", "c.csv.zst", "d.jsonl", "e.csv.txt", "below/f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
        store.put_bytes(store.uri("pinning", name), name.encode())
    return [str(tmp_path), store.uri("pinning")]


def test_folder_stands_for_its_files_of_the_format_packed_or_not(
    store: ObjectStore, places: list[str]
) -> None:
    for place in places:
        for path in (place, f"{place}/"):
            assert names(store, format="csv", path=path) == ["a.csv.gz", "b.csv", "c.csv.zst"]
        assert names(store, format="jsonl", path=place) == ["d.jsonl"]
        assert names(store, format="text_files", path=place) == ["e.csv.txt"]


def test_glob_stays_within_its_folder(store: ObjectStore, places: list[str]) -> None:
    for place in places:
        assert names(store, format="csv", path=f"{place}/?.csv*") == [
            "a.csv.gz", "b.csv", "c.csv.zst", "e.csv.txt",
        ]  # fmt: skip
        assert names(store, format="csv", path=f"{place}/*/*.csv") == ["f.csv"]
        assert names(store, format="csv", path=f"{place}/d.jsonl") == ["d.jsonl"]
        # What stands for the star is the ending alone, and no hidden file's name.
        assert names(store, format="csv", path=f"{place}/b*") == ["b.csv"]


# What was reported of each: huggingface/datasets#4115, pytorch/vision#109 and #2831,
# open-edge-platform/anomalib#865.
HIDDEN = (".ipynb_checkpoints/b.csv", "._a.csv", "__MACOSX/a.csv", "_temporary/part-0.csv")


def test_hidden_copies_are_no_files_of_a_folder_or_glob(
    store: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (*HIDDEN, "a.csv", "sub/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
        store.put_bytes(store.uri("hidden", name), name.encode())
    for place in (str(tmp_path), store.uri("hidden")):
        assert names(store, format="csv", path=place) == ["a.csv"]
        assert names(store, format="csv", path=f"{place}/*.csv") == ["a.csv"]
        with caplog.at_level("INFO"):
            assert names(store, format="csv", path=f"{place}/*/*.csv") == ["b.csv"]
        assert "3 hidden file(s) not read" in caplog.text
        asked = names(store, format="csv", path=f"{place}/.ipynb_*/*.csv")
        assert asked == ["b.csv"]
        caplog.clear()


def test_endings_in_capitals_are_endings(store: ObjectStore, tmp_path: Path) -> None:
    """An export of Windows beside others was passed over (huggingface/datasets#5872)."""
    for name in ("a.CSV", "b.csv", "c.Csv.gz"):
        (tmp_path / name).write_bytes(name.encode())
    assert names(store, format="csv", path=str(tmp_path)) == ["a.CSV", "b.csv", "c.Csv.gz"]


def test_a_folder_of_partitions_is_told_with_what_it_holds(
    store: ObjectStore, tmp_path: Path
) -> None:
    """Partitions hold their files a folder below (dask/fastparquet#182)."""
    for name in ("label=neg/part-0.parquet", "label=pos/part-0.parquet"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"it holds 'label=neg', 'label=pos'; correct the path \(a"):
        names(store, format="parquet", path=str(tmp_path))


@pytest.mark.parametrize(
    "key", ["reviews#2026.csv", "a[1].csv", "a?b.csv", "a*.csv", "a b%20+&=.csv", "тест 测试.csv"]
)
def test_an_object_is_read_under_the_name_that_it_has(store: ObjectStore, key: str) -> None:
    folder = f"odd-names-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    for other in ("reviews", "a1.csv", "axb.csv", "a"):
        store.put_bytes(store.uri(folder, other), b"text,label\nwrong,x\n")
    uri = store.put_bytes(store.uri(folder, key), b"text,label\nright,x\n").uri
    settings = settings_of(format="csv", path=uri)
    version = pin("line", settings, store)
    assert [file.uri for file in version.files] == [uri]
    assert read_version(version, settings, "classification", store).column("text") == ["right"]


def test_the_folder_of_an_object_is_its_label_whatever_it_is_called(store: ObjectStore) -> None:
    uri = store.put_bytes(store.uri("odd-labels", "c#?", "a.txt"), b"a text").uri
    settings = settings_of(format="text_files", path=uri.replace("a.txt", "*.txt"))
    read = read_version(pin("line", settings, store), settings, "classification", store)
    assert read.column("label") == ["c#?"]


@pytest.mark.parametrize("path", ["s3://[b/k.csv", "s3:///k.csv", "s3://b b/k.csv", "s3://-b/k"])
def test_an_address_that_names_no_bucket_is_refused(store: ObjectStore, path: str) -> None:
    with pytest.raises(StoreError, match="is no object address"):
        pin("line", settings_of(format="csv", path=path), store)


def test_a_key_that_begins_with_a_slash_is_not_another_without(store: ObjectStore) -> None:
    store.put_bytes(store.uri("k.csv"), b"text,label\nwrong,x\n")
    with pytest.raises((DataError, StoreError)):
        pin("line", settings_of(format="csv", path=f"s3://{store.bucket}//k.csv"), store)


def test_file_with_brackets_in_its_name_is_no_glob(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").write_bytes(b"x")
    assert names(store, format="csv", path=f"{tmp_path}/a[1].csv") == ["a[1].csv"]


def test_fingerprint_tells_of_the_content_alone(store: ObjectStore, tmp_path: Path) -> None:
    for name, data in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(data)
        store.put_bytes(store.uri("prints", name), data)
    local = pin("line", settings_of(format="csv", path=f"{tmp_path}/?"), store).files
    remote = pin("line", settings_of(format="csv", path=store.uri("prints", "?")), store).files
    assert local[0].fingerprint == hashlib.sha256(b"one").hexdigest()
    for files in (local, remote):
        assert [file.size_bytes for file in files] == [3, 3, 3]
        assert files[0].fingerprint == files[1].fingerprint != files[2].fingerprint


def test_what_was_taken_back_in_is_pinned_oldest_first(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text\na\n")
    settings = settings_of(format="csv", path=str(tmp_path / "a.csv"))
    assert pin("line-a", settings, store).readmitted == ()
    for name in ("20250102T-b.parquet", "20250101T-c.parquet", "note.txt"):
        store.put_bytes(store.uri("readmitted", "line-a", name), name.encode())
    store.put_bytes(store.uri("readmitted", "line-ab", "20240101T.parquet"), b"of another line")
    version = pin("line-a", settings, store)
    assert [file.uri for file in version.readmitted] == [
        store.uri("readmitted", "line-a", name)
        for name in ("20250101T-c.parquet", "20250102T-b.parquet")
    ]
    assert version.files == pin("line-b", settings, store).files


def test_packed_objects_are_read_as_the_files_are(store: ObjectStore, tmp_path: Path) -> None:
    data = gzip.compress(b"text\n" + b"a text of an object\n" * 50_000)
    (tmp_path / "a.csv.gz").write_bytes(data)
    uri = store.put_bytes(store.uri("packed", "a.csv.gz"), data).uri
    local, remote = (
        read_version(pin("line", settings, store), settings, "causal_lm", store)
        for settings in (
            settings_of(format="csv", path=str(tmp_path / "a.csv.gz")),
            settings_of(format="csv", path=uri),
        )
    )
    assert len(local.rows) == 50_000
    assert local.column("text") == remote.column("text")
    assert set(remote.column("file")) == {uri}


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with a file, and beside it another with a secret."""
    folder = tmp_path / "reviews"
    folder.mkdir()
    (folder / "a.csv").write_text("text,label\none,x\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "b.csv").write_text("text,label\npassword,x\n")
    return folder


@pytest.mark.parametrize("path", ["", "*.csv", "*/*.csv"])
def test_a_link_that_leads_out_of_the_folder_is_named_and_refused(
    store: ObjectStore, linked: Path, path: str
) -> None:
    secrets = linked.parent / "secrets"
    link = linked / "c.csv" if path != "*/*.csv" else linked / "c"
    link.symlink_to(secrets / "b.csv" if path != "*/*.csv" else secrets)
    settings = settings_of(format="csv", path=str(linked / path))
    with pytest.raises(DataError, match="leads out of") as refused:
        pin("line", settings, store)
    for words in (str(link), str(secrets / "b.csv"), "source.follow_links: true"):
        assert words in str(refused.value)
    allowed = settings.model_copy(update={"follow_links": True})
    assert str(link) in " ".join(file.uri for file in pin("line", allowed, store).files)


def test_a_local_data_set_is_held_to_the_same(store: ObjectStore, linked: Path) -> None:
    settings = settings_of(format="hub", dataset=str(linked))
    assert len(pin("line", settings, store).files) == 1
    (linked / "more").symlink_to(linked.parent / "secrets")
    with pytest.raises(DataError, match=r"source.dataset: .*more is a link that leads out of"):
        pin("line", settings, store)


def test_links_within_the_folder_and_a_link_that_is_named_are_read(
    store: ObjectStore, linked: Path
) -> None:
    (linked / "b.csv").symlink_to("a.csv")
    named = linked.parent / "named.csv"
    named.symlink_to(linked.parent / "secrets" / "b.csv")
    link_to_folder = linked.parent / "link"
    link_to_folder.symlink_to(linked)
    assert names(store, format="csv", path=str(linked)) == ["a.csv", "b.csv"]
    assert names(store, format="csv", path=str(named)) == ["named.csv"]
    assert names(store, format="csv", path=str(link_to_folder)) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(os.mkfifo, "a named pipe", id="pipe"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "/dev/zero", id="device"),
        pytest.param(lambda path: path.symlink_to(path.name), "in a circle", id="circle"),
        pytest.param(lambda path: path.symlink_to("gone.csv"), "No such file", id="nowhere"),
        pytest.param(
            lambda path: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)),
            "a socket", id="socket",
        ),
    ],
)  # fmt: skip
def test_what_has_no_end_is_refused_and_not_passed_over(
    store: ObjectStore,
    linked: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
    said: str,
) -> None:
    monkeypatch.chdir(linked)  # a socket's path is short
    special = linked / "b.csv"
    make(special)
    for path in (linked, linked / "*.csv"):
        with pytest.raises(DataError, match=said):
            pin("line", settings_of(format="csv", path=str(path)), store)
    with pytest.raises(DataError):  # named by itself
        pin("line", settings_of(format="csv", path=str(special)), store)


def test_a_pipe_is_no_word_list_template_or_benchmark(store: ObjectStore, tmp_path: Path) -> None:
    pipes = [tmp_path / name for name in ("swaps.csv", "templates.yaml", "benchmark.txt")]
    for pipe in pipes:
        os.mkfifo(pipe)
    benchmark = BenchmarkSettings(name="b", path=str(pipes[2]))
    for read in (
        lambda: read_swaps(pipes[0]),
        lambda: read_templates(pipes[1]),
        lambda: pin_benchmarks(LeakageSettings(benchmarks=(benchmark,)), store),
    ):
        with pytest.raises((SettingsError, DataError), match="a named pipe"):
            read()

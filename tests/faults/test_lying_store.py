"""An object store that shows old things, half an object, or success with an error in it.

A real proxy stands in front of the real store and answers otherwise for some requests.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.errors import AssaylineError, PromotionError, StoreError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.faults.lines import Line, new_line
from tests.faults.proxy import Answer, Proxy, Request, proxy_of

Fault = Callable[[Answer], Answer]
EMPTY_LIST = (
    b'<?xml version="1.0"?><ListBucketResult><Name>any</Name><IsTruncated>false</IsTruncated>'
    b"</ListBucketResult>"
)
FAULTS: dict[str, Fault] = {
    "half, with its own length": lambda answer: answer.half(honest=True),
    "half, with the whole's length": lambda answer: answer.half(honest=False),
    "200 with an error in it": lambda answer: answer.with_error_body(),
    "nothing at all": lambda _: Answer(200, (), b""),
}


@pytest.fixture(scope="module")
def proxy(store_settings: Settings) -> Iterator[Proxy]:
    assert store_settings.store_endpoint_url
    with proxy_of(store_settings.store_endpoint_url) as running:
        yield running


@pytest.fixture
def lying(proxy: Proxy, store_settings: Settings) -> Iterator[ObjectStore]:
    """The store through the proxy, which passes everything on until a test says otherwise."""
    proxy.seen.clear()
    yield ObjectStore(store_settings.model_copy(update={"store_endpoint_url": proxy.url}))
    proxy.rule = lambda _, forward: forward()


@pytest.fixture
def line(request: pytest.FixtureRequest, lying: ObjectStore, tracking: Tracking) -> Line:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return new_line(f"lying-{name}", lying, tracking, "++")


def answering(fault: Fault, method: str, part: str, times: int = 10**6) -> Callable[..., Answer]:
    """Put a fault into the answers of requests whose path and query hold a part."""
    left = [times]

    def rule(request: Request, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        if request.method == method and part in f"{request.path}?{request.query}" and left[0]:
            left[0] -= 1
            return fault(answer)
        return answer

    return rule


def path_of(uri: str) -> str:
    return uri.removeprefix("s3:/")


def check_untouched(line: Line, proxy: Proxy) -> None:
    proxy.rule = lambda _, forward: forward()
    assert line.aliases == {"production": 2, "previous": 1, "staging": 2}
    assert line.moves == [("promoted", None, 1), ("promoted", 1, 2)]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_entry_that_does_not_come_whole_promotes_nothing(
    fault: str, line: Line, proxy: Proxy
) -> None:
    version, uri = line.add(), line.objects[1]
    proxy.rule = answering(FAULTS[fault], "GET", path_of(uri))
    with pytest.raises(AssaylineError, match=r"00000002-|does not answer"):
        line.promote(version)
    check_untouched(line, proxy)
    assert line.promote(version).action == "promoted"


def test_an_entry_with_the_bytes_of_an_older_one_promotes_nothing(
    line: Line, proxy: Proxy, store: ObjectStore
) -> None:
    version, (first, second) = line.add(), line.objects
    old = store.get_bytes(first)
    proxy.rule = answering(lambda _: Answer(200, (), old), "GET", path_of(second))
    with pytest.raises(PromotionError, match=f"{second} was changed after it was written"):
        line.promote(version)
    check_untouched(line, proxy)


def test_a_list_without_the_newest_entry_hides_nothing(line: Line, proxy: Proxy) -> None:
    """An old list led to a second entry of the same number, and to one that was taken back."""
    proxy.rule = answering(lambda _: Answer(200, (), EMPTY_LIST), "GET", "list-type=2")
    assert line.promote(line.add()).action == "promoted"
    proxy.rule = lambda _, forward: forward()
    assert [to for _, _, to in line.moves] == [1, 2, 3]


def test_an_entry_that_the_store_shows_late_is_waited_for(line: Line, proxy: Proxy) -> None:
    uri, shown_from = line.objects[1], time.monotonic() + 0.5

    def late(request: Request, forward: Callable[[], Answer]) -> Answer:
        hidden = path_of(uri) in request.path and time.monotonic() < shown_from
        return Answer(404, (), b"") if hidden else forward()

    proxy.rule = late
    assert line.promote(line.add()).action == "promoted"


def test_an_entry_that_the_store_never_shows_is_missed(line: Line, proxy: Proxy) -> None:
    uri = line.objects[1]
    proxy.rule = answering(lambda _: Answer(404, (), b""), "GET", path_of(uri))
    with pytest.raises(PromotionError, match=f"{uri} is missing, which the registry knows"):
        line.promote(line.add())
    check_untouched(line, proxy)


def test_an_entry_that_the_store_took_and_did_not_keep_is_not_recorded(
    line: Line, proxy: Proxy
) -> None:
    """It says 200 to a put whose body holds its error, or nothing, and has kept nothing."""
    version = line.add()

    def not_kept(request: Request, forward: Callable[[], Answer]) -> Answer:
        if request.method == "PUT" and "/00000003-" in request.path:
            return Answer(200, (("ETag", '"0"'),), b"")
        return forward()

    proxy.rule = not_kept
    with pytest.raises(StoreError, match="does not give it back as it was written; nothing was"):
        line.promote(version)
    check_untouched(line, proxy)
    assert line.promote(version).action == "promoted"


@pytest.mark.parametrize("fault", ["200 with an error in it", "nothing at all"])
def test_a_list_that_is_none_is_one_message(fault: str, line: Line, proxy: Proxy) -> None:
    proxy.rule = answering(FAULTS[fault], "GET", "list-type=2")
    with pytest.raises(StoreError, match="ledger"):
        line.store.list(line.store.uri("ledger", line.name))


@pytest.mark.parametrize("fault", FAULTS)
def test_an_artifact_that_does_not_come_whole_is_never_used(
    fault: str, lying: ObjectStore, proxy: Proxy, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "weights").write_bytes(b"w" * 50_000)
    made = lying.put_folder(lying.uri("lying", fault.replace(" ", "-")), folder)
    for name in ("weights", "manifest.json"):
        proxy.rule = answering(FAULTS[fault], "GET", f"/{name}")
        with pytest.raises(StoreError, match=f"{name}|does not answer"):
            lying.get_folder(made, tmp_path / f"{name}-copy")
        assert not (tmp_path / f"{name}-copy" / "weights").exists()
    proxy.rule = lambda _, forward: forward()
    assert (lying.get_folder(made, tmp_path / "whole") / "weights").stat().st_size == 50_000

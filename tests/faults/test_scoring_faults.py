"""Batches that are scored while a server is full, slow, gone, or answers otherwise than asked."""

import io
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from infra.errors import IntegrityError, StoreError, TrackingError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.faults.proxy import ERROR_BODY, Answer, Proxy, Request, Rule, pass_on, proxy_of
from tests.faults.small_disks import full, mounted, store_on
from tests.faults.test_killed_scoring import batch, model, parts, score

__all__ = ["batch", "model"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def whole(model: Path, batch: Path, store: ObjectStore, tracking: Tracking) -> dict[str, bytes]:
    """The predictions where nothing goes wrong."""
    score("nothing-wrong", model, [str(batch)], store, tracking)
    return parts("nothing-wrong", store)


@pytest.fixture(scope="module")
def store_proxy(store_settings: Settings) -> Iterator[Proxy]:
    with proxy_of(str(store_settings.store_endpoint_url)) as running:
        yield running


@pytest.fixture
def proxied(store_proxy: Proxy, store_settings: Settings) -> Iterator[ObjectStore]:
    changed = {"store_endpoint_url": store_proxy.url}
    yield ObjectStore(store_settings.model_copy(update=changed))
    store_proxy.rule = pass_on


def after(puts: int, rule: Rule) -> Rule:
    """Pass on so many parts of predictions, and what comes later to a rule."""
    seen = itertools.count(1)

    def counted(request: Request, forward: Callable[[], Answer]) -> Answer:
        is_part = request.method == "PUT" and "/predictions/" in request.path
        if not (is_part and next(seen) > puts):
            return forward()
        return rule(request, forward)

    return counted


def unavailable(_request: Request, _forward: Callable[[], Answer]) -> Answer:
    return Answer(503, (), ERROR_BODY)


def not_kept(_request: Request, _forward: Callable[[], Answer]) -> Answer:
    """Success, and nothing was written."""
    return Answer(200, (("ETag", '"0"'),), b"")


def test_a_store_that_goes_away_keeps_what_was_scored(
    model: Path, batch: Path, whole: dict[str, bytes], store_proxy: Proxy, proxied: ObjectStore,
    tracking: Tracking,
) -> None:  # fmt: skip
    line = "store-away"
    store_proxy.rule = after(6, unavailable)
    with pytest.raises(StoreError, match="the object store at"):
        score(line, model, [str(batch)], proxied, tracking)
    store_proxy.rule = pass_on
    kept = parts(line, proxied)
    assert 1 <= len(kept) < len(whole)
    assert not proxied.list(proxied.uri("scored", line)), "nothing half is visible"
    store_proxy.seen.clear()
    (scored,) = score(line, model, [str(batch)], proxied, tracking)
    assert parts(line, proxied) == whole
    written = [one.path for one in store_proxy.seen if one.method == "PUT"]
    assert not [name for name in kept if any(path.endswith(name) for path in written)]
    assert scored.rows == 1_500


def test_a_store_that_is_slow_makes_it_late_and_nothing_else(
    model: Path, batch: Path, whole: dict[str, bytes], store_proxy: Proxy, proxied: ObjectStore,
    tracking: Tracking,
) -> None:  # fmt: skip
    def slowly(_request: Request, forward: Callable[[], Answer]) -> Answer:
        time.sleep(0.5)
        return forward()

    store_proxy.rule = slowly
    (scored,) = score("store-slow", model, [str(batch)], proxied, tracking)
    assert scored.rows == 1_500
    assert parts("store-slow", proxied) == whole


def test_parts_that_the_store_did_not_keep_are_never_told_as_scored(
    model: Path, batch: Path, store_proxy: Proxy, proxied: ObjectStore, tracking: Tracking
) -> None:
    line = "not-kept"
    store_proxy.rule = after(6, not_kept)
    with pytest.raises(StoreError, match=r"does not give .* back as it was written"):
        score(line, model, [str(batch)], proxied, tracking)
    store_proxy.rule = pass_on
    assert not proxied.list(proxied.uri("scored", line))


@pytest.mark.parametrize("fault", ["half", "other bytes"])
def test_a_manifest_that_does_not_come_as_written_is_not_used(
    model: Path, batch: Path, store_proxy: Proxy, proxied: ObjectStore, tracking: Tracking,
    fault: str,
) -> None:  # fmt: skip
    line = f"wrong-{fault.replace(' ', '-')}"
    (first,) = score(line, model, [str(batch)], proxied, tracking)

    def wrong(request: Request, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        if request.method != "GET" or not request.path.endswith(".json"):
            return answer
        if fault == "half":
            return answer.half(honest=True)
        return Answer(200, (), answer.body.replace(b'"rows": 1500', b'"rows": 1501'))

    store_proxy.rule = wrong
    # boto3 sees the half by the checksum of the upload, where the store tells it.
    with pytest.raises(
        (IntegrityError, StoreError), match=r"was changed after it was written|Expected checksum"
    ):
        score(line, model, [str(batch)], proxied, tracking)
    store_proxy.rule = pass_on
    assert score(line, model, [str(batch)], proxied, tracking) == (first,)


def test_an_mlflow_that_goes_away_before_it_counts_makes_nothing_visible(
    model: Path, batch: Path, whole: dict[str, bytes], store: ObjectStore,
    mlflow_settings: Settings, tracking: Tracking,
) -> None:  # fmt: skip
    line = "mlflow-gone"
    with proxy_of(str(mlflow_settings.mlflow_url)) as proxy:
        away = Tracking(mlflow_settings.model_copy(update={"mlflow_url": proxy.url}))

        def writes_fail(request: Request, forward: Callable[[], Answer]) -> Answer:
            is_read = request.method == "GET" or request.path.endswith("search")
            return forward() if is_read else Answer(503, (), b"")

        proxy.rule = writes_fail
        with pytest.raises(TrackingError, match=r"does not answer|answers 503"):
            score(line, model, [str(batch)], store, away)
    assert parts(line, store) == whole
    assert not store.list(store.uri("scored", line))
    (scored,) = score(line, model, [str(batch)], store, tracking)
    assert scored.rows == 1_500
    assert parts(line, store) == whole


def test_a_full_store_is_one_message_and_the_next_run_goes_on(
    model: Path, batch: Path, whole: dict[str, bytes], store_settings: Settings,
    store: ObjectStore, tracking: Tracking, tmp_path: Path,
) -> None:  # fmt: skip
    line = "store-full"
    assert store.list(store.uri(""))  # a bucket is a folder once something is in it
    with mounted(tmp_path / "disk", "200m") as disk, store_on(disk, store_settings) as settings:
        small = ObjectStore(settings)
        with full(disk), pytest.raises(StoreError, match="is its disk full"):
            score(line, model, [str(batch)], small, tracking)
        assert not small.list(small.uri("scored", line))
        # No half of a part is left either.
        assert all(pq.read_table(io.BytesIO(one)).num_rows for one in parts(line, small).values())
        (scored,) = score(line, model, [str(batch)], small, tracking)
        assert scored.rows == 1_500
        assert parts(line, small) == whole

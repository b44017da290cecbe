"""An MLflow that does what it is asked and then answers 500, through a real proxy."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.errors import PromotionError, TrackingError
from infra.registered_artifacts import keep_manifest
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.audit import audit_ledger
from tests.faults.lines import Line, new_line
from tests.faults.proxy import Answer, Proxy, Request, proxy_of

# The client asks three times in all.
ONE_CALL = 3
ONCE_OR_EACH_TIME = [pytest.param(1, marks=pytest.mark.slow), ONE_CALL]


@pytest.fixture(scope="module")
def proxy(mlflow_settings: Settings) -> Iterator[Proxy]:
    assert mlflow_settings.mlflow_url
    with proxy_of(mlflow_settings.mlflow_url) as running:
        yield running


@pytest.fixture
def through(
    proxy: Proxy, mlflow_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tracking]:
    """MLflow through the proxy; the client does not wait between its attempts."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    yield Tracking(mlflow_settings.model_copy(update={"mlflow_url": proxy.url}))
    proxy.rule = lambda _, forward: forward()


def failing_after(path: str, times: int) -> Callable[..., Answer]:
    """Do what is asked, and answer 500 to so many requests of a path."""
    left = [times]

    def rule(request: Request, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        if request.method != "GET" and request.path.endswith(path) and left[0]:
            left[0] -= 1
            return answer.with_status(500)
        return answer

    return rule


@pytest.mark.parametrize(
    ("path", "times"),
    [
        ("registered-models/alias", ONE_CALL),
        pytest.param("registered-models/alias", 1, marks=pytest.mark.slow),
        *(
            pytest.param(path, times, marks=pytest.mark.slow)
            for path in ("model-versions/set-tag", "runs/set-tag")
            for times in (1, ONE_CALL)
        ),
    ],
)
def test_a_move_that_was_done_and_denied_is_done_once(
    path: str, times: int, through: Tracking, proxy: Proxy, store: ObjectStore, tracking: Tracking
) -> None:
    line = new_line(f"denied-{path.replace('/', '-')}-{times}", store, tracking, "++")
    behind, version = Line(line.name, store, through), line.add()
    proxy.rule = failing_after(path, times)
    if times == 1:  # the client asks again by itself
        assert behind.promote(version).action == "promoted"
    else:
        with pytest.raises(PromotionError, match=r"entry 3 of the ledger of .* stands"):
            behind.promote(version)
    assert behind.promote(version).action == "promoted"
    assert line.aliases == {"production": 3, "previous": 2, "staging": 3}
    assert [to for _, _, to in line.moves] == [1, 2, 3]
    assert audit_ledger(line.name, store=store, tracking=tracking).disagreement == ""


@pytest.mark.parametrize("times", ONCE_OR_EACH_TIME)
def test_an_entry_that_was_set_and_denied_counts_and_its_writer_knows(
    times: int, through: Tracking, proxy: Proxy, store: ObjectStore, tracking: Tracking
) -> None:
    line = new_line(f"denied-entry-{times}", store, tracking, "++")
    behind = Line(line.name, store, through)
    proxy.rule = failing_after("runs/log-parameter", times)
    assert behind.promote(line.add()).action == "promoted"
    assert line.aliases["production"] == 3
    assert len(line.objects) == 3


@pytest.mark.slow
def test_an_entry_of_which_nobody_can_tell_whether_it_counts_is_said_to_be_so(
    through: Tracking, proxy: Proxy, store: ObjectStore, tracking: Tracking
) -> None:
    line = new_line("denied-untold", store, tracking, "++")
    behind, version = Line(line.name, store, through), line.add()
    silent = [False]

    def falls_silent(request: Request, forward: Callable[[], Answer]) -> Answer:
        """It sets the entry, and from then on says nothing but 500."""
        if request.path.endswith("runs/log-parameter"):
            forward()
            silent[0] = True
        return Answer(500, (), b"{}") if silent[0] else forward()

    proxy.rule = falls_silent
    with pytest.raises(TrackingError, match=r"whether entry 3 of denied-untold .* is not known"):
        behind.promote(version)
    proxy.rule = lambda _, forward: forward()
    assert line.aliases["production"] == 2
    assert behind.promote(version).action == "promoted"
    assert [to for _, _, to in line.moves] == [1, 2, 3]


@pytest.mark.parametrize("times", ONCE_OR_EACH_TIME)
def test_a_record_that_was_made_and_denied_is_made_once(
    times: int, through: Tracking, proxy: Proxy, tracking: Tracking
) -> None:
    name = f"denied-record-{times}"
    proxy.rule = failing_after("experiments/update", times)
    assert through.write_once(name, "a", "1") == "1"
    assert through.write_once(name, "a", "2") == "1"
    assert tracking.read_record(name).values == {"a": "1"}


@pytest.mark.parametrize("times", [1, pytest.param(ONE_CALL, marks=pytest.mark.slow)])
def test_a_version_that_was_made_and_denied_is_the_first_of_its_key(
    times: int,
    through: Tracking,
    proxy: Proxy,
    tracking: Tracking,
    store: ObjectStore,
    tmp_path: Path,
) -> None:
    """The client asks again, and MLflow makes one more: what is promoted is the one found later."""
    from mlflow.models import Model

    line = f"denied-version-{times}"
    Model().save(str(tmp_path / "MLmodel"))

    def keep(manifest: bytes) -> str:
        return keep_manifest(manifest, store)

    run = tracking.open_run(line, "run", {})
    proxy.rule = failing_after("model-versions/create", times)
    if times == 1:
        number = through.register_model(line, "key", run, tmp_path, {}, keep)
    else:
        with pytest.raises(TrackingError, match="answers 500 each time"):
            through.register_model(line, "key", run, tmp_path, {}, keep)
        number = through.find_version(line, "key") or 0
    assert number == 1
    assert tracking.find_version(line, "key") == 1
    assert tracking.versions(line)[0] == 1

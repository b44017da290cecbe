"""Two stacks on one machine whose lines lie in one bucket: the second one stops at once."""

from collections.abc import Iterator

import pytest

from infra.errors import PromotionError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.conftest import free_port, start_mlflow, stop
from tests.faults.lines import Line, new_line, old_style_line


@pytest.fixture(scope="module")
def other(store_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    """A second MLflow server over the same store."""
    url = f"http://127.0.0.1:{free_port()}"
    process = start_mlflow(store_settings, tmp_path_factory.mktemp("other-mlflow"), url)
    yield Tracking(store_settings.model_copy(update={"mlflow_url": url}))
    stop(process)


@pytest.mark.slow
@pytest.mark.parametrize("release", ["today", "earlier"])
def test_a_line_of_another_stack_in_the_same_bucket_is_not_taken_over(
    release: str, store: ObjectStore, tracking: Tracking, other: Tracking
) -> None:
    name = f"two-stacks-{release}"
    if release == "earlier":
        ours = old_style_line(name, store, tracking, [(None, 1), (1, 2)])
    else:
        ours = new_line(name, store, tracking, "++")
    other._client.create_registered_model(name)
    theirs = Line(name, store, other)
    version = theirs.add()
    for attempt in (lambda: theirs.promote(version), lambda: theirs.override(1)):
        with pytest.raises(PromotionError, match=r"names an entry of the ledger at .* of another"):
            attempt()
    assert theirs.aliases == {}
    assert len(ours.ledger) == 2
    assert ours.promote(ours.add()).action == "promoted"

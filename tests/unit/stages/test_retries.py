"""A stage is tried again where a server was away, and nowhere else."""

import pytest
from prefect.client.schemas.objects import TaskRun
from prefect.states import Failed

from infra.errors import (
    AssaylineError,
    DataError,
    IntegrityError,
    MissingObjectError,
    PromotionError,
    StoreAwayError,
    StoreError,
    TrackingAwayError,
    TrackingError,
)
from tasks.stages.caching import cached_stage, look_up
from tasks.stages.retries import PAUSES_S, server_was_away


def is_retried(error: BaseException) -> bool:
    @look_up
    def ask() -> None:
        """Ask."""

    return server_was_away(ask, TaskRun.model_construct(), Failed(data=error))


@pytest.mark.parametrize("away", [StoreAwayError("gone"), TrackingAwayError("gone")])
def test_a_server_that_is_away_is_asked_again_whatever_was_made_of_it(
    away: AssaylineError,
) -> None:
    assert is_retried(away)
    wrapped = PromotionError("entry 3 stands, and could not be carried out to the end")
    wrapped.__cause__ = away
    assert is_retried(wrapped)


@pytest.mark.parametrize(
    "error",
    [
        DataError("no rows"), IntegrityError("changed"), PromotionError("moved outside"),
        StoreError("refuses the keys"), MissingObjectError("is not there"),
        TrackingError("refused"), ValueError("a defect"),
    ],
)  # fmt: skip
def test_what_would_fail_again_is_not_tried_again(error: Exception) -> None:
    assert not is_retried(error)


def test_every_stage_is_tried_again_and_outlasts_a_minute() -> None:
    @look_up
    def ask() -> None:
        """Ask."""

    @cached_stage()
    def make() -> None:
        """Make."""

    for stage in (ask, make):
        assert stage.retries == len(PAUSES_S)
        assert stage.retry_delay_seconds == list(PAUSES_S)
        assert stage.retry_condition_fn is server_was_away
    assert sum(PAUSES_S) > 60

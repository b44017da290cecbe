"""When a stage is tried again: where a server did not answer, with longer and longer pauses.

The servers' own clients ask again within seconds (boto3 three times, MLflow's client three times,
`infra.prefect_api` six times). This is for a server that is away longer: one that is started anew,
or a network that is gone for a minute. Every stage may be run again: what it has finished is found
by its digest, a training goes on from its checkpoint, a decision is found in the ledger.
"""

from collections.abc import Iterator
from typing import Any, Final

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from infra.errors import StoreAwayError, TrackingAwayError

# Seconds before each further try; a server may be away for the sum of them and a little more.
PAUSES_S: Final = (2.0, 10.0, 30.0, 60.0)
# Of each pause, by chance, so that stages which failed together do not ask together.
JITTER: Final = 0.2


def server_was_away(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a stage failed since a server did not answer, and for nothing else."""
    return any(isinstance(error, StoreAwayError | TrackingAwayError) for error in _causes(state))


def _causes(state: State[Any]) -> Iterator[BaseException]:
    """The error that a state holds, and those that it was raised from."""
    error: object = state.data
    error = getattr(error, "result", error)
    while isinstance(error, BaseException):
        yield error
        error = error.__cause__

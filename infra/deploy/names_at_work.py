"""Whether another worker has the name of one that is about to start.

Each worker ends the runs that one of its own name has left behind (`infra.local.abandoned`): two of
one name on two machines would end each other's.
"""

import time
from datetime import datetime
from typing import Final

from infra.errors import StackError
from infra.prefect_api import PrefectApi

ONLINE: Final = "ONLINE"
# A worker reports every ten seconds.
LOOK_FOR_S: Final = 15.0
LOOK_EVERY_S: Final = 1.0


def refuse_a_name_at_work(
    prefect_api: PrefectApi, pool: str, name: str, look_for_s: float = LOOK_FOR_S
) -> None:
    """Wait until it is sure that nobody works under this name; at once, where none has lately.

    Args:
        prefect_api: the server.
        pool: the work pool.
        name: of the worker that is about to start.
        look_for_s: how long one that was killed may still look alive.

    Raises:
        StackError: another worker of this name reports while this one looks.

    """
    first = _last_report(prefect_api, pool, name)
    if first is None:
        return
    deadline = time.monotonic() + look_for_s
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        now = _last_report(prefect_api, pool, name)
        if now is None:
            return
        if now > first:
            raise StackError(
                f"a worker of the name {name} is at work in the pool {pool} of {prefect_api.url}; "
                "give this one another name (ASSAYLINE_WORKER_NAME): each ends the runs that one "
                "of its name has left behind"
            )


def _last_report(prefect_api: PrefectApi, pool: str, name: str) -> datetime | None:
    """When a worker of this name last reported; None where it is not online."""
    reports = [
        worker.last_heartbeat_time
        for worker in prefect_api.workers(pool)
        if worker.name == name and worker.status == ONLINE
    ]
    return max((report for report in reports if report), default=None)

"""Python's cyclic garbage, collected in a thread of its own, for a server that has an event loop.

Prefect reads SQLite through aiosqlite, which has a thread for each connection. What a cancelled
request leaves of a query is cyclic garbage, whose finalizer waits for the mutex of its connection.
While that connection waits for the database's lock, up to 60 s, a collection on the thread of the
event loop stops the loop, and with it the request that holds the lock: the server answers nothing,
and the other waits in vain. In a thread of its own only the collection waits (SQLite's threading
modes, https://sqlite.org/threadsafe.html, and CPython's gc and sqlite3).
"""

import gc
import threading
import time
from typing import Final

# How long garbage may lie there before one looks for it; a look without garbage costs nothing.
LOOK_EVERY_S: Final = 0.2


def collect_in_a_thread() -> None:
    """Collect by the thresholds that gc has, in a thread, and no more wherever objects are made."""
    gc.disable()
    threading.Thread(target=_collect_for_ever, name="garbage collection", daemon=True).start()


def _collect_for_ever() -> None:
    while True:
        time.sleep(LOOK_EVERY_S)
        due = [
            generation
            for generation, (count, threshold) in enumerate(
                zip(gc.get_count(), gc.get_threshold(), strict=True)
            )
            if count > threshold > 0
        ]
        if due:
            gc.collect(max(due))

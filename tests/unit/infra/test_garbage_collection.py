"""A server that goes on while what a cancelled query left waits for SQLite."""

import subprocess
import sys
from pathlib import Path

# One thread waits for the lock of the database, by a connection of which an unfinished query is
# garbage; the main thread holds the lock, and makes objects until that garbage is collected.
PROGRAM = """
import sqlite3, sys, threading, time, weakref
from infra.local.garbage_collection import collect_in_a_thread

class Left:
    pass

database, how = sys.argv[1:]
holder = sqlite3.connect(database, isolation_level=None)
holder.execute("PRAGMA journal_mode = WAL")
holder.execute("CREATE TABLE rows (id INTEGER)")
holder.execute("INSERT INTO rows VALUES (1), (2)")
waiter = sqlite3.connect(database, isolation_level=None, timeout=4, check_same_thread=False)
left = Left()
left.cursor, left.itself = waiter.execute("VALUES (1), (2)"), left
left.cursor.fetchone()
collected = weakref.ref(left)
if how == "thread":
    collect_in_a_thread()
holder.execute("BEGIN IMMEDIATE")
thread = threading.Thread(target=lambda: waiter.execute("UPDATE rows SET id = 3"))
thread.start()
time.sleep(0.3)
del left
kept, longest, last, end = [], 0.0, time.monotonic(), time.monotonic() + 2
while time.monotonic() < end:
    kept.append([[one] for one in range(100)])
    time.sleep(0.001)
    now = time.monotonic()
    longest, last = max(longest, now - last), now
holder.execute("COMMIT")
thread.join()
print(longest, collected() is None)
"""


def longest_stop_s(how: str, folder: Path) -> float:
    """For how long the main thread made nothing."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"{folder}/one.db", how],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    longest, collected = ran.stdout.split()
    assert collected == "True", ran.stderr
    return float(longest)


def test_only_the_collection_waits_for_a_connection_that_waits_for_the_lock(tmp_path: Path) -> None:
    assert longest_stop_s("thread", tmp_path) < 1.5


def test_a_collection_wherever_objects_are_made_stops_the_thread_there(tmp_path: Path) -> None:
    """The reason for the thread; where this fails, Python or SQLite need it no more."""
    assert longest_stop_s("everywhere", tmp_path) > 1.5

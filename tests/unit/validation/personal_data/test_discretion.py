"""What is found goes nowhere: not to the network, not to a file, not to a log."""

import os
import subprocess
import sys

# A process of its own, since an audit hook stays, and what is cached was cached before.
PROGRAM = """
import logging, sys
import pyarrow as pa
from tasks.validation.personal_data.protection import Protector
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.task_types.row_shapes import shape_of

def watch(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "os.mkdir"}:
        print("TOUCHED", event, args)
    if event == "open" and (args[2] or 0) & 0x3:
        print("TOUCHED", args[0])

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
sys.addaudithook(watch)
values = ["zhang@example.com", "GB82WEST12345698765432", "GB82WEST12345698765433",
          "4111111111111111", "+1 212-555-2368", "password=hunter2", "AB123456C", "Angela Merkel"]
guard = Protector(PrivacySettings(policy={"name": "redact"}), shape_of("causal_lm"))
done = guard.protect(pa.table({"text": values}))
print("FOUND", sum(one.findings for one in guard.findings()))
print(guard.findings())
"""


def test_nothing_that_is_found_leaves_the_process(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True, text=True, env=environment, check=True, timeout=120,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "FOUND 7" in said
    assert "TOUCHED" not in said
    # Prefect makes its folder when a stage is imported.
    assert {path.name for path in tmp_path.iterdir()} <= {".prefect"}
    for value in ("zhang", "WEST", "4111", "2368", "hunter2", "AB123456C", "Merkel"):
        assert value not in said

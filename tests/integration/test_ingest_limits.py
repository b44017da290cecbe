"""Ingest in processes of its own: how much memory it holds, and what a full disk does to it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import Settings

ROWS = 20_000
# Smaller pieces, so that a few megabytes of rows already are many of them.
MEASURED = """
import json, sys
from pathlib import Path
from infra.store import open_store
from tasks.ingestion import row_groups, spilling
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.sources import blocks
from tasks.sources.pinning import pin
from tasks.sources.settings import TableSource

blocks.BLOCK_BYTES, blocks._READ_BYTES = 1 << 20, 1 << 19
spilling.BUCKET_BYTES, spilling._AIM_BYTES = 4 << 20, 1 << 20
row_groups.MAX_ROW_GROUP_BYTES = 2 << 20
settings = TableSource(format="jsonl", path=sys.argv[1], max_rows=int(sys.argv[2]) or None)
store = open_store()
source = pin("limits", settings, store)
snapshot = write_snapshot(source, settings, SplitSettings(), "classification", store)
status = Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
kept = sum(snapshot.rows_by_split.values())
print(json.dumps([int(peak.split()[1]) / 1024, kept, snapshot.duplicates_dropped]))
"""
STAGED = """
import sys
from infra.errors import StoreError
from infra.store import open_store
from tasks.stages.ingestion import ingest
from tasks.ingestion.splits import SplitSettings
from tasks.sources.pinning import pin
from tasks.sources.settings import TableSource

settings = TableSource(format="jsonl", path=sys.argv[1])
source = pin("limits", settings, open_store())
try:
    ingest.fn(source, settings, SplitSettings(), "classification")
except StoreError as error:
    print(error)
"""


def write_rows(path: Path, count: int) -> Path:
    """Rows of some 800 bytes; every tenth comes twice."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            text = hashlib.sha512(str(i).encode()).hexdigest() * 6
            line = json.dumps({"text": text, "label": f"label {i % 3}"}) + "\n"
            file.write(line if i % 10 else line * 2)
    return path


@pytest.fixture(scope="module")
def environment(store_settings: Settings) -> dict[str, str]:
    """The environment in which a process finds the store."""
    key, secret = store_settings.store_access_key_id, store_settings.store_secret_access_key
    assert key
    assert secret
    return {
        **os.environ,
        "ASSAYLINE_STORE_ENDPOINT_URL": str(store_settings.store_endpoint_url),
        "ASSAYLINE_STORE_ACCESS_KEY_ID": key.get_secret_value(),
        "ASSAYLINE_STORE_SECRET_ACCESS_KEY": secret.get_secret_value(),
    }


def run(*command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_ten_times_the_rows_take_no_more_memory(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    def peak_of(path: Path, rows: int, max_rows: int = 0) -> float:
        command = [sys.executable, "-c", MEASURED, str(path), str(max_rows)]
        peak_mb, kept, duplicates = json.loads(run(*command, environment=environment))
        assert (kept, duplicates) == (max_rows or rows, rows // 10)
        return float(peak_mb)

    few = write_rows(tmp_path / "few.jsonl", ROWS)
    many = write_rows(tmp_path / "many.jsonl", 10 * ROWS)
    size_mb = many.stat().st_size / 2**20
    assert size_mb > 150
    allowed_mb = peak_of(few, ROWS) + size_mb / 2  # as it happens, 30 MB more or less
    assert peak_of(many, 10 * ROWS) < allowed_mb
    assert peak_of(many, 10 * ROWS, max_rows=5 * ROWS) < allowed_mb


def test_a_full_local_disk_is_one_message(tmp_path: Path, environment: dict[str, str]) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=4m tmpfs {small}"
    namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*namespace, mount], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no user mount a small disk of their own")
    path = write_rows(tmp_path / "rows.jsonl", ROWS)
    script = f'{mount} && exec "$@"'
    own = {**environment, "TMPDIR": str(small)}
    command = [*namespace, script, "sh", sys.executable, "-c", STAGED, str(path)]
    message = run(*command, environment=own)
    assert message.startswith(f"no room on the local disk for temporary files in {small}")
    assert message.count("\n") == 1

"""Artifacts to the object store and back, against `rclone copy` of the same files.

A folder of 1 GB as a stage keeps one: a file of weights, shards of rows, and small files beside
them, of bytes by chance. It is put and fetched through a real S3 server on this machine, which is
rclone's own, by turns with ``rclone copy``, which also compares checksums. Ours checks the SHA-256
of every byte both ways, and writes a manifest. Measured are:

- `store_up_share`, `store_down_share` (higher is better): bytes a second of `put_folder` and of
  `get_folder` over those of ``rclone copy``, median of some rounds. A round before them is not
  counted, and who goes first changes: whoever writes into memory that no program has used yet
  waits for the system to find it.
- `store_unchanged_share`: bytes that are sent when the same folder is put again, over its size; of
  the store's own count of what it was sent.

``python -m benchmarks.operation.transfers`` measures at full size, and with --small to see that it
runs. The last line is one JSON object.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.local_store import served_store
from infra.settings import Settings
from infra.store import ObjectStore

SIZE_MB: Final = 1_000
ROUNDS: Final = 4
SMALL_FILES: Final = 20
_CHUNK: Final = 1 << 20


def measure(size_mb: int = SIZE_MB, rounds: int = ROUNDS) -> dict[str, float]:
    """All figures.

    Args:
        size_mb: of the folder.
        rounds: in each of which every way is timed once.

    """
    with served_store() as settings, tempfile.TemporaryDirectory(prefix="bench-files-") as name:
        place = Path(name)
        size = _write_files(place / "files", size_mb)
        store = ObjectStore(settings)
        seconds: dict[str, list[float]] = {}
        _one_round(store, settings, place, -1)  # the first finds memory that nobody has used yet
        for turn in range(rounds):
            for way, took in _one_round(store, settings, place, turn).items():
                seconds.setdefault(way, []).append(took)
        again = _sent_again(store, place / "files")
    rates = {way: size / 1e6 / statistics.median(took) for way, took in seconds.items()}
    return {
        "store_up_share": rates["up"] / rates["rclone_up"],
        "store_down_share": rates["down"] / rates["rclone_down"],
        "store_unchanged_share": again / size,
        **{f"store_{way}_mb_per_s": rate for way, rate in rates.items()},
        "store_load_average": os.getloadavg()[1],
    }


def _write_files(folder: Path, size_mb: int) -> int:
    """Half in one file, most of the rest in three, and small files; returns the bytes."""
    sizes = [size_mb << 19, *[size_mb * (1 << 20) // 6] * 3, *[4_000] * SMALL_FILES]
    for number, size in enumerate(sizes):
        path = folder / f"part-{number % 3}" / f"{number:02}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start in range(0, size, _CHUNK):
                file.write(os.urandom(min(_CHUNK, size - start)))
    return sum(sizes)


def _one_round(store: ObjectStore, settings: Settings, place: Path, turn: int) -> dict[str, float]:
    """Seconds of each way, ours first in every other round; what it wrote is removed."""
    files = place / "files"
    uri, there = store.uri(f"ours-{turn}"), f":s3:{settings.artifacts_bucket}/theirs-{turn}"
    ups: dict[str, Callable[[], Any]] = {
        "up": lambda: store.put_folder(uri, files),
        "rclone_up": lambda: _rclone_copy(settings, str(files), there),
    }
    done = {way: _timed(ups[way]) for way in _in_turn(ups, turn)}
    put = done["up"][0]
    downs: dict[str, Callable[[Path], Any]] = {
        "down": lambda folder: store.get_folder(put, folder),
        "rclone_down": lambda folder: _rclone_copy(settings, there, str(folder)),
    }
    for way in _in_turn(downs, turn):
        fetched = place / way
        done[way] = _timed(partial(downs[way], fetched))
        _check_same(files, fetched)
        shutil.rmtree(fetched)  # so that each way writes where the same memory is free
    store.delete(uri)
    store.delete(store.uri(f"theirs-{turn}"))
    found = {way: took for way, (_, took) in done.items()}
    told = ", ".join(f"{way} {took:.2f} s" for way, took in found.items())
    print(f"transfers: {told}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return found


def _in_turn(ways: Iterable[str], turn: int) -> list[str]:
    return sorted(ways, reverse=bool(turn % 2))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    made = work()
    return made, time.perf_counter() - begun


def _rclone_copy(settings: Settings, source: str, target: str) -> None:
    """With rclone's own defaults: four files at once, and checksums compared."""
    assert settings.store_access_key_id
    assert settings.store_secret_access_key
    told = {
        "RCLONE_CONFIG": "",
        "RCLONE_S3_PROVIDER": "Rclone",
        "RCLONE_S3_ENDPOINT": settings.store_endpoint_url or "",
        "RCLONE_S3_ACCESS_KEY_ID": settings.store_access_key_id.get_secret_value(),
        "RCLONE_S3_SECRET_ACCESS_KEY": settings.store_secret_access_key.get_secret_value(),
    }
    rclone = Path(sysconfig.get_path("scripts")) / "rclone"
    subprocess.run(
        [rclone, "copy", "--quiet", source, target], env={**os.environ, **told}, check=True
    )


def _check_same(expected: Path, found: Path) -> None:
    done = subprocess.run(["diff", "-rq", expected, found], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{found} differs: {done.stdout.decode()}")


def _sent_again(store: ObjectStore, folder: Path) -> int:
    """Bytes that leave this process when what stands in the store already is put again."""
    uri = store.uri("again")
    first = store.put_folder(uri, folder)
    sent = 0

    def count(request: Any, **_: object) -> None:
        nonlocal sent
        sent += int(request.headers.get("Content-Length") or 0)

    store._client.meta.events.register("before-send.s3", count)  # noqa: SLF001 - it is counted where it leaves
    second = store.put_folder(uri, folder)
    if first != second:
        raise SystemExit(f"{uri} was {first}, and is {second} when it is put again")
    return sent


def main() -> None:
    """Measure, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few bytes: to see that it runs")
    print(json.dumps(measure(40, 1) if parser.parse_args().small else measure()))


if __name__ == "__main__":
    main()

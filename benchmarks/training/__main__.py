"""Runs every benchmark of training; the last line is one JSON object of the figures."""

import json
import platform
import sys
import time

from benchmarks.training import checkpointing, throughput, tokenizing

ASKED = (
    "tokens_vs_padded_set",
    "tokens_vs_trainer",
    "share_of_matmul",
    "tokenize_vs_encode_batch",
    "tokenize_memory_1m_vs_100k",
    "checkpoint_cost",
    "first_step_s",
)


def main() -> None:
    """Measure, and print the asked figures first."""
    figures: dict[str, float] = {}
    started = time.perf_counter()
    for module in (throughput, checkpointing, tokenizing):
        print(f"{module.__name__}: {(module.__doc__ or '').splitlines()[0]}", file=sys.stderr)
        figures |= module.measure()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"{time.perf_counter() - started:.0f} s in all",
        file=sys.stderr,
    )
    first = {name: figures[name] for name in ASKED}
    print(json.dumps(first | figures))


if __name__ == "__main__":
    main()

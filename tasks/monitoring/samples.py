"""Rows of least hash: a sample that is the same however often and in whatever order it is drawn."""

import hashlib
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Payload = TypeVar("Payload")
Keys = NDArray[np.uint64]


def row_name(request_id: str, row: int) -> str:
    """What a recorded row is known by: the row_id of its copy that is compared."""
    return f"{request_id} {row}"


def keys_of(request_ids: Sequence[str], rows: Sequence[int], seed: int) -> Keys:
    """Hash of each row, (N,), that of the row's name in `tasks.drift.row_samples`.

    Args:
        request_ids: (N,).
        rows: places in the request, (N,).
        seed: of the hash.

    """
    joined = b"".join(
        hashlib.blake2b(f"{seed} {row_name(one, row)}".encode(), digest_size=8).digest()
        for one, row in zip(request_ids, rows, strict=True)
    )
    return np.frombuffer(joined, ">u8").astype(np.uint64)


class LeastKeys(Generic[Payload]):
    """Keeps what belongs to the least keys, and never holds more than twice as many.

    A row that is given twice counts once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[int, Payload] = {}
        self._bound: int | None = None  # keys from here on are not kept

    def wanted(self, keys: Keys) -> NDArray[np.int64]:
        """Places of the keys that are to be given to `add`."""
        if self._bound is None:
            return np.arange(len(keys))
        return np.flatnonzero(keys < np.uint64(self._bound))

    def add(self, key: int, payload: Payload) -> None:
        """Keep one, as long as it is among the least."""
        self._held[key] = payload
        if len(self._held) >= 2 * self._most:
            self._trim()

    def _trim(self) -> None:
        kept = sorted(self._held)[: self._most]
        self._held = {key: self._held[key] for key in kept}
        self._bound = kept[-1] + 1

    def drawn(self) -> list[tuple[int, Payload]]:
        """Keys and what belongs to them, least first, at most as many as asked for."""
        return sorted(self._held.items(), key=lambda held: held[0])[: self._most]

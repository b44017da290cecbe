"""Rows by 64 bits each."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.row_hashes import among, from_bytes, hashes_of, to_bytes

ids = st.lists(st.text(max_size=4), max_size=20)


@given(ids)
def test_hashes_are_the_first_bits_of_sha256_and_survive_a_round_trip(rows: list[str]) -> None:
    hashes = hashes_of(rows)
    assert hashes.tolist() == [
        int(hashlib.sha256(one.encode()).hexdigest()[:16], 16) for one in rows
    ]
    assert from_bytes(to_bytes(hashes)).tolist() == sorted(set(hashes.tolist()))
    assert len(to_bytes(hashes)) == 8 * len(set(rows))


@given(ids, ids)
def test_rows_among_others_are_those_of_both(mine: list[str], read: list[str]) -> None:
    found = among(hashes_of(mine), from_bytes(to_bytes(hashes_of(read))))
    assert found.tolist() == [one in read for one in mine]


def test_bytes_that_are_no_such_hashes_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        from_bytes(b"123")
    with pytest.raises(ValueError, match="ascending"):
        from_bytes(np.array([2, 1], dtype="<u8").tobytes())

"""Digests: equal for what is equal, different for what is not."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.digests import digest_of
from infra.store import Artifact

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Trained:
    artifact: Artifact
    colour: Colour
    seconds: float = field(metadata={"identity": False})


TRAINED = Trained(Artifact("s3://b/k", "aa", 3), Colour.RED, 1.0)


@given(JSON, JSON)
def test_digests_are_equal_exactly_where_values_are(one: object, other: object) -> None:
    assert digest_of(one) == digest_of(one)
    same = repr(one) == repr(other)
    if same:
        assert digest_of(one) == digest_of(other)
    elif one != other:
        assert digest_of(one) != digest_of(other)


def test_order_of_keys_does_not_count() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_time_does_not_count_in_a_record_and_the_artifact_does() -> None:
    assert digest_of(TRAINED) == digest_of(replace(TRAINED, seconds=9.0))
    assert digest_of(TRAINED) != digest_of(replace(TRAINED, artifact=Artifact("s3://b/k", "bb", 3)))


@pytest.mark.parametrize("value", [{1, 2}, object(), {1: "a"}, float("nan")])
def test_what_has_no_stable_digest_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        digest_of(value)

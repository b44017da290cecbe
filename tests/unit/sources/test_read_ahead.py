import threading
from collections.abc import Generator

import pytest

from tasks.sources.read_ahead import read_ahead


def test_items_come_in_order() -> None:
    assert list(read_ahead(number for number in range(1, 50))) == list(range(1, 50))
    assert list(read_ahead(item for item in ())) == []


def test_an_error_arrives_after_the_items_before_it() -> None:
    def items() -> Generator[str, None, None]:
        yield "first"
        raise ValueError("broken")

    ahead = read_ahead(items())
    assert next(ahead) == "first"
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_no_more_is_made_ahead_than_asked_for_and_no_thread_stays() -> None:
    made = []

    def items() -> Generator[int, None, None]:
        for number in range(100):
            made.append(number)
            yield number + 1

    before = threading.active_count()
    ahead = read_ahead(items(), depth=2)
    assert next(ahead) == 1
    ahead.close()
    assert len(made) <= 3
    assert threading.active_count() == before

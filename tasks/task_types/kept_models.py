"""Models and tokenizers that are loaded once for many questions: where a version is served."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_Loaded = TypeVar("_Loaded")
_KEPT: Final[ContextVar[dict[Hashable, Any] | None]] = ContextVar("kept_models", default=None)


@contextmanager
def keep_models() -> Iterator[None]:
    """Load what is asked of one folder once, for as long as the block runs.

    An examiner loads its model at each call of `predict`, and lets go of it after. In this block
    the second call finds it loaded. It holds for the thread, or the asyncio task, of the block.
    The folders must not change meanwhile.
    """
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept(load: Callable[_P, _Loaded]) -> Callable[_P, _Loaded]:
    """Have a function that loads something from a folder look into the block first."""

    @wraps(load)
    def look(*args: _P.args, **kwargs: _P.kwargs) -> _Loaded:
        loaded = _KEPT.get()
        if loaded is None:
            return load(*args, **kwargs)
        key = (load, args, tuple(sorted(kwargs.items())))
        if key not in loaded:
            loaded[key] = load(*args, **kwargs)
        found: _Loaded = loaded[key]
        return found

    return look

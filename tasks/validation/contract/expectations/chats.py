"""The expectation that the turns of a chat alternate."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)
from numpy.typing import NDArray

from tasks.sources.visible import is_blank
from tasks.validation.contract.expectations.arrow_columns import (
    TURNS,
    lengths_of,
    rows_with,
    to_arrow,
    to_mask,
)
from tasks.validation.contract.expectations.rendering import ColumnRule
from tasks.validation.contract.messages import explain_unknown

ROLES: Final = ("system", "user", "assistant")
_SYSTEM, _USER, _ASSISTANT = range(3)
# Whose turn ends a conversation: an assistant's, or where an answer is asked for, a user's.
Role = Literal["user", "assistant"]


def _code_roles(turns: pa.Array) -> NDArray[np.int64]:
    """Place of each turn's role in ROLES; -1 for any other."""
    codes = pc.index_in(pc.struct_field(turns, "role"), pa.array(ROLES, pa.string()))
    return np.asarray(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _is_empty(turns: pa.Array) -> NDArray[np.bool_]:
    said = pc.utf8_trim_whitespace(pc.struct_field(turns, "content").cast(pa.string()))
    empty = pc.equal(pc.fill_null(pc.binary_length(said), 0), 0)
    return np.asarray(empty.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _breaks(turns: pa.Array, lengths: NDArray[np.int64], last: Role) -> NDArray[np.bool_]:
    """Which chats break the rule, from the turns of all of them."""
    role = _code_roles(turns)
    starts = (np.cumsum(lengths) - lengths)[lengths > 0]
    opens = np.zeros(len(lengths), dtype=np.int64)  # 1 where a system turn comes first
    opens[lengths > 0] = role[starts] == _SYSTEM
    place = np.arange(len(role)) - np.repeat(np.cumsum(lengths) - lengths + opens, lengths)
    wanted = np.where(place % 2 == 0, _USER, _ASSISTANT)
    wanted[place < 0] = _SYSTEM
    breaks = rows_with(lengths, (role != wanted) | _is_empty(turns))
    # A chat that ends with an assistant's turn has as many of these as of a user's, and some; one
    # that ends with a user's has one more of these.
    over = 1 if last == "user" else 0
    breaks |= ((lengths - opens) % 2 != over) | (lengths == opens)
    return breaks


class ColumnChatTurns(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether turns alternate."""

    condition_metric_name = "column_values.assayline.chat_turns"
    condition_value_keys = ("last",)

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Any, last: Role = "assistant", **_: Any) -> Any:  # noqa: N805
        chats = to_arrow(column, TURNS)
        return to_mask(~_breaks(chats.flatten(), lengths_of(chats), last), column)


class ExpectColumnChatTurnsToAlternate(ColumnRule):
    """A system turn or none, then user and assistant by turns; none is empty.

    Args:
        last: who speaks last.

    """

    last: Role = "assistant"

    map_metric = "column_values.assayline.chat_turns"
    success_keys = ("last", "mostly")
    args_keys = ("column", "last")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        last = "a user" if kwargs.get("last") == "user" else "an assistant"
        return (
            f"turns of {kwargs['column']} are system (or not), then user and assistant by turns, "
            f"{last} last; none is empty"
        )

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """The first turn that breaks the rule."""
        roles = [turn["role"] for turn in value]
        opens = int(roles[:1] == ["system"])
        for place, turn in enumerate(value):
            wanted = "system" if place < opens else ROLES[1 + (place - opens) % 2]
            if told := _fault_of_turn(turn, wanted):
                return f"turn {place + 1:,}: {told}"
        if len(roles) == opens:
            return "there is no turn of a user"
        if kwargs.get("last") == "user":
            return (
                f"turn {len(roles):,}, the last, is the assistant's; a prompt ends with a user's, "
                "and the answers to it stand in columns of their own"
            )
        return f"turn {len(roles):,}, the last, is the user's; an assistant answers last"


def _fault_of_turn(turn: Mapping[str, Any], wanted: str) -> str:
    role, said = turn["role"], turn["content"]
    if role not in ROLES:
        return f"role {explain_unknown(role, ROLES)}"
    if role != wanted:
        return f"role is {role!r}, where {wanted!r} speaks"
    return "it is empty" if said is None or is_blank(said) else ""

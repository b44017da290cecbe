"""The largest shares of rows that may be put aside: in all, and for a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tasks.records.data import Check
from tasks.validation.contract.settings import BROKEN_ROW_REASONS, ContractSettings

# Names all rows that could not be read, whatever broke them.
BROKEN_ROW: Final = BROKEN_ROW_REASONS[0]


@dataclass(frozen=True)
class ShareCheck:
    """A share that was looked at, and what is said where it is too large."""

    check: Check
    breach: str


def check_shares(
    contract: ContractSettings,
    rows: int,
    put_aside: int,
    by_reason: Mapping[str, int],
    broken_by_reason: Mapping[str, int],
) -> list[ShareCheck]:
    """Hold the rows that were put aside against the contract.

    Args:
        contract: with the limits.
        rows: all of them, broken ones included.
        put_aside: how many were put aside, a row with two reasons once.
        by_reason: rows by reason, those of `broken_by_reason` included.
        broken_by_reason: rows that could not be read, by reason.

    """
    counts = {**by_reason, BROKEN_ROW: sum(broken_by_reason.values())}
    return [
        _hold("", put_aside, rows, contract.max_quarantine_share, "contract.max_quarantine_share"),
        *(
            _hold(
                f" as {reason}",
                counts.get(reason, 0),
                rows,
                share,
                f"contract.max_quarantine_share_by_reason[{reason!r}]",
            )
            for reason, share in contract.max_quarantine_share_by_reason.items()
        ),
    ]


def _hold(what: str, bad: int, rows: int, share: float, setting: str) -> ShareCheck:
    seen = f"{bad:,} of {rows:,} rows, {bad / rows:.2%}" if rows else "no rows"
    check = Check(
        f"at most {share:.2%} of the rows are put aside{what}", bad <= share * rows, bad, seen
    )
    return ShareCheck(check, f"{seen}, were put aside{what}; {setting} is {share:g}")

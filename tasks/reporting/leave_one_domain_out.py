"""How models do on domains that they did not learn, as page, card and Prefect run show it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.records.leave_one_domain_out import LeaveOneDomainOut, LeftOut
from tasks.reporting.estimates import EstimateTable, estimate_row, estimate_table
from tasks.reporting.number_format import count, share, words_of
from tasks.reporting.summaries import estimates_markdown, plain
from tasks.verdicts import Estimate

SAYS: Final = (
    "A drop is how much better the candidate, which learned the domain, is on its test rows than a "
    "model that was trained in the same way on all others. Beside it stands the drop on all other "
    "test rows, which is what fewer rows cost by themselves."
)
NOT_SHOWN: Final = (
    "It is told of these domains alone: another one may be farther from all that was learned. Rows "
    "of other domains that say the same are not left out with it, and where the base model was "
    "built here, its tokenizer has read all of them."
)


@dataclass(frozen=True)
class LeaveOneDomainOutSection:
    """All that is told of domains that were left out.

    Attributes:
        sentence: which, and of how many rows.
        column: that says the domain.
        tables: drops, levels and drops elsewhere of each leading metric, with captions; a row a
            domain.

    """

    sentence: str
    column: str
    tables: tuple[tuple[str, EstimateTable], ...]
    says: str = SAYS
    not_shown: str = NOT_SHOWN


def leave_one_domain_out_section(
    found: LeaveOneDomainOut | None,
) -> LeaveOneDomainOutSection | None:
    """The section; None of a line that does not probe it."""
    if found is None:
        return None
    names = [one.domain.name for one in found.left_out]
    return LeaveOneDomainOutSection(
        sentence=_sentence(found),
        column=found.domains.column,
        tables=tuple(
            (caption, estimate_table(estimates, names)) for caption, estimates in _by_metric(found)
        ),
    )


def largest_drop(found: LeaveOneDomainOut) -> Estimate | None:
    """The largest drop in the first leading metric; None where no domain has one."""
    firsts = [one.drops[0] for one in found.left_out if one.drops]
    told = [one for one in firsts if one.value is not None]
    return max(told, key=lambda one: one.value or 0.0) if told else None


def leave_one_domain_out_lines(found: LeaveOneDomainOut) -> list[str]:
    """The section for the card, a line each."""
    lines = [_sentence(found)]
    for one in found.left_out:
        drop, elsewhere = one.drops[0], one.elsewhere[0]
        told = f"{_metric(drop)} {estimate_row(drop).told}"
        if not one.domain.reason:
            told += f"; elsewhere {estimate_row(elsewhere).told}"
        lines.append(f"Without {one.domain.name} ({_size(one, found)}): {told}.")
    return [*lines, f"{SAYS} {NOT_SHOWN}"]


def leave_one_domain_out_markdown(found: LeaveOneDomainOut) -> str:
    """The section for the page of a run."""
    return "\n\n".join(
        [plain(_sentence(found)), estimates_markdown(found.estimates), plain(f"{SAYS} {NOT_SHOWN}")]
    )


def _by_metric(found: LeaveOneDomainOut) -> Iterator[tuple[str, list[Estimate]]]:
    """Caption and a number a domain, of each leading metric."""
    for place, drop in enumerate(found.left_out[0].drops):
        name = _metric(drop)
        yield f"{name} on the domain", [one.drops[place] for one in found.left_out]
        level = name.removesuffix(" drop")
        yield f"{level} of the model without it", [one.unseen[place] for one in found.left_out]
        yield f"{name} elsewhere", [one.elsewhere[place] for one in found.left_out]


def _metric(estimate: Estimate) -> str:
    """The metric in words, without column and domain."""
    named = words_of(f"_.{estimate.name.rpartition('.')[2]}")
    return named[:1].upper() + named[1:]


def _size(one: LeftOut, found: LeaveOneDomainOut) -> str:
    rows = found.domains.train_rows
    return (
        f"{share(one.domain.train_rows, rows)} of {count(rows)} training rows, "
        f"{count(one.domain.test_rows)} test rows"
    )


def _sentence(found: LeaveOneDomainOut) -> str:
    domains = found.domains
    what = f"{domains.span}s of {domains.column}" if domains.span else domains.column
    trained = len(domains.trained)
    others = f"; {count(domains.others)} more were not asked about" if domains.others else ""
    return (
        f"By {what}, {trained} of {len(domains.asked)} domains were left out in turn, each by a "
        f"training on all other rows{others}."
    )

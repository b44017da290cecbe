"""The rows of a snapshot that keep the contract's row rules, and those that do not."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from tasks.data.checking import Checked, check
from tasks.data.contract import ContractSettings
from tasks.data.expectations import RowRule, row_rules
from tasks.data.frames import describe_conflicts, frame_of_rows


@dataclass(frozen=True)
class SortedRows:
    """A snapshot's rows after the row rules.

    Attributes:
        quarantine: the failing rows, with ``reasons`` (list of strings).
        by_reason: failing rows by the rule's reason; a row with two counts in both.

    """

    clean: pa.Table
    quarantine: pa.Table
    by_reason: dict[str, int]
    rules: list[RowRule]
    checked: Checked


def sort_rows(
    table: pa.Table,
    contract: ContractSettings,
    labels: Sequence[str],
    group_columns: Sequence[str],
) -> SortedRows:
    """Judge every row of a snapshot."""
    frame = frame_of_rows(table)
    conflicts = describe_conflicts(frame, labels, group_columns)
    rules = row_rules(contract, labels, group_columns, conflicts)
    checked = check("rows", {rule.title: rule.expectation for rule in rules}, frame)
    reasons, by_reason = _collect(rules, checked)
    fails = pa.array([position in reasons for position in range(table.num_rows)], pa.bool_())
    quarantine = table.filter(fails).append_column(
        "reasons", pa.array([reasons[at] for at in sorted(reasons)], pa.list_(pa.string()))
    )
    clean = table.filter([not fail.as_py() for fail in fails])
    return SortedRows(clean, quarantine, by_reason, rules, checked)


def _collect(
    rules: Sequence[RowRule], checked: Checked
) -> tuple[Mapping[int, list[str]], dict[str, int]]:
    """Reasons by position, and how many rows each reason has."""
    reasons: defaultdict[int, list[str]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for rule in rules:
        for position, value in checked.findings[rule.title].failing:
            name = rule.expectation.expectation_type
            reasons[position].append(f"{rule.reason}: {rule.explain(value)} ({name})")
            counts[rule.reason] += 1
    return reasons, dict(counts)

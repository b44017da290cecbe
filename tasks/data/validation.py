"""A snapshot held against the data contract."""

import hashlib
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.data.checking import Checked, check
from tasks.data.contract import ContractSettings
from tasks.data.data_docs import render_page
from tasks.data.expectations import SetRule, set_rules
from tasks.data.frozen_parquet import get_table, put_table
from tasks.data.sorting import SortedRows, sort_rows
from tasks.records import SPLITS, Check, DataReport, Snapshot
from tasks.verdicts import Verdict


def validate_snapshot(
    snapshot: Snapshot, contract: ContractSettings, store: ObjectStore
) -> DataReport:
    """Put the rows aside that break the contract, and judge those that are left.

    The quarantine file and the Data Docs are written before anything is refused.

    Raises:
        DataError: too many rows were put aside, or those that are left break the contract.

    """
    _check_group_columns(snapshot, contract)
    table = get_table(snapshot.artifact, store)
    labels = _labels_of(table, contract)
    rows = sort_rows(table, contract, labels, snapshot.group_columns)
    rules = set_rules(contract, labels, table.column_names)
    left = _check_set(rules, rows.clean)
    quarantine = put_table("quarantine", rows.quarantine, store)
    docs_uri = _put_docs(snapshot, contract, [rows.checked, *([left] if left else [])], store)
    share = _check_share(rows, contract)
    breaches = [*_breaches_of_share(share, rows, contract), *_breaches_of_set(rules, left)]
    if breaches:
        raise DataError(_explain(breaches, rows, quarantine.uri, docs_uri))
    return DataReport(
        clean=put_table("clean", rows.clean, store),
        quarantine=quarantine,
        docs_uri=docs_uri,
        labels=labels,
        group_columns=snapshot.group_columns,
        rows_by_split=_count(rows.clean, "split", SPLITS),
        rows_by_label=_count(rows.clean, "label", labels),
        rows_quarantined=rows.quarantine.num_rows,
        quarantined_by_reason=rows.by_reason,
        checks=(*_checks_of(rows.checked), share, *(_checks_of(left) if left else ())),
        verdict=Verdict.PASS,
    )


def _check_group_columns(snapshot: Snapshot, contract: ContractSettings) -> None:
    for name in contract.groups:
        if name not in snapshot.group_columns:
            known = ", ".join(snapshot.group_columns) or "none"
            raise DataError(
                f"contract.groups names {name!r}, which is no group column of the source "
                f"(source.group_columns: {known}); add it there or remove it here"
            )


def _labels_of(table: pa.Table, contract: ContractSettings) -> tuple[str, ...]:
    found = contract.labels or table["label"].drop_null().unique().to_pylist()
    return tuple(sorted(found))


def _check_set(rules: list[SetRule], clean: pa.Table) -> Checked | None:
    """None where no row is left to judge."""
    if not clean.num_rows:
        return None
    return check("set", {rule.title: rule.expectation for rule in rules}, clean.to_pandas())


def _check_share(rows: SortedRows, contract: ContractSettings) -> Check:
    bad, total = rows.quarantine.num_rows, rows.quarantine.num_rows + rows.clean.num_rows
    return Check(
        f"at most {contract.max_quarantine_share:.2%} of the rows are put aside",
        bad <= contract.max_quarantine_share * total,
        bad,
        f"{bad:,} of {total:,} rows, {bad / total:.2%}",
    )


def _breaches_of_share(share: Check, rows: SortedRows, contract: ContractSettings) -> Iterator[str]:
    if not rows.clean.num_rows:
        yield f"all {rows.quarantine.num_rows:,} rows were put aside"
    elif not share.passed:
        limit = contract.max_quarantine_share
        yield f"{share.observed}, were put aside; contract.max_quarantine_share is {limit:g}"


def _breaches_of_set(rules: list[SetRule], left: Checked | None) -> Iterator[str]:
    for rule in rules if left else ():
        finding = left.findings[rule.title] if left else None
        if finding and not finding.passed:
            yield f"{rule.title}; seen {finding.observed} ({rule.mend})"


def _explain(breaches: list[str], rows: SortedRows, quarantine_uri: str, docs_uri: str) -> str:
    counts = ", ".join(f"{reason} {count:,}" for reason, count in rows.by_reason.items())
    points = "".join(f"\n  - {breach}" for breach in breaches)
    return (
        f"the data breaks its contract:{points}\n"
        f"rows put aside, by reason: {counts or 'none'}\n"
        f"they are in {quarantine_uri}; all checks are in {docs_uri}"
    )


def _put_docs(
    snapshot: Snapshot, contract: ContractSettings, checked: list[Checked], store: ObjectStore
) -> str:
    key = hashlib.sha256(f"{snapshot.artifact.sha256}{contract.model_dump_json()}".encode())
    page = render_page([one.result for one in checked], snapshot.artifact.sha256)
    return store.put_bytes(store.uri("docs", key.hexdigest(), "index.html"), page.encode()).uri


def _checks_of(checked: Checked) -> Iterator[Check]:
    for rule, finding in checked.findings.items():
        yield Check(rule, finding.passed, len(finding.failing), finding.observed)


def _count(table: pa.Table, column: str, keys: tuple[str, ...]) -> dict[str, int]:
    counts = Counter(table[column].to_pylist())
    return {key: counts[key] for key in keys}

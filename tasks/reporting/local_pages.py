"""Copies of a data report and of its quarantine file where a person opens them."""

from pathlib import Path

from infra.store import ObjectStore
from tasks.records.data import DataPage


def fetch_data_page(page: DataPage, home: Path, store: ObjectStore) -> tuple[Path, Path | None]:
    """Copy a data report, and the rows that were put aside, to the folder ``reports`` of a home.

    Args:
        page: what was checked.
        home: the home folder of this machine's stack.
        store: holds both.

    Returns:
        The report (HTML), and the rows to mend (Parquet); None where no row was put aside.

    Raises:
        StoreError: one of them is gone or changed, or the store is unreachable.
        OSError: the folder cannot be written.

    """
    folder = home.absolute() / "reports"
    report = store.get_file(page.html, folder / f"{page.line}-data.html")
    rows = folder / f"{page.line}-quarantine.parquet"
    if page.rows_quarantined:
        return report, store.get_file(page.quarantine, rows)
    rows.unlink(missing_ok=True)  # of an earlier check
    return report, None


def fetch_label_suspects(page: DataPage, home: Path, store: ObjectStore) -> Path | None:
    """Copy the rows whose labels look wrong to the folder ``reports`` of a home.

    Returns:
        The Parquet, which `assayline readmit` takes back corrected; None where there are none.

    Raises:
        StoreError: it is gone or changed, or the store is unreachable.
        OSError: the folder cannot be written.

    """
    path = home.absolute() / "reports" / f"{page.line}-label-suspects.parquet"
    if page.labels and page.labels.errors.suspects:
        return store.get_file(page.labels.errors.suspects, path)
    path.unlink(missing_ok=True)  # of an earlier check
    return None

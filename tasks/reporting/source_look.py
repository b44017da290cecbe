"""What a look at a line's source came to, as the rows of a table of its Prefect run."""

from infra.run_queue import page_of
from tasks.records.source_use import SourceLook, SourceUse

# Of a digest, which is what people compare by eye.
_SHOWN_CHARACTERS = 12


def source_rows(look: SourceLook, server: str) -> list[dict[str, str]]:
    """A row for the source as it is, and one for that of the newest retraining, where it is known.

    Args:
        look: what it came to.
        server: address of Prefect's API.

    """
    rows = [_row("now", look.now, "")]
    if look.used is not None:
        page = page_of(server, look.used.run) if look.used.run else ""
        rows.append(_row("the newest retraining", look.used, page))
    return rows


def _row(what: str, use: SourceUse, page: str) -> dict[str, str]:
    return {
        "source": what,
        "sha256": use.sha256[:_SHOWN_CHARACTERS],
        "files": f"{use.files:,}",
        "bytes": f"{use.size_bytes:,}",
        "at": use.at[:16].replace("T", " ") + " UTC",
        "run": page,
    }

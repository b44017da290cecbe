"""What came back of training texts, as new rows are made of it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.augmentation.methods import Translated
from tasks.records.back_translation import BackTranslations


def read_translated(
    store: ObjectStore, translations: BackTranslations | None
) -> dict[str, Translated]:
    """What came back of each text; nothing of a line that translates none.

    Args:
        store: holds them.
        translations: of the line's training rows.

    Raises:
        StoreError: the store does not answer, or lacks them.

    """
    if translations is None:
        return {}
    with TemporaryDirectory(prefix="assayline-translations-") as name:
        path = store.get_file(translations.artifact, Path(name) / "translations.parquet")
        rows = pq.read_table(path, columns=["text", "back", "reason"]).to_pylist()
    return {row["text"]: Translated(row["back"], row["reason"]) for row in rows}

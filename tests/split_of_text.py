"""The split of one text by the definition, against which the many at once are held."""

import hashlib

from tasks.ingestion.splits import SplitSettings


def split_of(text: str, settings: SplitSettings) -> str:
    """The first 64 bits of SHA-256(salt + text), as a fraction, held against the shares."""
    number = int(hashlib.sha256(f"{settings.salt}{text}".encode()).hexdigest()[:16], 16)
    share = number / 16**16
    if share < settings.train:
        return "train"
    return "validation" if share < settings.train + settings.validation else "test"

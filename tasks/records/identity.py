"""What of a record tells it from others."""

from typing import Final

# A field with this metadata can differ between two records that are the same.
NOT_IDENTITY: Final = {"identity": False}

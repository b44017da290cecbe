"""The Prefect block through which results are kept in the object store.

It says where results are, so that two stacks on one server notice each other, and holds no secret.
What Prefect does with it is `infra.signed_results`.
"""

from collections.abc import Mapping
from typing import Any

from infra.settings import Settings

BLOCK_TYPE = "assayline-results"
BLOCK_NAME = "results"
# The block of earlier releases, which held the store's keys.
FORMER_BLOCK = ("s3-bucket", "assayline-results")


def wanted(settings: Settings) -> dict[str, str]:
    """The block's content, as the server keeps it."""
    return {
        "bucket_name": settings.results_bucket,
        "endpoint_url": settings.store_endpoint_url or "",
    }


def stands(settings: Settings, found: Mapping[str, Any] | None) -> bool:
    """Whether the block that was found says what these settings say."""
    return found is not None and wanted(settings).items() <= found.items()

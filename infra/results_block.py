"""The Prefect block through which results are kept in the object store.

Run as ``python -m infra.results_block`` in a process of its own, since it alone needs Prefect's
and prefect-aws' classes, and must not see the user's own Prefect profile.
"""

from collections.abc import Mapping
from typing import Any

from infra.settings import Settings, load_settings

BLOCK_TYPE = "s3-bucket"
BLOCK_NAME = "assayline-results"


def wanted(settings: Settings) -> dict[str, Any]:
    """The block's content, as the server keeps it."""
    key, secret = settings.store_access_key_id, settings.store_secret_access_key
    endpoint = settings.store_endpoint_url
    return {
        "bucket_name": settings.results_bucket,
        "credentials": {
            "aws_access_key_id": key.get_secret_value() if key else None,
            "aws_secret_access_key": secret.get_secret_value() if secret else None,
            "region_name": settings.store_region,
            "aws_client_parameters": {
                "endpoint_url": endpoint,
                "config": {"s3": {"addressing_style": "path"}} if endpoint else None,
            },
        },
    }


def stands(settings: Settings, found: Mapping[str, Any] | None) -> bool:
    """Whether the block that was found says what these settings say."""
    return found is not None and _holds(found, wanted(settings))


def _holds(found: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    for name, value in expected.items():
        seen = found.get(name)
        if isinstance(value, dict):
            if not isinstance(seen, dict) or not _holds(seen, value):
                return False
        elif seen != value:
            return False
    return True


def save(settings: Settings) -> None:
    """Write the block to the Prefect server of this process's environment."""
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters

    content = wanted(settings)
    access = content["credentials"]
    parameters = AwsClientParameters(**access.pop("aws_client_parameters"))
    bucket = S3Bucket(
        bucket_name=content["bucket_name"],
        credentials=AwsCredentials(**access, aws_client_parameters=parameters),
    )
    bucket.save(BLOCK_NAME, overwrite=True)


if __name__ == "__main__":
    save(load_settings())

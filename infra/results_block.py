"""The Prefect block through which results are kept in the object store.

It holds no keys, since Prefect's API gives a block's secrets to whoever may ask it anything. boto3
finds them in the environment of each process that reads or writes results: `parts.py` puts them
into the worker's, `keys_given` into that of a command.

Run as ``python -m infra.results_block`` in a process of its own, since it alone needs Prefect's
and prefect-aws' classes, and must not see the user's own Prefect profile.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from infra.settings import Settings, load_settings

BLOCK_TYPE = "s3-bucket"
BLOCK_NAME = "assayline-results"


def wanted(settings: Settings) -> dict[str, Any]:
    """The block's content, as the server keeps it."""
    endpoint = settings.store_endpoint_url
    return {
        "bucket_name": settings.results_bucket,
        "credentials": {
            "aws_access_key_id": None,
            "aws_secret_access_key": None,
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


@contextmanager
def keys_given(settings: Settings) -> Iterator[None]:
    """Let this process read and write results: the store's keys, where boto3 looks for them."""
    before = {name: os.environ.get(name) for name in settings.store_keys}
    os.environ.update(settings.store_keys)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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

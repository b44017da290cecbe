"""The policy that a candidate was judged by, kept in the store under its digest.

The digest stands in the ledger beside the evidence, whether the policy is a file of its own or is
written in the line's file: two policies that say the same have the same digest.
"""

import json
from typing import Final

from pydantic import ValidationError

from infra.digests import as_json
from infra.errors import IntegrityError
from infra.store import ObjectStore, keep_by_digest, read_by_digest
from tasks.registry.settings import PolicySettings

FOLDER: Final = "policies"
POLICY: Final = "policy"  # its name among the evidence of a ledger entry


def policy_bytes(policy: PolicySettings) -> bytes:
    """A policy as JSON, defaults included; the same bytes for the same policy."""
    return json.dumps(as_json(policy), sort_keys=True, indent=1, ensure_ascii=False).encode()


def keep_policy(policy: PolicySettings, store: ObjectStore) -> str:
    """Keep a policy, and return the SHA-256 that it is kept under.

    Raises:
        StoreError: the store is unreachable.

    """
    return keep_by_digest(store, FOLDER, policy_bytes(policy)).sha256


def read_policy(sha256: str, store: ObjectStore) -> PolicySettings:
    """A policy that was kept.

    Raises:
        IntegrityError: it was changed since, or another release wrote it in another form.
        StoreError: the store lacks it, or is unreachable.

    """
    content = read_by_digest(store, FOLDER, sha256)
    try:
        return PolicySettings.model_validate_json(content)
    except ValidationError as error:
        raise IntegrityError(
            f"{store.uri(FOLDER, f'{sha256}.json')} cannot be read by this release "
            f"({error.errors()[0]['msg']}); a run of the line judges its version anew"
        ) from error

"""The policy that a candidate was judged by, kept in the store under its digest.

The digest stands in the ledger beside the evidence, whether the policy is a file of its own or is
written in the line's file: two policies that say the same have the same digest.
"""

import json
from typing import Final

from infra.digests import as_json
from infra.store import ObjectStore, keep_by_digest
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

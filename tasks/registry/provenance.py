"""What a registered version was made of: one record in the store, which a tag names by its digest.

A version's tags are what people and scripts look up. All else that it was made of (digests,
addresses, counts, limits) stands in this record, kept under its SHA-256, so that neither a tag nor
the record can be changed alone. A version of an earlier release has all of it in its tags.
"""

import json
from collections.abc import Mapping
from typing import Final

from infra.errors import IntegrityError
from infra.store import ObjectStore, keep_by_digest, read_by_digest
from tasks.registry.version_tags import LOOKED_UP, PREFIX, PROVENANCE_TAG

FOLDER: Final = "provenance"


def provenance_bytes(facts: Mapping[str, str]) -> bytes:
    """The record as JSON; the same bytes for the same facts.

    Args:
        facts: by name of tag.

    """
    named = {name.removeprefix(PREFIX): value for name, value in facts.items()}
    return json.dumps(named, sort_keys=True, indent=1, ensure_ascii=False).encode()


def keep_provenance(facts: Mapping[str, str], store: ObjectStore) -> str:
    """Keep the record in the store under its digest, which is returned."""
    return keep_by_digest(store, FOLDER, provenance_bytes(facts)).sha256


def read_provenance(sha256: str, store: ObjectStore) -> dict[str, str]:
    """The facts of a record, by name of tag.

    Raises:
        IntegrityError: it was changed since, or is no such record.
        StoreError: the store lacks it, or is unreachable.

    """
    try:
        named = json.loads(read_by_digest(store, FOLDER, sha256))
        return {PREFIX + name: str(value) for name, value in named.items()}
    except (ValueError, AttributeError) as error:
        # Its digest is right, so somebody wrote it who may also write the tag that names it.
        raise IntegrityError(
            f"{store.uri(FOLDER, f'{sha256}.json')} is no record of what a version was made of "
            f"({error}); find out who named it"
        ) from error


def facts_of(version: str, tags: Mapping[str, str], store: ObjectStore) -> dict[str, str]:
    """A version's tags with all that its record holds; of an earlier release the tags alone.

    Args:
        version: its name, for the message.
        tags: as MLflow has them.
        store: holds the record.

    Raises:
        IntegrityError: the record was changed, or a tag that it holds says otherwise.
        StoreError: the store lacks it, or is unreachable.

    """
    if PROVENANCE_TAG not in tags:
        return dict(tags)
    facts = read_provenance(tags[PROVENANCE_TAG], store)
    for name in LOOKED_UP:
        if tags.get(name) != facts.get(name):
            raise IntegrityError(
                f"the tag {name} of {version} is {tags.get(name, 'gone')}, and by what it was made "
                f"of ({PROVENANCE_TAG}) it is {facts.get(name, 'not set')}: somebody changed one "
                "of them. Nothing was moved; set it back once it is clear who did"
            )
    return {**tags, **facts}

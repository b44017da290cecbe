"""The looks at a line's held-out rows: each is recorded before anybody can know what it comes to.

A look is one JSON object at ``looks/<line>/<number>-<first 8 digits of its sha256>.json``. It
counts when MLflow's database has its SHA-256 under its number, which is set once
(`infra.write_once`), as that of a ledger's entry: of two that are recorded at the same moment one
takes the number, and the other is counted anew as the next one. What a look came to is set beside
it, each verdict once; a run that is killed before that has looked, and has not passed.

What cannot be read any more is a look at every row: a look is never forgotten by losing an object.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from infra.errors import MissingObjectError, StoreError, TrackingError
from infra.row_hashes import Hashes, among, from_bytes, to_bytes
from infra.store import Artifact, ObjectStore, keep_by_digest
from infra.tracking import Tracking
from tasks.records.looks import HeldOut, Look
from tasks.records.registry import Judgement
from tasks.registry.ledger import now
from tasks.verdicts import Gate, Verdict

_NAME: Final = re.compile(r"(\d{8})-[0-9a-f]{8}\.json")
_KEY: Final = re.compile(r"(\d{8})(?:\.([a-z]+))?")


@dataclass(frozen=True)
class KnownLook:
    """A look that counts.

    Attributes:
        look: None where its object is missing or was changed.
        verdicts: that it came to, with the time of each; none where its run never got there.

    """

    number: int
    look: Look | None
    verdicts: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether its candidate passed every gate."""
        return Verdict.PASS.value in self.verdicts


def record_name(line: str) -> str:
    """Name of the record in MLflow, which is one of an experiment; no line's name has a dot."""
    return f"{line}.looks"


def read_looks(line: str, *, store: ObjectStore, tracking: Tracking) -> tuple[KnownLook, ...]:
    """All looks of a line, oldest first.

    Raises:
        StoreError, TrackingError: a server is unreachable, or somebody deleted the record, or
            MLflow's database is older than the looks in the store.

    """
    # Before MLflow is asked: a look is written when the one before it counted already.
    objects = store.list(store.uri("looks", line) + "/")
    values = tracking.read_record(record_name(line)).values
    digests: dict[int, str] = {}
    verdicts: dict[int, dict[str, str]] = {}
    for key, value in values.items():
        found = _KEY.fullmatch(key)
        if found and found[2]:
            verdicts.setdefault(int(found[1]), {})[found[2]] = value
        elif found:
            digests[int(found[1])] = value
    newest = max(digests, default=0)
    if lost := [uri for uri in objects if _number(uri) > newest + 1]:
        raise TrackingError(
            f"{lost[-1]} is newer than what MLflow knows, {newest} looks of {line}: its database "
            "is older than the looks. Restore its newest backup; nothing is evaluated, since no "
            "look may be forgotten"
        )
    return tuple(
        KnownLook(number, _read(store, line, number, sha256), verdicts.get(number, {}))
        for number, sha256 in sorted(digests.items())
    )


def next_since_pass(
    line: str, held_out: HeldOut, *, store: ObjectStore, tracking: Tracking
) -> tuple[int, int]:
    """Which look since a pass the next candidate's is, at these rows and of the line.

    `verdicts.look_share` says at which level each is judged.

    Raises:
        StoreError, TrackingError: as `read_looks`; also where the names of the rows are lost.

    """
    known = read_looks(line, store=store, tracking=tracking)
    of_candidates = _of_candidates(known)
    since_pass = _position(_named_rows(held_out, store), of_candidates, store)[1]
    return since_pass, _of_line(of_candidates)


def record_look(
    line: str,
    weights_sha256: str,
    held_out: HeldOut,
    gates: Iterable[Gate],
    run: str,
    recipe: str = "",
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> Look:
    """Record that a model is about to be evaluated on held-out rows.

    A further training of a recipe is no candidate, and costs none anything, until it is one: who
    promotes the best of several seeds has looked with each of them.

    Args:
        line: the model line.
        weights_sha256: of the model.
        held_out: the rows.
        gates: of the policy.
        run: that evaluates.
        recipe: the candidate's weights, of which this is a further training; empty where the model
            is the candidate.
        store: holds the looks.
        tracking: knows which of them count.

    Returns:
        The look as it counts from now on; the one that was recorded before where these weights
        were evaluated on these rows already.

    Raises:
        StoreError: the store is unreachable, or does not give back what was written.
        TrackingError: MLflow failed, and does not tell whether the look counts. Nothing is
            evaluated then.

    """
    asked = tuple(f"{gate.judged_on} {gate.rule}" for gate in gates)
    mine = _named_rows(held_out, store)
    while True:
        known = read_looks(line, store=store, tracking=tracking)
        for one in known:
            look = one.look
            if look and _what(look) == (weights_sha256, held_out, recipe):
                return look
        number = max((one.number for one in known), default=0) + 1
        of_candidates = _of_candidates(known, weights_sha256)
        earlier, since_pass, fresh = _position(mine, of_candidates, store)
        named = _named(held_out, mine, fresh, store)
        look = Look(
            line, number, weights_sha256, held_out, named, earlier, since_pass, asked, run, now(),
            recipe, _of_line(of_candidates),
        )  # fmt: skip
        if _counts(look, store, tracking):
            return look


def settle_look(look: Look, judgement: Judgement, tracking: Tracking) -> None:
    """Set what a look came to; a verdict that it had before stays beside it."""
    key = f"{look.number:08d}.{judgement.verdict.value}"
    tracking.write_once(record_name(look.line), key, now())


class _Rows:
    """The hashes of rows as looks name them, each fetched once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._found: dict[str, Hashes | None] = {}

    def of(self, held_out: HeldOut) -> Hashes | None:
        """In ascending order; None where the object is missing or was changed."""
        uri, sha256 = held_out.hashes.uri, held_out.hashes.sha256
        if uri not in self._found:
            try:
                data = self._store.get_bytes(uri)
                whole = hashlib.sha256(data).hexdigest() == sha256
                self._found[uri] = from_bytes(data) if whole else None
            except (MissingObjectError, ValueError):
                self._found[uri] = None
        return self._found[uri]


def _named_rows(held_out: HeldOut, store: ObjectStore) -> Hashes:
    found = _Rows(store).of(held_out)
    if found is None:
        raise StoreError(
            f"{held_out.hashes.uri} is missing or was changed, which names the held-out rows; "
            "restore it from a backup, or run every stage anew (`assayline run CONFIG --refresh`)"
        )
    return found


def _what(look: Look) -> tuple[str, HeldOut, str]:
    """By which two looks are the same one."""
    return look.weights_sha256, look.held_out, look.recipe


def _of_candidates(known: Sequence[KnownLook], weights_sha256: str = "") -> list[KnownLook]:
    """Looks of candidates; also those of each recipe of which these weights were a training."""
    looks = [one.look for one in known if one.look]
    own = {one.recipe for one in looks if one.weights_sha256 == weights_sha256} | {""}
    return [one for one in known if one.look is None or one.look.recipe in own]


def _position(
    mine: Hashes, known: Sequence[KnownLook], store: ObjectStore
) -> tuple[int, int, Hashes]:
    """How many looks have read any of the rows, which one this is since a pass, and fresh rows."""
    rows, read = _Rows(store), np.zeros(len(mine), dtype=np.bool_)
    earlier, since_pass = 0, 1
    for one in known:
        theirs = rows.of(one.look.held_out) if one.look else None
        seen = np.ones(len(mine), np.bool_) if theirs is None else among(mine, theirs)
        if not seen.any():
            continue
        read |= seen
        earlier += 1
        # Of rows that cannot be told, it is not known that they are these, so its pass frees none.
        since_pass = 1 if one.passed and theirs is not None else since_pass + 1
    return earlier, since_pass, mine[~read]


def _of_line(known: Sequence[KnownLook]) -> int:
    """Which look it is since a candidate of the line passed."""
    count = 1
    for one in known:
        # As of the rows: what cannot be read frees nothing.
        count = 1 if one.passed and one.look is not None else count + 1
    return count


def _named(held_out: HeldOut, mine: Hashes, fresh: Hashes, store: ObjectStore) -> HeldOut:
    if len(fresh) == len(mine):
        return held_out
    return HeldOut(keep_by_digest(store, "held-out", to_bytes(fresh), "u64"), len(fresh))


def _counts(look: Look, store: ObjectStore, tracking: Tracking) -> bool:
    """Write a look, and see whether it took its number; one that did not is taken away."""
    data = json.dumps(asdict(look), sort_keys=True, indent=1, ensure_ascii=False).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    uri = _address(store, look.line, look.number, sha256)
    store.put_bytes(uri, data)
    if store.get_bytes(uri) != data:
        raise StoreError(
            f"the object store took {uri} and does not give it back as it was written; no look was "
            "recorded and nothing was evaluated"
        )
    stands = tracking.write_once(record_name(look.line), f"{look.number:08d}", sha256)
    if stands != sha256:
        store.delete(uri)
    return stands == sha256


def _address(store: ObjectStore, line: str, number: int, sha256: str) -> str:
    return store.uri("looks", line, f"{number:08d}-{sha256[:8]}.json")


def _number(uri: str) -> int:
    """Of a look by its address; 0 for an object that is named otherwise."""
    name = _NAME.fullmatch(uri.rsplit("/", 1)[1])
    return int(name[1]) if name else 0


def _read(store: ObjectStore, line: str, number: int, sha256: str) -> Look | None:
    try:
        data = store.get_bytes(_address(store, line, number, sha256))
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        return _parse(json.loads(data))
    except (MissingObjectError, ValueError, TypeError, KeyError):
        return None


def _parse(fields: dict[str, Any]) -> Look:
    def held_out(name: str) -> HeldOut:
        return HeldOut(Artifact(**fields[name]["hashes"]), fields[name]["rows"])

    look = Look(**{**fields, "gates": tuple(fields["gates"])})
    return replace(look, held_out=held_out("held_out"), fresh=held_out("fresh"))

"""One delivery of an MLflow webhook: whether MLflow signed it, just now, and what it tells.

MLflow signs as Standard Webhooks does (`mlflow.webhooks.delivery`): HMAC-SHA256 over
``DELIVERY_ID.TIMESTAMP.BODY``, in base64 behind ``v1,``.
"""

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ValidationError

# Where the receiver takes deliveries.
PATH: Final = "/mlflow/webhook"
SIGNATURE_HEADER: Final = "x-mlflow-signature"
TIMESTAMP_HEADER: Final = "x-mlflow-timestamp"
ID_HEADER: Final = "x-mlflow-delivery-id"
# MLflow asks again for some seconds where nobody answers, with the timestamp of its first try; a
# delivery that is older was kept by somebody, and one from the future was made up.
MAX_AGE_S: Final = 300.0
# Far more than come in twice that time; each is one alias that was moved.
REMEMBERED: Final = 10_000
# What no entry but the ledger's moves.
WATCHED_ALIASES: Final = frozenset({"production", "previous"})


class _AliasMove(BaseModel):
    name: str
    alias: str


class _Payload(BaseModel):
    """As MLflow writes it; other events have other data."""

    entity: Literal["model_version_alias"]
    action: Literal["created", "deleted"]
    data: _AliasMove


@dataclass(frozen=True)
class Delivery:
    """What a request carries: its id, and the line whose alias was moved, if it tells of one."""

    id: str
    line: str | None


class RefusedDeliveryError(Exception):
    """The request is no delivery of this MLflow's, of now."""


class Deliveries:
    """The deliveries of one webhook, each taken once.

    Args:
        secret: that MLflow signs with.

    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._taken: OrderedDict[str, float] = OrderedDict()

    def read(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivery:
        """Check a request and read it; nothing of the body is looked at before its signature.

        Args:
            headers: by lower-case name.
            body: as it came.
            now: seconds since the epoch.

        Raises:
            RefusedDeliveryError: it is not signed, not of now, or not what MLflow writes.

        """
        identity, stamp = headers.get(ID_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
        signed = b".".join([identity.encode("latin-1"), stamp.encode("latin-1"), body])
        expected = base64.b64encode(hmac.digest(self._secret, signed, hashlib.sha256)).decode()
        given = headers.get(SIGNATURE_HEADER, "")
        if not hmac.compare_digest(given.encode("latin-1"), f"v1,{expected}".encode()):
            raise RefusedDeliveryError("the signature is not of this webhook's secret")
        if not identity or not stamp.isdecimal() or abs(now - int(stamp)) > MAX_AGE_S:
            raise RefusedDeliveryError(
                f"the timestamp {stamp!r} is more than {MAX_AGE_S:.0f} s from now"
            )
        return Delivery(identity, _line_in(body))

    def was_taken(self, delivery: Delivery, now: float) -> bool:
        """Whether this delivery came before, be it asked again or replayed."""
        while self._taken and next(iter(self._taken.values())) < now - 2 * MAX_AGE_S:
            self._taken.popitem(last=False)
        return delivery.id in self._taken

    def take(self, delivery: Delivery, now: float) -> None:
        """Remember a delivery that was acted on."""
        self._taken[delivery.id] = now
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)


def _line_in(body: bytes) -> str | None:
    """The line whose production or previous was moved; None of any other event."""
    try:
        payload = _Payload.model_validate_json(body)
    except ValidationError:
        return None
    return payload.data.name if payload.data.alias in WATCHED_ALIASES else None

"""A delivery counts if MLflow signed it, just now, and once; signed here by MLflow's own code."""

import asyncio
import json
import time
from collections.abc import Mapping

import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature
from starlette.testclient import TestClient

from infra.errors import StackError
from infra.local.webhook_delivery import (
    MAX_AGE_S,
    PATH,
    REMEMBERED,
    Deliveries,
    Delivery,
    RefusedDeliveryError,
)
from infra.local.webhook_receiver import MAX_BODY_BYTES, Looks, Receiver, create_app

SECRET = "s" * 43
NOW = 1_800_000_000.0


def body_of(alias: str = "production", entity: str = "model_version_alias") -> str:
    data = {"name": "bbc-news", "alias": alias, "version": "3"}
    return json.dumps({"entity": entity, "action": "created", "timestamp": "x", "data": data})


def signed(
    body: str, at: float = NOW, secret: str = SECRET, identity: str = "id-1"
) -> dict[str, str]:
    stamp = str(int(at))
    return {
        "x-mlflow-delivery-id": identity,
        "x-mlflow-timestamp": stamp,
        "x-mlflow-signature": _generate_hmac_signature(secret, identity, stamp, body),
    }


def read(body: str, headers: Mapping[str, str], now: float = NOW) -> Delivery:
    return Deliveries(SECRET).read(headers, body.encode(), now)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (body_of(), "bbc-news"),
        (body_of("previous"), "bbc-news"),
        (body_of("staging"), None),
        (body_of(entity="model_version_tag"), None),
        ('{"entity": "registered_model", "action": "created", "data": {"name": "x"}}', None),
        ("no JSON", None),
    ],
)
def test_a_delivery_tells_the_line_whose_production_was_moved(body: str, line: str | None) -> None:
    assert read(body, signed(body)) == Delivery("id-1", line)


@pytest.mark.parametrize(
    "change",
    [
        {"x-mlflow-signature": ""},
        {"x-mlflow-signature": "v1,AAAA"},
        {"x-mlflow-signature": "v1,é"},
        {"x-mlflow-delivery-id": "id-2"},
        {"x-mlflow-timestamp": str(int(NOW) + 1)},
        signed(body_of(), secret="t" * 43),
        signed(body_of("previous")),
        {},
    ],
)
def test_what_is_signed_otherwise_is_refused(change: dict[str, str]) -> None:
    headers = {**signed(body_of()), **change} if change else {}
    with pytest.raises(RefusedDeliveryError, match="signature"):
        read(body_of(), headers)


@pytest.mark.parametrize(
    ("age_s", "refused"),
    [(0, False), (MAX_AGE_S, False), (MAX_AGE_S + 1, True), (-MAX_AGE_S - 1, True)],
)
def test_a_delivery_of_another_time_is_refused(age_s: float, *, refused: bool) -> None:
    headers = signed(body_of(), NOW - age_s)
    if refused:
        with pytest.raises(RefusedDeliveryError, match="300 s from now"):
            read(body_of(), headers)
    else:
        assert read(body_of(), headers).line == "bbc-news"


def test_a_delivery_is_taken_once_and_no_more_are_remembered_than_needed() -> None:
    deliveries = Deliveries(SECRET)
    first = Delivery("first", None)
    assert not deliveries.was_taken(first, NOW)
    deliveries.take(first, NOW)
    assert deliveries.was_taken(first, NOW + 2 * MAX_AGE_S)
    assert not deliveries.was_taken(first, NOW + 2 * MAX_AGE_S + 1)
    for number in range(REMEMBERED + 1):
        deliveries.take(Delivery(str(number), None), NOW)
    assert len(deliveries._taken) == REMEMBERED


class _Looks(Looks):
    """Counts what is asked for; Prefect is away as often as it is told."""

    def __init__(self, away: int = 0) -> None:
        self.asked: list[str] = []
        self._away = away

    async def start(self, line: str) -> str:
        await asyncio.sleep(0)
        self.asked.append(line)
        if len(self.asked) <= self._away:
            raise StackError("the Prefect server does not answer")
        return "started"


def post(looks: _Looks, *requests: tuple[dict[str, str], str]) -> list[int]:
    client = TestClient(create_app(Receiver(Deliveries(SECRET), looks)))
    assert client.get("/health").status_code == 200
    assert client.get(PATH).status_code == 405
    return [client.post(PATH, headers=head, content=body).status_code for head, body in requests]


def test_a_replay_starts_nothing_and_a_refusal_neither() -> None:
    looks, now = _Looks(), time.time()
    one = signed(body_of(), now), body_of()
    another = signed(body_of(), now, identity="id-2"), body_of()
    forged = signed(body_of(), now, secret="t" * 43), body_of()
    long = signed("x" * (MAX_BODY_BYTES + 1), now), "x" * (MAX_BODY_BYTES + 1)
    assert post(looks, one, one, forged, long, another) == [200, 200, 401, 413, 200]
    assert looks.asked == ["bbc-news", "bbc-news"]


def test_what_could_not_be_started_is_asked_for_again() -> None:
    looks = _Looks(away=1)
    one = signed(body_of(), time.time()), body_of()
    assert post(looks, one, one, one) == [503, 200, 200]
    assert looks.asked == ["bbc-news"] * 2

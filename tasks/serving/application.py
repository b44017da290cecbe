"""The HTTP front of a line: MLflow's scoring protocol, health, metrics and feedback."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.errors import DataError
from tasks.serving.asking import ServedRequest
from tasks.serving.feedback import REQUEST_ID, REQUEST_ID_FORM, feedback_of
from tasks.serving.line_server import LineServer
from tasks.serving.recording import Recorder
from tasks.serving.request_records import RequestRecords
from tasks.serving.scoring_protocol import Row, rows_of
from tasks.serving.waiting_rows import (
    Answered,
    AnswerFailedError,
    QueueFullError,
    UnansweredError,
)
from tasks.task_types.row_shapes import shape_of

JSON_TYPE: Final = "application/json"
REQUEST_ID_HEADER: Final = "x-request-id"
VERSION_HEADER: Final = "x-model-version"
RETRY_AFTER_S: Final = 1
UTF8: Final = frozenset({"charset=utf-8", 'charset="utf-8"', ""})


class _RefusedError(Exception):
    """A request is refused with this status, MLflow's error code, and message."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def response(self) -> Response:
        """The answer that says so; where it may be sent again, when."""
        is_for_now = self.status == HTTPStatus.SERVICE_UNAVAILABLE
        headers = {"Retry-After": str(RETRY_AFTER_S)} if is_for_now else None
        content = {"error_code": self.code, "message": str(self)}
        return JSONResponse(content, self.status, headers)


class Application:
    """The routes of a served line.

    Args:
        server: that answers.
        recorder: that keeps requests and feedback.
        software: name and version of this program, for `/version`.

    """

    def __init__(self, server: LineServer, recorder: Recorder, software: str) -> None:
        self._server, self._recorder, self._software = server, recorder, software
        self._records = RequestRecords(recorder, server.metrics, server.settings.record.share)
        self.app = Starlette(
            routes=[
                Route("/invocations", self.invocations, methods=["POST"]),
                Route("/feedback", self.feedback, methods=["POST"]),
                Route("/ping", self.ping),
                Route("/health", self.health),
                Route("/version", self.version),
                Route("/metrics", self.metrics),
            ]
        )

    async def invocations(self, request: Request) -> Response:
        """Answer the rows of a request."""
        began, received_at = time.perf_counter(), datetime.now(UTC)
        try:
            request_id = _request_id(request)
            rows = await self._rows(request)
            asked = ServedRequest(request_id, rows, received_at, began)
            answered = await self._answers(asked)
        except _RefusedError as refused:
            self._server.metrics.requests.labels(str(refused.status.value)).inc()
            return refused.response()
        self._server.metrics.requests.labels("200").inc()
        headers = {REQUEST_ID_HEADER: request_id}
        if answered:
            headers[VERSION_HEADER] = str(answered[0].production.version)
        return JSONResponse({"predictions": [one.answer for one in answered]}, headers=headers)

    async def feedback(self, request: Request) -> Response:
        """Take the true labels of rows that were asked."""
        production = self._server.production
        try:
            body = await self._body(request)
            shape = shape_of(production.task_type)
            with _explained():
                given = feedback_of(body, shape, self._server.labels, datetime.now(UTC))
            self._check_room(len(given))
        except _RefusedError as refused:
            return refused.response()
        if not self._recorder.keep_feedback(given):
            return _unavailable("feedback cannot be kept: the store is away or slow").response()
        return JSONResponse({"accepted": len(given)}, HTTPStatus.ACCEPTED)

    async def ping(self, _request: Request) -> Response:
        """Whether requests are answered now; MLflow's health check."""
        is_up = self._server.health.ready
        status = HTTPStatus.OK if is_up else HTTPStatus.SERVICE_UNAVAILABLE
        return Response("\n", status, media_type=JSON_TYPE)

    async def health(self, _request: Request) -> Response:
        """Which version serves, and whether it is the one in production."""
        health = self._server.health
        status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": health.status, **asdict(health)}, status)

    async def version(self, _request: Request) -> Response:
        """Name and version of this program, as text."""
        return Response(self._software, media_type=JSON_TYPE)

    async def metrics(self, _request: Request) -> Response:
        """Everything that is counted, in Prometheus' text format."""
        metrics = self._server.metrics
        metrics.waiting.set(self._server.waiting_rows)
        metrics.ready.set(self._server.health.ready)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _rows(self, request: Request) -> list[Row]:
        _check_content_type(request)
        body = await self._body(request)
        with _explained():
            rows = rows_of(body, shape_of(self._server.production.task_type))
        most = self._server.settings.max_waiting_rows
        if len(rows) > most:
            raise _RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "BAD_REQUEST",
                f"the request has {len(rows)} rows; send at most {most} at once "
                "(setting serving.max_waiting_rows)",
            )
        return rows

    def _check_room(self, rows: int) -> None:
        most = self._server.settings.record.max_buffered_rows
        if rows > most:
            raise _RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "BAD_REQUEST",
                f"the request has feedback on {rows} rows; send at most {most} at once "
                "(setting serving.record.max_buffered_rows)",
            )

    async def _body(self, request: Request) -> bytes:
        most = self._server.settings.max_request_bytes
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _RefusedError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        "BAD_REQUEST",
                        f"the request has more than {most} bytes (setting "
                        "serving.max_request_bytes)",
                    )
        except ClientDisconnect as error:  # nobody reads the answer, but it is counted
            raise _RefusedError(
                HTTPStatus.BAD_REQUEST, "BAD_REQUEST", "the client hung up within its request"
            ) from error
        return bytes(body)

    async def _answers(self, request: ServedRequest) -> list[Answered]:
        try:
            return await self._server.answer(request, partial(self._records.keep, request))
        except QueueFullError as error:
            raise _unavailable(
                f"{self._server.waiting_rows} rows wait for the model, and at most "
                f"{self._server.settings.max_waiting_rows} may; try again"
            ) from error
        except UnansweredError as error:
            raise _unavailable(f"{error}; try again") from error
        except AnswerFailedError as error:
            raise _RefusedError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", str(error)
            ) from error


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what is wrong with a request into its refusal."""
    try:
        yield
    except DataError as error:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "BAD_REQUEST", str(error)) from error


def _unavailable(message: str) -> _RefusedError:
    return _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", message)


def _check_content_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    kind, *parameters = (part.strip().lower() for part in given.split(";"))
    if kind != JSON_TYPE or set(parameters) - UTF8:
        raise _RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "BAD_REQUEST",
            f"the Content-Type is {given!r}; right would be {JSON_TYPE}, in UTF-8",
        )


def _request_id(request: Request) -> str:
    """The sender's own, or a new one."""
    given = request.headers.get(REQUEST_ID_HEADER)
    if given is None:
        return uuid.uuid4().hex
    if not REQUEST_ID.fullmatch(given):
        raise _RefusedError(
            HTTPStatus.BAD_REQUEST,
            "BAD_REQUEST",
            f"X-Request-Id is {given[:80]!r}; right would be {REQUEST_ID_FORM}",
        )
    return given

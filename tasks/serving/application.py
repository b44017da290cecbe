"""The HTTP front of a line: MLflow's scoring protocol, health, metrics and feedback."""

import time
import uuid
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.errors import DataError
from tasks.serving.asking import ServedRequest
from tasks.serving.explaining import ExplainedTexts
from tasks.serving.feedback import REQUEST_ID, REQUEST_ID_FORM, feedback_of
from tasks.serving.joint_server import JointServer, TooManyAskedError
from tasks.serving.line_server import LineServer
from tasks.serving.recording import Recorder
from tasks.serving.request_records import RequestRecords
from tasks.serving.scoring_protocol import ReadRequest, named_columns, read_request
from tasks.serving.settings import EntitiesSettings
from tasks.serving.waiting_rows import (
    Answered,
    AnswerFailedError,
    QueueFullError,
    UnansweredError,
)
from tasks.task_types.labels.explained_numbers import why_no_explanation
from tasks.task_types.roles import RELATES_ENTITIES
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import Column, RowShape

JSON_TYPE: Final = "application/json"
REQUEST_ID_HEADER: Final = "x-request-id"
VERSION_HEADER: Final = "x-model-version"
ENTITIES_VERSION_HEADER: Final = "x-entities-version"
RETRY_AFTER_S: Final = 1
# A request of which entities are yet to be found.
TEXT_ALONE: Final = RowShape(
    task_type=RELATES_ENTITIES, columns=(Column("text", "text", is_input=True),),
    leading="micro_f1",
)  # fmt: skip
T = TypeVar("T")
NOT_EXPLAINED: Final = (
    "answers are not explained here: serving.explanations is not set; leave params out"
)
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


@dataclass(frozen=True)
class EntityFinder:
    """The tagging line that finds the entities of texts alone.

    Attributes:
        server: that answers for it.
        recorder: that keeps what it was asked, for that line.
        settings: which pairs of entities are asked.

    """

    server: LineServer
    recorder: Recorder
    settings: EntitiesSettings


class Application:
    """The routes of a served line.

    Args:
        server: that answers.
        recorder: that keeps requests and feedback.
        software: name and version of this program, for `/version`.
        finder: of relation extraction, the line that finds entities; None where a request marks
            them always.

    """

    def __init__(
        self,
        server: LineServer,
        recorder: Recorder,
        software: str,
        finder: EntityFinder | None = None,
    ) -> None:
        self._server, self._recorder, self._software = server, recorder, software
        self._records = _records_of(server, recorder)
        self._finder = finder
        self._joint = finder and JointServer(server, finder.server, finder.settings)
        self._found_records = finder and _records_of(finder.server, finder.recorder)
        self.app = Starlette(
            routes=[
                Route("/invocations", self.invocations, methods=["POST"]),
                Route("/feedback", self.feedback, methods=["POST"]),
                Route("/ping", self.ping),
                Route("/health", self.health),
                Route("/version", self.version),
                Route("/metrics", self.metrics),
                *([Route("/metrics/entities", self.entity_metrics)] if finder else ()),
            ]
        )

    async def invocations(self, request: Request) -> Response:
        """Answer the rows of a request."""
        began, received_at = time.perf_counter(), datetime.now(UTC)
        try:
            request_id = _request_id(request)
            body, shape, is_text = await self._asked(request)
            read = self._read(body, shape)
            asked = ServedRequest(request_id, read.rows, received_at, began)
            if is_text:
                return await self._found_and_classified(asked)
            with self._room_to_explain(read):
                answered = await self._answers(asked)
                told = await self._explanations(answered, read) if read.explain else {}
        except _RefusedError as refused:
            self._server.metrics.requests.labels(str(refused.status.value)).inc()
            return refused.response()
        self._server.metrics.requests.labels("200").inc()
        headers = {REQUEST_ID_HEADER: request_id}
        if answered:
            headers[VERSION_HEADER] = str(answered[0].production.version)
        content = {"predictions": [one.answer for one in answered], **told}
        return JSONResponse(content, headers=headers)

    async def _asked(self, request: Request) -> tuple[bytes, RowShape, bool]:
        """Body and shape of the rows of a request, and whether they are texts without entities."""
        _check_content_type(request)
        body = await self._body(request)
        shape = shape_of(self._server.production.task_type)
        if self._joint:
            marks = {name for entity in shape.entities for name in entity.names}
            with _explained():
                if not named_columns(body) & (marks - {shape.entities[0].text}):
                    return body, TEXT_ALONE, True
        return body, shape, False

    async def _found_and_classified(self, request: ServedRequest) -> Response:
        """Answer texts alone: their entities, and the relations between these."""
        assert self._joint  # noqa: S101 - asked of a server with a tagging line
        assert self._found_records  # noqa: S101 - likewise
        found = await self._explained_answers(
            self._joint.answer(request, self._records.keep, self._found_records.keep)
        )
        self._server.metrics.requests.labels("200").inc()
        headers = {
            REQUEST_ID_HEADER: request.id,
            VERSION_HEADER: str(found.relations.version),
            ENTITIES_VERSION_HEADER: str(found.entities.version),
        }
        content = {"predictions": list(found.predictions), "versions": found.versions}
        return JSONResponse(content, headers=headers)

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
        is_up = all(one.health.ready for one in self._servers)
        status = HTTPStatus.OK if is_up else HTTPStatus.SERVICE_UNAVAILABLE
        return Response("\n", status, media_type=JSON_TYPE)

    async def health(self, _request: Request) -> Response:
        """Which version serves, and whether it is the one in production."""
        health, *of_finder = (one.health for one in self._servers)
        is_up = all(one.ready for one in (health, *of_finder))
        status = HTTPStatus.OK if is_up else HTTPStatus.SERVICE_UNAVAILABLE
        content = {"status": health.status, **asdict(health)}
        for one in of_finder:
            content["entities"] = {"status": one.status, **asdict(one)}
        return JSONResponse(content, status)

    @property
    def _servers(self) -> list[LineServer]:
        return [self._server, *([self._finder.server] if self._finder else ())]

    async def version(self, _request: Request) -> Response:
        """Name and version of this program, as text."""
        return Response(self._software, media_type=JSON_TYPE)

    async def metrics(self, _request: Request) -> Response:
        """Everything that is counted, in Prometheus' text format."""
        return _counted(self._server)

    async def entity_metrics(self, _request: Request) -> Response:
        """The same of the tagging line that finds entities."""
        return _counted(self._servers[-1])

    def _read(self, body: bytes, shape: RowShape) -> ReadRequest:
        with _explained():
            read = read_request(body, shape, self._why_unexplained)
        settings = self._server.settings
        _check_rows(len(read.rows), settings.max_waiting_rows, "serving.max_waiting_rows")
        if read.explain and settings.explanations:
            most = settings.explanations.max_texts
            _check_rows(len(read.rows), most, "serving.explanations.max_texts")
        return read

    @property
    def _why_unexplained(self) -> str:
        """Why no answer is explained; empty where answers are."""
        if why := why_no_explanation(self._server.production.task_type):
            return why
        return "" if self._server.settings.explanations else NOT_EXPLAINED

    def _room_to_explain(self, read: ReadRequest) -> AbstractContextManager[None]:
        """A place among the texts that wait for their explanations, where a request asks for such.

        It is taken before an answer is asked: of a request that is refused nothing is recorded.
        """
        if not read.explain or not (texts := self._server.explained_texts):
            return nullcontext()
        return _place_for(len(read.rows), texts)

    async def _explanations(
        self, answered: Sequence[Answered], read: ReadRequest
    ) -> dict[str, Any]:
        """Fields of an answer that say why it was given; answers are not lost where they fail."""
        try:
            found: list[Any] = []
            if answered:
                found = await self._server.explain(answered[0].production, read.rows)
        except (AnswerFailedError, UnansweredError) as error:
            self._server.metrics.explained.labels("failed").inc(len(answered))
            return {"explanations": None, "not_explained": str(error)}
        self._server.metrics.explained.labels("explained").inc(len(answered))
        return {"explanations": found}

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
        return await self._explained_answers(
            self._server.answer(request, partial(self._records.keep, request))
        )

    async def _explained_answers(self, answers: Awaitable[T]) -> T:
        """What the models say, or why they do not."""
        try:
            return await answers
        except TooManyAskedError as error:
            raise _RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BAD_REQUEST", str(error)
            ) from error
        except QueueFullError as error:
            full = max(
                self._servers, key=lambda one: one.waiting_rows / one.settings.max_waiting_rows
            )
            raise _unavailable(
                f"{full.waiting_rows} rows wait for a model, and at most "
                f"{full.settings.max_waiting_rows} may; try again"
            ) from error
        except UnansweredError as error:
            raise _unavailable(f"{error}; try again") from error
        except AnswerFailedError as error:
            raise _RefusedError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", str(error)
            ) from error


def _records_of(server: LineServer, recorder: Recorder) -> RequestRecords:
    return RequestRecords(recorder, server.metrics, server.settings.record.share)


def _counted(server: LineServer) -> Response:
    metrics = server.metrics
    metrics.waiting.set(server.waiting_rows)
    metrics.ready.set(server.health.ready)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what is wrong with a request into its refusal."""
    try:
        yield
    except DataError as error:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "BAD_REQUEST", str(error)) from error


@contextmanager
def _place_for(count: int, texts: ExplainedTexts) -> Iterator[None]:
    """Room for a request's texts, or its refusal."""
    with ExitStack() as stack:
        try:
            stack.enter_context(texts.room_for(count))
        except QueueFullError as error:
            raise _unavailable(
                f"{texts.waiting} texts wait for their explanations, and at most {texts.most} may; "
                "try again"
            ) from error
        yield


def _check_rows(rows: int, most: int, setting: str) -> None:
    if rows > most:
        raise _RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "BAD_REQUEST",
            f"the request has {rows} rows; send at most {most} at once (setting {setting})",
        )


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

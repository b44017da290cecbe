"""A real HTTP proxy in front of a real server, which answers otherwise where a rule says so."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.http_servers import answering

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}
ERROR_BODY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code>'
    b"<Message>We encountered an internal error. Please try again.</Message></Error>"
)


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str  # without its query, decoded
    query: str


@dataclass(frozen=True)
class Answer:
    """What it gets. `promised_bytes` is the Content-Length, where it is not that of the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    promised_bytes: int | None = None

    def with_status(self, status: int) -> "Answer":
        return replace(self, status=status, body=b'{"error_code": "INTERNAL_ERROR"}')

    def with_error_body(self) -> "Answer":
        headers = tuple(h for h in self.headers if h[0].lower() not in {"etag", "content-type"})
        return replace(self, headers=(*headers, ("Content-Type", "application/xml")),
                       body=ERROR_BODY)  # fmt: skip

    def half(self, *, honest: bool) -> "Answer":
        """The first half, with its own length or with that of the whole."""
        promised = None if honest else len(self.body)
        return replace(self, body=self.body[: len(self.body) // 2], promised_bytes=promised)


Rule = Callable[[Request, Callable[[], Answer]], Answer]


def pass_on(_: Request, forward: Callable[[], Answer]) -> Answer:
    return forward()


@dataclass
class Proxy:
    """`rule` may forward a request or not, and answers it."""

    url: str
    rule: Rule = pass_on
    seen: list[Request] = field(default_factory=list)


@contextmanager
def proxy_of(  # noqa: C901 - one handler, written where it sees the proxy
    target: str,
) -> Iterator[Proxy]:
    """Run a proxy of a server on a port of its own."""
    where = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            request = Request(self.command, unquote(parts.path), parts.query)
            proxy.seen.append(request)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                body = self.read_chunks()

            def forward() -> Answer:
                link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
                # The host stays as it was signed.
                link.request(self.command, self.path, body, headers)
                got = link.getresponse()
                kept = tuple(h for h in got.getheaders() if h[0].lower() not in HOP_BY_HOP)
                length = got.getheader("Content-Length")
                content = got.read()
                link.close()
                head = self.command == "HEAD" and length
                return Answer(got.status, kept, content, int(length) if head else None)

            told = proxy.rule(request, forward)
            self.send_response(told.status)
            for name, value in told.headers:
                self.send_header(name, value)
            length = len(told.body) if told.promised_bytes is None else told.promised_bytes
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(told.body)
            if self.command != "HEAD" and length != len(told.body):
                self.close_connection = True

        def read_chunks(self) -> bytes:
            content = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    with answering(server):
        yield proxy

"""A mail server and a chat that take a message's secret and refuse the message."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, TCPServer
from typing import NamedTuple

from tests.http_servers import answering

LOCAL = ("127.0.0.1", 0)


class Refusing(NamedTuple):
    """The two servers.

    Attributes:
        mail_port: of the one that speaks SMTP.
        chat_port: of the one that speaks HTTP.
        logins: what the mail server was sent as a login, in base64.
        paths: that the chat was asked for.

    """

    mail_port: int
    chat_port: int
    logins: list[bytes]
    paths: list[str]


@contextmanager
def refusing_servers() -> Iterator[Refusing]:
    """Both, until the block ends."""
    logins: list[bytes] = []
    paths: list[str] = []

    class Mail(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mail.example.org\r\n")
            while line := self.rfile.readline().strip():
                verb = line.split()[0].upper()
                if verb == b"AUTH":
                    logins.append(line)
                said = {
                    b"EHLO": b"250-mail.example.org\r\n250 AUTH PLAIN LOGIN",
                    b"AUTH": b"535 5.7.8 not let in",
                    b"QUIT": b"221 bye",
                }.get(verb, b"250 ok")
                self.wfile.write(said + b"\r\n")

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.rfile.read(int(self.headers["content-length"] or 0))
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with answering(TCPServer(LOCAL, Mail)) as mail, answering(HTTPServer(LOCAL, Chat)) as chat:
        yield Refusing(int(mail.server_address[1]), chat.server_port, logins, paths)

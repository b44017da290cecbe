"""A real Chromium without a window, driven over its DevTools protocol."""

import base64
import itertools
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_S = 60.0


class Page:
    """One page of the browser."""

    def __init__(self, socket_: ClientConnection) -> None:
        self._socket = socket_
        self._ids = itertools.count(1)

    def send(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol, and return its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, address: str) -> None:
        """Go to an address."""
        self.send("Page.navigate", url=address)

    def ask(self, script: str) -> Any:
        """The value of an expression on the page; None while a new page loads."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    @property
    def words(self) -> str:
        """What a person reads there."""
        return str(self.ask("document.body ? document.body.innerText : ''") or "")

    def wait_for(self, words: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until words stand on the page."""
        self.until(f"document.body && document.body.innerText.includes({json.dumps(words)})",
                   patience_s)  # fmt: skip

    def until(self, script: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until an expression is true on the page."""
        deadline = time.monotonic() + patience_s
        while not self.ask(script):
            assert time.monotonic() < deadline, f"{script}\nof a page that says:\n{self.words}"
            time.sleep(0.2)

    def click(self, element: str) -> None:
        """Click in the middle of an element, given as an expression, once it is there."""
        self.until(f"!!({element})")
        self.ask(f"({element}).scrollIntoView({{block: 'center'}})")
        time.sleep(0.3)
        box = json.loads(self.ask(f"JSON.stringify(({element}).getBoundingClientRect())"))
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def write(self, text: str) -> None:
        """Type text where the cursor is."""
        self.send("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Keep what is seen as a PNG file."""
        shot = self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


def with_words(selector: str, words: str) -> str:
    """The first visible element of a selector whose text is these words, as an expression."""
    return (
        f"[...document.querySelectorAll({json.dumps(selector)})].find(e => e.offsetParent && "
        f"e.innerText.trim() === {json.dumps(words)})"
    )


@contextmanager
def browser(profile: Path, width: int = 1360, height: int = 1000) -> Iterator[Page]:
    """A browser of its own, with one page."""
    assert CHROMIUM
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={profile}", f"--remote-debugging-port={port}",
            f"--window-size={width},{height}", "about:blank",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with connect(_page_of(port), max_size=None) as socket_:
            yield Page(socket_)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _page_of(port: int) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
                pages = [one for one in json.load(answer) if one["type"] == "page"]
                return str(pages[0]["webSocketDebuggerUrl"])
        except (OSError, urllib.error.URLError, IndexError):
            assert time.monotonic() < deadline, "the browser does not start"
            time.sleep(0.2)

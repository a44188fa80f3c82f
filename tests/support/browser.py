"""A headless Chromium, driven through the DevTools protocol over pipes: no port, no driver, no package.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_MAX_WAIT_SECONDS = 60.0


def chromium() -> str | None:
    """Where Chromium is, if it is installed."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


class Browser:
    """One page of a Chromium, and what it said on its console."""

    def __init__(self, *, commands: int, answers: int) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._commands, self._answers = commands, answers
        self._received = b""
        self._last = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        # Whatever runs that should not, calls alert: it must be seen on any page, from the first moment.
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source="window.alerts = []; window.alert = (text) => window.alerts.push(String(text));",
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Returns what the browser answers to a command of the protocol."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._last:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            self._note(message)

    def evaluate(self, expression: str) -> Any:
        """Returns the value of an expression, a promise's once it is settled."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Loads a file, in a window of that size."""
        self.complaints.clear()
        self.requests.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.as_uri())
        self.wait_for("document.readyState === 'complete'")

    def wait_for(self, condition: str) -> None:
        """Returns once the expression is true."""
        deadline = time.monotonic() + _MAX_WAIT_SECONDS
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """Presses the mouse button in the middle of an element."""
        # Two frames later what was scrolled is where the mouse finds it.
        x, y = self.evaluate(
            f"(async (found) => {{ found.scrollIntoView({{block: 'nearest'}});"
            "for (const frame of [1, 2]) await new Promise(requestAnimationFrame);"
            "const box = found.getBoundingClientRect();"
            f"return [box.x + box.width / 2, box.y + box.height / 2]; }})({_element(selector)})"
        )
        for type_ in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=type_, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Types where the focus is."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, *, code: int = 0, text: str = "") -> None:
        """Presses a key where the focus is."""
        for type_ in ("keyDown", "keyUp"):
            produced = {"text": text} if text and type_ == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=type_, key=key, windowsVirtualKeyCode=code, **produced)

    def screenshot(self, path: Path) -> None:
        """Keeps a picture of the window."""
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def printed(self) -> bytes:
        """The page as it would be printed: a PDF."""
        answer = self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        return base64.b64decode(answer["data"])

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _MAX_WAIT_SECONDS
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the browser has been silent for {_MAX_WAIT_SECONDS:.0f} s"
            received = os.read(self._answers, 1 << 20)
            assert received, "the browser has gone"
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, message: dict[str, Any]) -> None:
        about = message.get("params", {})
        match message["method"]:
            case "Runtime.exceptionThrown":
                self.complaints.append(str(about["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning"):
                self.complaints.append(str(about["args"]))
            case "Log.entryAdded":
                self.complaints.append(about["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """Starts Chromium with a profile of its own, and ends it."""
    command_end, commands = _pipe()
    answers, answer_end = _pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Chromium reads commands from descriptor 3 and answers on 4.
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$0" "$@" 3<&{command_end} 4>&{answer_end} {command_end}<&- {answer_end}>&-',
                path,
                *_FLAGS,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(command_end, answer_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_end)
        os.close(answer_end)
        try:
            yield Browser(commands=commands, answers=answers)
        finally:
            # It ends by itself once its commands end.
            os.close(commands)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(answers)


def _element(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


def _pipe() -> tuple[int, int]:
    """A pipe with descriptors that are out of the way of 3 and 4."""
    low = os.pipe()
    reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return reader, writer

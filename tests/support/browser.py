"""A headless Chromium, driven through the DevTools protocol over pipes: no port, no driver.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The one that the Makefile sets up, with its libraries and fonts: it needs nothing but glibc.
_FOLDER = Path(__file__).parents[1] / "browser/node_modules/.chromium"
_PACKAGED = _FOLDER / "chromium"
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
    """Return the path of the Makefile's Chromium, or of an installed one, if there is any."""
    return next((path for path in map(shutil.which, (str(_PACKAGED), *_NAMES)) if path), None)


class Browser:
    """One page of Chromium.

    Attributes:
        complaints: The errors and warnings of the page's scripts.
        requests: The URLs that it requested.
    """

    def __init__(self, *, commands: int, responses: int) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._commands, self._responses = commands, responses
        self._received = b""
        self._last_command_id = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        # Injected scripts of the tests call alert: record the calls on every page, from the start.
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source="window.alerts = []; window.alert = (text) => window.alerts.push(String(text));",
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the browser's response to a command of the protocol."""
        self._last_command_id += 1
        command = {"id": self._last_command_id, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next_message()
            if message.get("id") == self._last_command_id:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            self._record_event(message)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression; wait if it is a promise."""
        response = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in response, response["exceptionDetails"]
        return response["result"].get("value")

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file in a window of a size, on a phone if the window is as narrow as one."""
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
        """Wait until an expression is true."""
        deadline = time.monotonic() + _MAX_WAIT_SECONDS
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, f"not true in time: {condition}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        # The element is at its new position only two frames after scrolling.
        x, y = self.evaluate(
            f"(async (found) => {{ found.scrollIntoView({{block: 'nearest'}});"
            "for (const frame of [1, 2]) await new Promise(requestAnimationFrame);"
            "const box = found.getBoundingClientRect();"
            f"return [box.x + box.width / 2, box.y + box.height / 2]; }})({_element(selector)})"
        )
        for type_ in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=type_, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type a text into the focused element."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Save a picture of the window."""
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _next_message(self) -> dict[str, Any]:
        """Wait for the browser's next message, and return it; messages end with a zero byte."""
        deadline = time.monotonic() + _MAX_WAIT_SECONDS
        while b"\0" not in self._received:
            ready, _, _ = select.select(
                [self._responses], [], [], max(0, deadline - time.monotonic())
            )
            assert ready, f"no message from the browser for {_MAX_WAIT_SECONDS:.0f} s"
            received = os.read(self._responses, 1 << 20)
            assert received, "the browser has exited"
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        return dict(json.loads(message))

    def _record_event(self, message: dict[str, Any]) -> None:
        """Record what the page complained of or requested, if an event of the browser says so."""
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
    """Start Chromium with a new profile; terminate it at the end."""
    command_end, commands = _pipe()
    responses, response_end = _pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Chromium reads commands from descriptor 3 and writes responses to 4.
        redirections = f"3<&{command_end} 4>&{response_end} {command_end}<&- {response_end}>&-"
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$0" "$@" {redirections}',
                path,
                *_FLAGS,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(command_end, response_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(path),
        )
        os.close(command_end)
        os.close(response_end)
        try:
            yield Browser(commands=commands, responses=responses)
        finally:
            # It exits by itself when the pipe of commands is closed.
            os.close(commands)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(responses)


def _environment(path: str) -> dict[str, str]:
    """Return the variables of the browser.

    The one that the Makefile installs brings its own libraries and fonts.
    """
    if path != str(_PACKAGED):
        return dict(os.environ)
    return {**os.environ, "LD_LIBRARY_PATH": str(_FOLDER / "lib"), "FONTCONFIG_PATH": str(_FOLDER)}


def _element(selector: str) -> str:
    """Return the JavaScript that finds the element of a CSS selector."""
    return f"document.querySelector({json.dumps(selector)})"


def _pipe() -> tuple[int, int]:
    """Return a pipe whose descriptors are neither 3 nor 4."""
    pipe = os.pipe()
    # Descriptors from 10 on are free: the browser needs 3 and 4 for itself.
    reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipe)
    for end in pipe:
        os.close(end)
    return reader, writer

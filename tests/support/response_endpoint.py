"""An HTTP endpoint for a custom resource's response, which can misbehave."""

import atexit
import functools
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from local_aws.emulation.server import serving_in_thread

SIGNATURE = "X-Amz-Signature=secret"
_MAX_RESPONSE_BYTES = 4096
_SLOW_SECONDS = 30.0


class Behavior(StrEnum):
    """What the endpoint does with one PUT."""

    ACCEPT = "accept"
    REFUSE = "403"
    SERVER_ERROR = "500"
    RESET = "reset"
    HANG = "hang"


@dataclass(kw_only=True)
class ResponseEndpoint:
    """The pre-signed URLs of all requests, and what was put there.

    Attributes:
        port: The port on 127.0.0.1.
        responses: The accepted responses by request ID, in order.
        behaviors: What to do with the next PUTs; after that they are accepted.
        attempts: How many PUTs there were.
    """

    port: int
    responses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    behaviors: deque[Behavior] = field(default_factory=deque)
    attempts: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def url(self, request_id: str) -> str:
        """Return the pre-signed URL of a request."""
        return f"http://127.0.0.1:{self.port}/{request_id}?{SIGNATURE}"

    def take(self, request_id: str) -> list[dict[str, Any]]:
        """Return the responses to a request, and forget them."""
        return self.responses.pop(request_id, [])

    def misbehave(self, *behaviors: Behavior) -> None:
        """Have the next PUTs go wrong."""
        self.behaviors.extend(behaviors)

    def accept(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Take a response as CloudFormation does."""
        parts = urlsplit(path)
        assert parts.query == SIGNATURE, "the signature"
        assert headers.get("Content-Type", "") == "", "the URL is signed for no content type"
        assert len(body) <= _MAX_RESPONSE_BYTES, "Response object is too long."
        self.responses.setdefault(parts.path.lstrip("/"), []).append(json.loads(body))


@functools.cache
def shared_endpoint() -> ResponseEndpoint:
    """Return an endpoint that accepts everything; served as long as this process lives."""
    context = response_endpoint()
    atexit.register(context.__exit__, None, None, None)
    return context.__enter__()


@contextmanager
def response_endpoint() -> Iterator[ResponseEndpoint]:
    """Serve the endpoint on a free port of 127.0.0.1."""

    class Put(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            """Respond to a PUT as the next of the behaviors says; by default accept it."""
            endpoint.attempts += 1
            behavior = endpoint.behaviors.popleft() if endpoint.behaviors else Behavior.ACCEPT
            body = self.rfile.read(int(self.headers["Content-Length"]))
            match behavior:
                case Behavior.RESET:
                    # Closed with no linger, a connection is reset.
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    self.close_connection = True
                    return
                case Behavior.HANG:
                    endpoint._ended.wait(_SLOW_SECONDS)
                    return
                case Behavior.ACCEPT:
                    endpoint.accept(self.path, dict(self.headers), body)
                    status = 200
                case _:
                    status = int(behavior)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Put)
    server.daemon_threads = True
    endpoint = ResponseEndpoint(port=server.server_port)
    with serving_in_thread(server):
        yield endpoint
        endpoint._ended.set()

"""The server of the emulated organization: the AWS APIs and the control API over HTTP."""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from socketserver import BaseServer
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from local_aws.session_token import find_refusal

from .control import CONTROL_PATH, HEALTH_PATH, respond_to_control
from .extension import extend_moto
from .local import LocalOrganization

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LOOPBACK = "127.0.0.1"
_ANY_FREE_PORT = 0
_BACKLOG = 128
_SHUTDOWN_POLL_SECONDS = 0.05


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc]
    """A request handler that logs errors only."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing for a request that succeeded."""


class _Application:
    """The WSGI application: the control API and moto."""

    def __init__(self, organization: LocalOrganization, *, session_token: str) -> None:
        self._organization = organization
        self._session_token = session_token
        self._aws: WSGIApplication = DomainDispatcherApplication(create_backend_app)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = Request(environ)
        if request.path == HEALTH_PATH:
            return Response()(environ, start_response)
        refusal = find_refusal(
            query=request.query_string.decode("latin-1"),
            headers={name.lower(): value for name, value in request.headers.items()},
            session_token=self._session_token,
        )
        if refusal is not None:
            content_type, body = refusal.body(request_type=request.mimetype)
            response = Response(body, status=refusal.status, content_type=content_type)
            return response(environ, start_response)
        if request.path == CONTROL_PATH:
            status, body = respond_to_control(self._organization, request.get_data())
            return Response(body, status=status, mimetype="application/json")(
                environ, start_response
            )
        return self._aws(environ, start_response)


@contextmanager
def organization_server(
    *, port: int = _ANY_FREE_PORT, session_token: str = ""
) -> Iterator[tuple[BaseWSGIServer, LocalOrganization]]:
    """Create a server for the emulated organization, bound but not yet serving.

    Args:
        port: The port to listen on; default: a free one.
        session_token: What the token of each caller begins with.

    Yields:
        The server and the handle on the organization.
    """
    with (
        extend_moto(),
        socket.create_server((_LOOPBACK, port), backlog=_BACKLOG) as listener,
    ):
        bound_port: int = listener.getsockname()[1]
        url = f"http://{_LOOPBACK}:{bound_port}"
        organization = LocalOrganization(url=url, session_token=session_token)
        organization.reset()
        server = make_server(
            _LOOPBACK,
            bound_port,
            _Application(organization, session_token=session_token),
            threaded=True,
            request_handler=_RequestHandler,
            fd=listener.fileno(),
        )
        try:
            yield server, organization
        finally:
            server.server_close()


@contextmanager
def serve_organization(*, session_token: str = "") -> Iterator[LocalOrganization]:
    """Serve the emulated organization from a thread of this process, on a free port.

    Args:
        session_token: What the token of each caller begins with.

    Yields:
        The handle, whose clients call over HTTP; its ``url`` is the server's.
    """
    with (
        organization_server(session_token=session_token) as (server, organization),
        serving_in_thread(server),
    ):
        yield organization


@contextmanager
def serving_in_thread(server: BaseServer) -> Iterator[None]:
    """Serve from a thread of this process, and close the server at the end."""
    thread = threading.Thread(
        target=server.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

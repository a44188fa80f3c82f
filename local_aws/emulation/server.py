"""The server of the emulated organization: the AWS APIs and the control API over HTTP."""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hmac import compare_digest
from io import BytesIO
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from local_aws.signatures import Refusal, find_refusal

from .accounts import DEFAULT_SECRET_ACCESS_KEY, issue_secret_access_key
from .control import CONTROL_PATH, HEALTH_PATH, authorization, respond_to_control
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

    def __init__(self, organization: LocalOrganization, *, secret_access_key: str) -> None:
        self._organization = organization
        self._secret_access_key = secret_access_key
        self._aws: WSGIApplication = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        if request.path == HEALTH_PATH:
            return Response()(environ, start_response)
        if request.path == CONTROL_PATH:
            return self._control(request)(environ, start_response)
        refusal = self._refusal(request)
        if refusal is not None:
            content_type, body = refusal.body(request_type=request.mimetype)
            response = Response(body, status=refusal.status, content_type=content_type)
            return response(environ, start_response)
        return self._aws(environ, start_response)

    def _refusal(self, request: Request) -> Refusal | None:
        body = request.get_data()
        # The stream was read to its end.
        request.environ["wsgi.input"] = BytesIO(body)
        path, _, query = request.environ["REQUEST_URI"].partition("?")
        return find_refusal(
            method=request.method,
            path=path,
            query=query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            secret_access_key=self._secret_access_key,
        )

    def _control(self, request: Request) -> Response:
        # A web page cannot send this type to another origin without a preflight request.
        if request.method != "POST" or request.mimetype != "application/json":
            return Response("Expected a POST of application/json.", status=415)
        header, expected = request.headers.get("Authorization", ""), authorization(self._secret_access_key)
        if "Origin" in request.headers or not compare_digest(header.encode(), expected.encode()):
            return Response("Expected the secret access key of this local AWS.", status=403)
        status, body = respond_to_control(self._organization, request.get_data())
        return Response(body, status=status, mimetype="application/json")


@contextmanager
def organization_server(
    *, port: int = _ANY_FREE_PORT, secret_access_key: str = DEFAULT_SECRET_ACCESS_KEY
) -> Iterator[tuple[BaseWSGIServer, LocalOrganization]]:
    """Create a server for the emulated organization, bound but not yet serving.

    Args:
        port: The port to listen on; default: a free one.
        secret_access_key: What all callers sign with.

    Yields:
        The server and the handle on the organization.
    """
    with (
        extend_moto(),
        issue_secret_access_key(secret_access_key),
        socket.create_server((_LOOPBACK, port), backlog=_BACKLOG) as listener,
    ):
        bound_port: int = listener.getsockname()[1]
        url = f"http://{_LOOPBACK}:{bound_port}"
        organization = LocalOrganization(url=url, secret_access_key=secret_access_key)
        server = make_server(
            _LOOPBACK,
            bound_port,
            _Application(organization, secret_access_key=secret_access_key),
            threaded=True,
            request_handler=_RequestHandler,
            fd=listener.fileno(),
        )
        try:
            yield server, organization
        finally:
            server.server_close()


@contextmanager
def serve_organization(*, secret_access_key: str = DEFAULT_SECRET_ACCESS_KEY) -> Iterator[LocalOrganization]:
    """Serve the emulated organization from a thread of this process, on a free port.

    Args:
        secret_access_key: What all callers sign with.

    Yields:
        The handle, whose clients call over HTTP; its ``url`` is the server's.
    """
    with organization_server(secret_access_key=secret_access_key) as (server, organization):
        thread = threading.Thread(
            target=server.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), name="organization-server"
        )
        thread.start()
        try:
            yield organization
        finally:
            server.shutdown()
            thread.join()

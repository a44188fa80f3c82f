"""The clients of functions and command line: whom they trust, and whose models they read."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import SSLError
from werkzeug.serving import make_ssl_devcert

from aws_calls.failures import CallError, FailureKind, call_errors
from aws_calls.runtime import new_client, new_session
from local_aws.emulation.server import serving_in_thread

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Account>111111111111</Account></GetCallerIdentityResult>
</GetCallerIdentityResponse>"""


class Responding(BaseHTTPRequestHandler):
    """Responds as STS does, and to one request a connection."""

    def do_POST(self) -> None:
        """Answer any call as GetCallerIdentity."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(IDENTITY)))
        self.end_headers()
        self.wfile.write(IDENTITY)

    def do_CONNECT(self) -> None:
        """Connect the client with the server that it names, as a proxy does."""
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as server:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=relay, args=(server, self.connection), daemon=True)
            back.start()
            relay(self.connection, server)
            back.join()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """Says nothing about clients that do not trust it."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent."""


def relay(source: socket.socket, target: socket.socket) -> None:
    """Send on what a connection receives, until its end."""
    # Either side may be gone.
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@dataclass
class Tls:
    """A service over TLS.

    Attributes:
        authority: The file with the authority of its certificate.
        loads: The files with authorities that clients have read.
    """

    authority: Path
    loads: list[str] = field(default_factory=list)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1, over TLS if there is a context."""
    server = Server(("127.0.0.1", 0), Responding)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    with serving_in_thread(server):
        yield server.server_port


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Tls]:
    """STS over TLS on this machine, which clients trust by AWS_CA_BUNDLE."""
    authority, key = make_ssl_devcert(str(tmp_path / "service"), host="localhost")
    service = Tls(Path(authority))

    def note_and_load(context: ssl.SSLContext, cafile: Any = None, *others: Any) -> None:
        """Note from which file authorities are read, which takes long, and read them."""
        service.loads.append(str(cafile))
        super(ssl.SSLContext, context).load_verify_locations(cafile, *others)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", note_and_load)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, key)
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CA_BUNDLE", authority)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111111111111")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with serving(context) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{port}")
        yield service


def sts() -> Any:
    """Return a client of the service, as the functions create theirs."""
    return new_client(new_session(), "sts", region="us-east-1")


def test_authorities_are_read_once_by_all_clients_of_a_process(tls: Tls) -> None:
    clients = [sts(), sts(), sts()]
    with ThreadPoolExecutor() as pool:
        identities = list(pool.map(lambda client: client.get_caller_identity(), clients * 4))
    assert {identity["Account"] for identity in identities} == {"111111111111"}
    assert tls.loads == [str(tls.authority)]


@pytest.mark.parametrize(
    ("file", "reason"),
    [("other.crt", "CERTIFICATE_VERIFY_FAILED"), ("missing.crt", "No such file")],
    ids=["another authority", "no file"],
)
def test_no_service_is_called_whose_authority_is_not_in_the_file(
    tls: Tls, monkeypatch: pytest.MonkeyPatch, file: str, reason: str
) -> None:
    # A client that trusts the service does not let another one trust it.
    sts().get_caller_identity()
    make_ssl_devcert(str(tls.authority.with_name("other")), host="localhost")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tls.authority.with_name(file)))
    client = sts()
    for _ in range(2):
        with pytest.raises(SSLError, match=reason):
            client.get_caller_identity()


def test_calls_through_a_proxy_verify_the_service_behind_it(
    tls: Tls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert sts().get_caller_identity()["Account"] == "111111111111"
        other, _ = make_ssl_devcert(str(tmp_path / "other"), host="localhost")
        monkeypatch.setenv("AWS_CA_BUNDLE", other)
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            sts().get_caller_identity()


def test_a_proxy_that_is_not_trusted_is_refused_for_its_certificate(
    tls: Tls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own, key = make_ssl_devcert(str(tmp_path / "proxy"), host="localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    with serving(context) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{port}")
        with (
            pytest.raises(CallError, match="CERTIFICATE_VERIFY_FAILED") as raised,
            call_errors("sts:GetCallerIdentity"),
        ):
            sts().get_caller_identity()
    assert raised.value.failure.kind is FailureKind.REFUSED


@pytest.mark.parametrize("name", ["_endpoint", "_manager", "_verify"])
def test_an_sdk_with_other_private_names_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    client = Mock()
    # One of the names that are looked for is missing.
    for part in (client, client._endpoint.http_session):
        delattr(part, name)
    monkeypatch.setattr("botocore.session.Session.create_client", Mock(return_value=client))
    assert sts() is client


def test_the_sessions_of_a_process_share_the_models_of_services() -> None:
    first, second = new_session(), new_session()
    assert first.get_component("data_loader") is second.get_component("data_loader")


def test_signing_in_and_models_of_ones_own_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "models" / "own" / "2026-01-01"
    own.mkdir(parents=True)
    (own / "service-2.json").write_text(
        json.dumps({"metadata": {"serviceId": "Own"}, "operations": {}})
    )
    monkeypatch.setenv("AWS_DATA_PATH", str(own.parents[1]))
    session = new_session()
    for service in ("sso", "sso-oidc", "own"):
        assert session.get_service_model(service).service_name == service

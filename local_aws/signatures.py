"""Whether a request was signed with the secret of this run, which web pages and other users do not know.

MiniStack's process imports this module without the emulation, and with it moto.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from http.client import HTTPMessage
from typing import Any, cast
from urllib.parse import SplitResult, parse_qs
from xml.sax.saxutils import escape

from botocore.auth import HmacV1Auth
from botocore.credentials import Credentials
from ministack.core.sigv4 import header_signature_failure, parse_header_signature, parse_query_signature

_SIGNATURE_PARAMETER = "X-Amz-Signature"
_ACCESS_KEY_PARAMETER_OF_VERSION_2 = "AWSAccessKeyId"
_OTHER_SECRET = "The request was not signed with this local AWS's AWS_SECRET_ACCESS_KEY, new in each run."


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        code: AWS's error code.
        message: The reason in words.
    """

    code: str
    message: str

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 403

    def body(self, *, request_type: str) -> tuple[str, bytes]:
        """Return the content type and the content of the response, as the SDKs read it.

        Args:
            request_type: The content type of the request.
        """
        if "json" in request_type:
            error = json.dumps({"__type": self.code, "message": self.message})
            return "application/x-amz-json-1.1", error.encode()
        # It names what was asked for: a key of S3 may have any character.
        error = f"<Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
        if request_type.startswith("application/x-www-form-urlencoded"):
            error = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
        else:
            error = f"<Error>{error}</Error>"
        return "text/xml", error.encode()


def find_refusal(
    *, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, secret_access_key: str
) -> Refusal | None:
    """Return why a request is refused, or None if it may pass.

    Args:
        method: The HTTP method.
        path: The path as it was sent.
        query: The query string as it was sent.
        headers: The headers, with names in lower case.
        body: The body.
        secret_access_key: The secret of this run.
    """
    # A browser adds it to each request that a page sends to another address.
    if "origin" in headers:
        return Refusal(code="AccessDenied", message="The local AWS takes no requests of web pages.")
    parameters = parse_qs(query, keep_blank_values=True)
    if _ACCESS_KEY_PARAMETER_OF_VERSION_2 in parameters:
        expected = _signature_of_version_2(
            method, path, query, headers=headers, parameters=parameters, secret_access_key=secret_access_key
        )
        matches = compare_digest(expected.encode(), parameters.get("Signature", [""])[0].encode())
        return None if matches else Refusal(code="SignatureDoesNotMatch", message=_OTHER_SECRET)
    presigned = _SIGNATURE_PARAMETER in parameters
    if not presigned and "authorization" not in headers:
        return Refusal(
            code="MissingAuthenticationToken",
            message="The local AWS takes signed requests only, with the credentials that it printed.",
        )
    signature = parse_query_signature(parameters) if presigned else parse_header_signature(headers)
    if isinstance(signature, tuple):
        return Refusal(code=signature[0], message="The signature is incomplete.")
    failure = header_signature_failure(
        signature, secret_access_key, method, path, parameters, headers, body, presigned=presigned
    )
    if failure is None:
        return None
    return Refusal(code=failure[0], message=_OTHER_SECRET)


class _QuerySigner(HmacV1Auth):
    """Signature version 2 of a presigned S3 request, which boto3 uses where nothing else is set."""

    def __init__(self, *, secret_access_key: str, expires: str) -> None:
        super().__init__(Credentials(access_key="", secret_key=secret_access_key))
        self._expires = expires

    def _get_date(self) -> str:
        return self._expires


def _signature_of_version_2(
    method: str,
    path: str,
    query: str,
    *,
    headers: Mapping[str, str],
    parameters: Mapping[str, list[str]],
    secret_access_key: str,
) -> str:
    signed_headers = HTTPMessage()
    for name, value in headers.items():
        signed_headers[name] = value
    for token in parameters.get("x-amz-security-token", []):
        signed_headers["x-amz-security-token"] = token
    signer = _QuerySigner(secret_access_key=secret_access_key, expires=parameters.get("Expires", [""])[0])
    # botocore reads it as an HTTPMessage, which its stubs take for a mapping.
    return str(
        signer.get_signature(method, SplitResult("", "", path, query, ""), cast("Any", signed_headers))
    )

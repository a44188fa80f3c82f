"""The session token of this run, without which a request is refused; web pages do not know it.

A session's own token begins with it. MiniStack's process imports this module without the emulation
and moto.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

HEADER = "x-amz-security-token"
# In the token of a root session, between that of the run and its own part.
ROOT_SESSION = "/root-session/"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The reason for which a request is refused.

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


def find_refusal(*, query: str, headers: Mapping[str, str], session_token: str) -> Refusal | None:
    """Return why a request is refused, or None if it may pass.

    Args:
        query: The query string, where a presigned request has its token.
        headers: The headers, with names in lower case.
        session_token: The token of this run.
    """
    # A browser adds it to each request that a page sends to another address.
    if "origin" in headers:
        return Refusal(code="AccessDenied", message="The local AWS takes no requests of web pages.")
    presigned = {name.lower(): value for name, value in parse_qsl(query)}
    given = run_token(headers.get(HEADER, presigned.get(HEADER)))
    if compare_digest(given.encode(), session_token.encode()):
        return None
    message = "The request does not have this local AWS's AWS_SESSION_TOKEN, new in each run."
    return Refusal(code="InvalidClientTokenId", message=message)


def run_token(session_token: str | None) -> str:
    """Return the token of the run, with which each session's token begins."""
    return (session_token or "").partition("/")[0]

"""The denials of S3, SQS and Security Hub; moto does everything that it is asked for."""

from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from moto.securityhub.exceptions import SecurityHubClientError
from moto.securityhub.models import SecurityHubBackend
from moto.sqs.responses import SQSResponse

from .authorization import root_session_denial
from .errors import AwsError
from .requests import HttpResponse, security_token
from .state import current_emulation

_FORBIDDEN = 403
_authorize_in_s3 = S3Response._authenticate_and_authorize_s3_action
_respond_in_sqs = SQSResponse.call_action
_import_findings = SecurityHubBackend.batch_import_findings


def authorize_in_s3(
    response: Any, bucket_name: str | None = None, key_name: str | None = None
) -> None:
    """Deny a request to S3 as AWS does, in the place of moto's own function."""
    name = "/".join(filter(None, (bucket_name, key_name)))
    message = _denial_message(response, resource=f"arn:aws:s3:::{name}" if name else "*")
    if message is not None:
        raise S3ClientError("AccessDenied", message)
    _authorize_in_s3(response, bucket_name=bucket_name, key_name=key_name)


def respond_in_sqs(response: Any) -> HttpResponse:
    """Respond to a request to SQS, in the place of moto's own function."""
    message = _denial_message(response, resource=str(response._determine_resource()))
    if message is None:
        allowed: HttpResponse = _respond_in_sqs(response)
        return allowed
    _, headers, body = response.serialized(ActionResult(AwsError("AccessDenied", message)))
    headers, body = response._enrich_response(headers, body)
    return _FORBIDDEN, headers, body


def import_findings(backend: Any, findings: Any) -> Any:
    """Import findings if the account has enabled Security Hub, in place of moto's method."""
    if not backend.enabled:
        raise SecurityHubClientError(
            "InvalidAccessException",
            f"Account {backend.account_id} is not subscribed to AWS Security Hub",
        )
    return _import_findings(backend, findings)


def _denial_message(response: Any, *, resource: str) -> str | None:
    """Return the message that denies a request in a root session, or None."""
    emulation = current_emulation()
    with emulation.lock:
        return root_session_denial(
            emulation,
            str(security_token(response)),
            action=f"{response.service_name}:{response._get_action()}",
            resource=resource,
            region=str(response.region),
        )

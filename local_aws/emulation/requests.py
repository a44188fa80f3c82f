"""The steps that all requests share: authentication, authorization, and the record of calls."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.sts.models import sts_backends

from local_aws.session_token import run_token

from .accounts import is_account_id
from .authorization import (
    Caller,
    Request,
    access_denied_message,
    explicit_deny,
    reason_of_policy_denial,
    root_arn,
    root_caller,
)
from .errors import QUERY_ERRORS, AuthorizationErrors, AwsError, not_emulated_error
from .state import Emulation, RootSession, current_emulation, is_root_session_token
from .values import Call

HttpResponse = tuple[int, dict[str, Any], str | bytes]

_SECURITY_TOKEN = "X-Amz-Security-Token"
_ACCESS_KEY_ID = re.compile(r"Credential=([A-Z0-9]+)/")
# MiniStack's process gives it to a function: the function's name and the ARN of its role.
_FUNCTION_TOKEN = re.compile(r"[^/]*/function-session/(?P<function>[^/]+)/(?P<role_arn>arn:.+)")
# Of callers that are no root users, only this is asked of the organization's policies.
_ASSUME_ROOT = "sts:AssumeRoot"


@dataclass(frozen=True, kw_only=True)
class RoleSession:
    """A session of a role."""

    role_arn: str
    name: str
    user_id: str

    @property
    def arn(self) -> str:
        """The ARN of the session, which has no path."""
        account_id, role_name = self.role_arn.split(":")[4], self.role_arn.rpartition("/")[2]
        return f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{self.name}"


class EmulatedResponse(BaseResponse):  # type: ignore[misc]
    """The base of the handlers in front of moto's own, one for each service.

    moto creates one instance for each request.
    """

    authorization_errors: ClassVar[AuthorizationErrors] = QUERY_ERRORS

    received_at: datetime
    root_session: RootSession | None = None
    _error: str | None = None

    @property
    def emulation(self) -> Emulation:
        """The emulation."""
        return current_emulation()

    @property
    def run_token(self) -> str:
        """The token of the local AWS's run, with which the token of each session begins."""
        return run_token(security_token(self))

    @property
    def account_id(self) -> str:
        """The calling account."""
        return str(self.current_account)

    @property
    def operation(self) -> str:
        """The operation's name."""
        return str(self._get_action())

    @property
    def action(self) -> str:
        """The action as in a policy."""
        return f"{self.service_name}:{self.operation}"

    @property
    def is_root_user(self) -> bool:
        """True if the caller is a root user, in a root session or with its own access key."""
        if self.root_session is not None:
            return True
        return self.emulation.account_of_root_key(str(self.get_access_key())) is not None

    @property
    def caller_arn(self) -> str:
        """The ARN of the calling principal."""
        if self.is_root_user:
            return root_arn(self.account_id)
        access_key_id = str(self.get_access_key())
        backend = sts_backends[self.account_id][self.partition]
        role = self.role_session
        if role is not None:
            return role.arn
        if is_account_id(access_key_id):
            return f"arn:aws:iam::{access_key_id}:user/local"
        _, arn, _ = backend.get_caller_identity(access_key_id, self.region)
        return str(arn)

    @property
    def role_session(self) -> RoleSession | None:
        """The session of a role that the request belongs to, or None."""
        token = security_token(self)
        if token is None:
            return None
        if function := _FUNCTION_TOKEN.fullmatch(token):
            name = function["function"]
            return RoleSession(
                role_arn=function["role_arn"], name=name, user_id=f"AROALOCAL:{name}"
            )
        roles = sts_backends[self.account_id][self.partition].assumed_roles
        role = next((role for role in roles if role.session_token == token), None)
        if role is None:
            return None
        return RoleSession(role_arn=role.role_arn, name=role.session_name, user_id=role.user_id)

    @property
    def caller(self) -> Caller:
        """The calling principal as policies see it."""
        if self.is_root_user:
            return root_caller(self.account_id, in_root_session=self.root_session is not None)
        role = self.role_session
        if role is None:
            context = {"aws:principaltype": "User", "aws:username": "local"}
            return Caller(
                account_id=self.account_id, principal_arn=self.caller_arn, context=context
            )
        context = {
            "aws:principaltype": "AssumedRole",
            "aws:userid": role.user_id,
            "aws:multifactorauthpresent": "false",
        }
        return Caller(account_id=self.account_id, principal_arn=role.role_arn, context=context)

    @property
    def resource(self) -> str:
        """The ARN that a denial of this request names."""
        return "*"

    @property
    def policy_resource(self) -> str | None:
        """The request's resource in policies; None if the emulation does not know it."""
        return None

    @property
    def resource_account_id(self) -> str:
        """The account of what the request acts on."""
        return self.account_id

    @property
    def policy_context(self) -> dict[str, str]:
        """The condition keys of the operation, in lower case."""
        return {}

    @property
    def endpoint_region(self) -> str:
        """The Region of the endpoint."""
        return str(self.region)

    def parameters(self) -> dict[str, object]:
        """Return the request's parameters."""
        parameters: dict[str, object] = json.loads(json.dumps(self.params, default=str))
        return parameters

    def call_action(self) -> HttpResponse:
        """Respond to the request, and record the call."""
        with self.emulation.lock:
            # A call may reset moto, and the emulation with it.
            emulation = self.emulation
            self.received_at = emulation.now()
            try:
                return self._respond()
            except Exception as error:
                self._error = type(error).__name__
                raise
            finally:
                emulation.calls.append(
                    Call(
                        service=str(self.service_name),
                        operation=self.operation,
                        account_id=self.account_id,
                        parameters=self.parameters(),
                        error=self._error,
                        at=self.received_at,
                        root_session=self.root_session is not None,
                        user_agent=str(self.headers.get("User-Agent", "")),
                    )
                )

    def authenticate(self) -> None:
        """Set the root session that the request belongs to, if any."""
        token = self.headers.get(_SECURITY_TOKEN)
        if not is_root_session_token(token):
            return
        errors = self.authorization_errors
        session = self.emulation.root_session(token)
        if session is None or session.account_id != self.account_id:
            raise AwsError(
                errors.unknown_token,
                "The security token included in the request is invalid.",
                http_status=errors.http_status,
            )
        self.root_session = session
        if session.expires_at <= self.received_at:
            raise AwsError(
                errors.expired_token,
                "The security token included in the request is expired",
                http_status=errors.http_status,
            )

    def authorize(self) -> None:
        """Deny what is denied to the account, and what the session's task policy does not allow."""
        denial = self.emulation.denial(account_id=self.account_id, action=self.action)
        if denial is not None:
            raise self.access_denied(
                explicit_deny("service control policy")
                if self.is_root_user
                else f"because no identity-based policy allows the {self.action} action",
                message=denial,
            )
        if self.is_root_user or self.action == _ASSUME_ROOT:
            request = Request(
                action=self.action,
                resource=self.policy_resource,
                resource_account_id=self.resource_account_id,
                region=self.endpoint_region,
                context=self.policy_context,
            )
            reason = reason_of_policy_denial(self.emulation, self.caller, request)
            if reason is not None:
                raise self.access_denied(reason)
        if self.root_session is not None and not self._task_policy_allows(self.root_session):
            raise self.access_denied(explicit_deny("session policy"))

    def access_denied(self, reason: str = "", *, message: str | None = None) -> AwsError:
        """Return AWS's error for a caller that lacks a permission."""
        return AwsError(
            self.authorization_errors.access_denied,
            message
            or access_denied_message(
                caller=self.caller_arn, action=self.action, resource=self.resource, reason=reason
            ),
            http_status=self.authorization_errors.http_status,
        )

    def serialized(self, action_result: ActionResult) -> HttpResponse:
        """Serialize a result, with the HTTP status of errors that are not in any model."""
        status, headers, body = super().serialized(action_result)
        result = action_result.result
        if isinstance(result, Exception):
            self._error = str(getattr(result, "code", type(result).__name__))
            status = getattr(result, "http_status", None) or status
        return status, headers, body

    def _respond(self) -> HttpResponse:
        """Return AWS's denial of the request, or moto's response."""
        try:
            self.authenticate()
            self.authorize()
        except ServiceException as error:
            return self._error_response(error)
        try:
            response: HttpResponse = super().call_action()
        except NotImplementedError:
            # moto's, for an operation that it lacks.
            return self._error_response(not_emulated_error(self.action))
        return response

    def _error_response(self, error: Exception) -> HttpResponse:
        """Return an error as the service's protocol has it."""
        status, headers, body = self.serialized(ActionResult(error))
        headers, body = self._enrich_response(headers, body)
        return status, headers, body

    def _task_policy_allows(self, session: RootSession) -> bool:
        """Return whether the task policy of the root session allows the call."""
        return self.action in session.task_policy.allows


def access_key_id(request: Any) -> str | None:
    """Return the access key id that signed a request, if one did."""
    found = _ACCESS_KEY_ID.search(str(request.headers.get("Authorization", "")))
    return None if found is None else found[1]


def security_token(request: Any) -> str | None:
    """Return the security token of a request, if it has one."""
    token = request.headers.get(_SECURITY_TOKEN)
    return None if token is None else str(token)

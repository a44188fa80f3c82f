"""AssumeRoot, and the identity of callers that are an account or a root session."""

import re
from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.sts.responses import TokenResponse

from .accounts import is_account_id
from .authorization import root_arn
from .errors import AwsError, validation_error
from .features import Feature
from .records import MANAGEMENT_ACCOUNT_ID
from .requests import EmulatedResponse
from .state import RootSession
from .task_policies import TASK_POLICIES, TaskPolicy

_GLOBAL_HOST = "sts.amazonaws.com"
_MAX_SESSION_SECONDS = 900
_TARGET_PRINCIPAL = re.compile(
    r"(?P<account_id>[0-9]{12})|arn:aws:iam::(?P<root_account_id>[0-9]{12}):root"
)
_FEATURE_NAMES = {
    Feature.ROOT_CREDENTIALS_MANAGEMENT: "Root credentials management",
    Feature.ROOT_SESSIONS: "Root sessions",
}


class EmulatedStsResponse(EmulatedResponse, TokenResponse):  # type: ignore[misc]
    """Handle requests to STS; every other operation is left to moto."""

    @property
    def resource(self) -> str:
        """The ARN of the root user that AssumeRoot names."""
        if self.operation != "AssumeRoot":
            return "*"
        return root_arn(self._target_account_id())

    @property
    def policy_resource(self) -> str | None:
        """The root user that AssumeRoot names."""
        return self.resource if self.operation == "AssumeRoot" else None

    @property
    def resource_account_id(self) -> str:
        """The account of the root user that AssumeRoot names."""
        return self._target_account_id() if self.operation == "AssumeRoot" else self.account_id

    @property
    def policy_context(self) -> dict[str, str]:
        """The condition key of AssumeRoot."""
        return {"sts:taskpolicyarn": str(self._get_param("TaskPolicyArn.arn"))}

    def authorize(self) -> None:
        """Postpone the authorization of AssumeRoot: AWS validates its parameters first."""
        if self.operation != "AssumeRoot":
            super().authorize()

    def get_caller_identity(self) -> ActionResult:
        """GetCallerIdentity."""
        access_key_id = str(self.get_access_key())
        if self.is_root_user:
            user_id = self.account_id
        elif self.role_session is not None:
            user_id = self.role_session.user_id
        elif is_account_id(access_key_id):
            user_id = f"AIDA{access_key_id}LOCAL"
        else:
            return super().get_caller_identity()
        return ActionResult({"UserId": user_id, "Account": self.account_id, "Arn": self.caller_arn})

    def assume_role(self) -> ActionResult:
        """AssumeRole."""
        response = super().assume_role()
        result: Any = response.result
        role = result["Credentials"]
        # As for a root session: MiniStack reads the account from the access key id.
        role.access_key_id = role.account_id
        role.session_token = f"{self.run_token}/{role.session_token}"
        return response

    def assume_root(self) -> ActionResult:
        """AssumeRoot."""
        if self.parsed_url.hostname == _GLOBAL_HOST:
            raise AwsError("InvalidAction", "Unknown Operation", http_status=400)
        duration = self._duration()
        task_policy = self._task_policy()
        account_id = self._target_account_id()
        super().authorize()
        self._require_reach(account_id)
        if not self.emulation.is_trusted_access_in_effect():
            raise self.access_denied(message="Service not enabled for AWS Organizations.")
        if task_policy.needs not in self.emulation.features:
            name = _FEATURE_NAMES[task_policy.needs]
            raise self.access_denied(
                message=f"{name} feature is not enabled for your AWS Organization."
            )
        session = self.emulation.open_root_session(
            run_token=self.run_token,
            account_id=account_id,
            task_policy=task_policy,
            expires_at=self.received_at.replace(microsecond=0) + duration,
        )
        return ActionResult(
            {
                "Credentials": {
                    # Sessions differ in their token. The access key id is the member account's, for
                    # MiniStack and moto read the account from it.
                    "AccessKeyId": account_id,
                    "SecretAccessKey": "secret",
                    "SessionToken": session.token,
                    "Expiration": session.expires_at,
                }
            }
        )

    def _duration(self) -> timedelta:
        """Return the duration of the session, if the parameters conform to the model."""
        seconds = self._get_int_param("DurationSeconds", _MAX_SESSION_SECONDS)
        failure = None
        if seconds > _MAX_SESSION_SECONDS:
            failure = (
                f"Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
                f"Member must have value less than or equal to {_MAX_SESSION_SECONDS}"
            )
        elif self._get_param("TaskPolicyArn.arn") is None:
            failure = (
                "Value null at 'taskPolicyArn' failed to satisfy constraint: "
                "Member must not be null"
            )
        if failure is not None:
            raise validation_error(f"1 validation error detected: {failure}")
        return timedelta(seconds=seconds)

    def _task_policy(self) -> TaskPolicy:
        """Return the task policy that the request names; raise AWS's error if it is not one."""
        task_policy = TASK_POLICIES.get(str(self._get_param("TaskPolicyArn.arn")))
        if task_policy is None:
            raise validation_error("Request must contain valid AWS managed task policy ARN")
        return task_policy

    def _target_account_id(self) -> str:
        """Return the account that the request names, by its ID or by its root user's ARN."""
        target = _TARGET_PRINCIPAL.fullmatch(str(self._get_param("TargetPrincipal")))
        if target is None:
            raise validation_error("Request must contain a valid target principal")
        return target["account_id"] or target["root_account_id"]

    def _require_reach(self, account_id: str) -> None:
        """Deny callers that may not assume root, and accounts that cannot be a target."""
        target = self.emulation.organization.account(account_id)
        if (
            target is None
            or target.suspended
            or account_id == MANAGEMENT_ACCOUNT_ID
            or not self.emulation.may_assume_root(self.account_id)
        ):
            raise self.access_denied()

    def _task_policy_allows(self, session: RootSession) -> bool:
        """Return whether a root session may make the call; anyone may ask who they are."""
        return self.operation == "GetCallerIdentity" or super()._task_policy_allows(session)

"""The clients of the callers: the run itself, roles in the member accounts, root sessions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError

from acceptance.aws import Aws
from acceptance.model import MANAGEMENT_ACCOUNT, ROOT_SESSION
from acceptance.names import Names

TASK_POLICY = "arn:aws:iam::aws:policy/root-task/"
AUDIT = "IAMAuditRootUserCredentials"
DELETE = "IAMDeleteRootUserCredentials"
RECOVER = "IAMCreateRootUserPassword"
UNLOCK_BUCKET = "S3UnlockBucketPolicy"
UNLOCK_QUEUE = "SQSUnlockQueuePolicy"

# A role's session lasts an hour.
_RENEW_AFTER_SECONDS = 3000.0
_MAX_PATIENCE_SECONDS = 240.0
_FIRST_PAUSE_SECONDS = 2.0
_MAX_PAUSE_SECONDS = 16.0
_NOT_YET = re.compile(
    "AccessDenied|NoSuchEntity|InvalidClientTokenId|UnrecognizedClient|ServiceAccessNotEnabled|Conflict"
    "|Throttl|TooManyRequests|QueueDeletedRecently|NonExistentQueue|QueueDoesNotExist|OperationAborted"
    "|ConcurrentModification|NoSuchBucket$|PolicyNotFound"
)


class Callers:
    """Creates the clients of the callers.

    Args:
        aws: The AWS to call.
        names: The names of the run.
    """

    def __init__(self, aws: Aws, names: Names) -> None:
        self.aws = aws
        self.names = names
        self.root_session: Mapping[str, Any] | None = None
        self.policy_id: str | None = None
        self._roles: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._arns: dict[str, str] = {}
        self._clients: dict[object, Any] = {}

    def client(
        self, service: str, *, credentials: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Return a client, the same one for the same caller."""
        secret = credentials and (credentials["AccessKeyId"], credentials.get("SessionToken"))
        key = (service, secret, *options.values())
        if key not in self._clients:
            self._clients[key] = self.aws.client(service, credentials=credentials, **options)
        return self._clients[key]

    def own(self, service: str) -> Any:
        """Return a client of the management account."""
        return self.client(service)

    def member(self, service: str) -> Any:
        """Return a client of the role in the member account."""
        return self.client(service, credentials=self.assume_role_in(self.names.member))

    def root(self, service: str, task: str) -> Any:
        """Return a client of a new root session in the member account."""
        return self.client(service, credentials=self.open_root_session(task))

    def open_root_session(self, task: str) -> Mapping[str, Any]:
        """Open a root session in the member account."""
        sts = self.own("sts")
        response: dict[str, Any] = self.patiently(
            lambda: sts.assume_root(
                TargetPrincipal=self.names.member, TaskPolicyArn={"arn": TASK_POLICY + task}
            )
        )
        credentials: Mapping[str, Any] = response["Credentials"]
        return credentials

    def of_case(self, caller: str, service: str, **options: str | None) -> Any:
        """Return a client of a case's caller."""
        return self.client(service, credentials=self._credentials_of(caller), **options)

    def arn_of(self, caller: str) -> str:
        """Return the ARN of a case's caller."""
        if caller == ROOT_SESSION:
            return f"arn:aws:iam::{self.names.member}:root"
        if caller not in self._arns:
            sts = self.of_case(caller, "sts")
            self._arns[caller] = self.patiently(sts.get_caller_identity)["Arn"]
        return self._arns[caller]

    def patiently(
        self, call: Callable[[], dict[str, Any]], *, final: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Call, and again for a while if AWS may not know yet what was changed.

        Args:
            call: The call.
            final: The codes that waiting does not change.

        Raises:
            ClientError: AWS still refuses.
        """
        started, pause = self.aws.monotonic(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                return call()
            except ClientError as error:
                code = error.response["Error"]["Code"]
                is_over = self.aws.monotonic() - started > _MAX_PATIENCE_SECONDS
                if is_over or code in final or not _NOT_YET.search(code):
                    raise
            self.aws.wait(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    def _credentials_of(self, caller: str) -> Mapping[str, Any] | None:
        """Return the credentials of a case's caller; None for the run's own."""
        if caller == MANAGEMENT_ACCOUNT:
            return None
        if caller != ROOT_SESSION:
            return self.assume_role_in(self.names.to_real(caller))
        if self.root_session is None:
            raise ValueError("The case opens no root session.")
        return self.root_session

    def assume_role_in(self, account_id: str | None) -> Mapping[str, Any]:
        """Return a session of the role in a member account."""
        if account_id is None:
            raise ValueError("The run has no such account.")
        opened_at, credentials = self._roles.get(account_id, (0.0, None))
        if credentials is None or self.aws.monotonic() - opened_at > _RENEW_AFTER_SECONDS:
            credentials = self.own("sts").assume_role(
                RoleArn=f"arn:aws:iam::{account_id}:role/{self.names.role}",
                RoleSessionName="root-access-acceptance",
            )["Credentials"]
            self._roles[account_id] = (self.aws.monotonic(), credentials)
        return credentials


@contextmanager
def ignoring(*codes: str) -> Iterator[None]:
    """Ignore a call that AWS refuses with one of these codes."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise


def call_operation(client: Any, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Call an operation by its name in the API, and return the response or the error."""
    try:
        response: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
    except ClientError as error:
        response = dict(error.response)
    except ParamValidationError as error:
        raise ValueError(f"The parameters of a case are not valid: {error}") from error
    return response

"""The policies' verdict on calls in root sessions, account by account. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from root_tasks.model.task import ASSUME_ROOT

from .calls import call_of
from .condition_keys import SessionRequest
from .documents import PolicyType
from .evaluate import evaluate_request

if TYPE_CHECKING:
    from root_tasks.model.run import Account
    from root_tasks.model.task import Task

    from .attachments import OrganizationPolicies
    from .calls import SessionFacts, SessionOpener
    from .evaluate import Level, Verdict


class PolicyCheck:
    """The policies' verdict on the calls that open root sessions and on those in them. Pure.

    Args:
        policies: The organization's policies.
        session: What is known of the sessions in any account, and who opens them.
    """

    def __init__(self, policies: OrganizationPolicies, *, session: SessionFacts) -> None:
        self._policies = policies
        self._session = session

    def verdict(self, action: str, account: Account, *, task: Task | None = None) -> Verdict:
        """Return what the policies say of a call in an account.

        Args:
            action: The call, one that a task makes.
            account: The account.
            task: For the call that opens the session, the task whose policy it gets.
        """
        session = self._session.in_account(account.account_id, account.unit_ids)
        call = call_of(action, session=session, task=task)
        account_path = _path(account)
        # Service control policies apply to the caller, resource control policies to what it acts on.
        caller_path: tuple[str | None, ...] | None = account_path
        if action == ASSUME_ROOT:
            caller_path = None if session.opener.is_in_management_account else _path(session.opener)
        return evaluate_request(
            SessionRequest(session=session, call=call),
            service_control=self._levels_on(caller_path, PolicyType.SERVICE_CONTROL_POLICY),
            resource_control=self._levels_on(account_path, PolicyType.RESOURCE_CONTROL_POLICY),
        )

    def _levels_on(
        self, path: tuple[str | None, ...] | None, policy_type: PolicyType
    ) -> tuple[Level, ...] | None:
        if path is None or policy_type not in self._policies.attachments:
            return None
        return tuple(self._policies.level(policy_type, target_id) for target_id in path)


def _path(account: Account | SessionOpener) -> tuple[str | None, ...]:
    return (None,) if account.unit_ids is None else (*account.unit_ids, account.account_id)

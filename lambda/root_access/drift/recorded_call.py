"""A call as CloudTrail recorded it, and what it can have done to root access. Pure.

It is hostile text: the caller has a say in names and parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from common.untrusted import UNKNOWN, account_id_or_unknown, members, text_or_unknown

from ..state import SERVICE_PRINCIPAL, DesiredState, Feature, RootAccess
from ..steps import DISABLE_FEATURE, ENABLE_FEATURE, Operation, Step, plan
from .deviations import cause

_MAX_CHARACTERS = 400

# The names of a caller, the best first: a service, for example, has no ARN.
_IDENTITY_MEMBERS_BEST_FIRST = ("arn", "invokedBy", "principalId", "userName", "accountId", "type")

# A call whose service is unknown may be about root access.
_IAM_OR_UNKNOWN = (SERVICE_PRINCIPAL, UNKNOWN)
_ENABLE_TRUSTED_ACCESS = "EnableAWSServiceAccess"
# By the name of a call: the calls that undo it. Without trusted access IAM hides the features, with
# it they return.
_CORRECTIONS_BY_CALL = {cause(operation): [operation] for operation in Operation} | {
    "DisableAWSServiceAccess": [Operation.ENABLE_TRUSTED_ACCESS] + list(ENABLE_FEATURE.values()),
    _ENABLE_TRUSTED_ACCESS: list(DISABLE_FEATURE.values()),
}


@dataclass(frozen=True, kw_only=True)
class RecordedCall:
    """A call that CloudTrail recorded, in short and printable text.

    Attributes:
        name: The call, such as DisableOrganizationsRootSessions.
        caller: The ARN of the caller, or what identifies it otherwise.
        time: When, as CloudTrail has it.
        event_id: The event's ID in CloudTrail.
        account_id: The account that it registered or deregistered.
        may_have_changed_root_access: Whether AWS did not refuse it, and it is not about another
            service.
    """

    name: str
    caller: str
    time: str
    event_id: str
    account_id: str
    may_have_changed_root_access: bool

    @classmethod
    def parse(cls, detail: object) -> RecordedCall:
        """Return the call in the detail of EventBridge's event; what is missing is unknown."""
        # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
        call = members(detail)
        identity = members(call.get("userIdentity"))
        caller = next(
            (identity[name] for name in _IDENTITY_MEMBERS_BEST_FIRST if identity.get(name)), None
        )
        parameters = members(call.get("requestParameters"))
        service = text_or_unknown(parameters.get("servicePrincipal"), _MAX_CHARACTERS)
        return cls(
            name=text_or_unknown(call.get("eventName"), _MAX_CHARACTERS),
            caller=text_or_unknown(caller, _MAX_CHARACTERS),
            time=text_or_unknown(call.get("eventTime"), _MAX_CHARACTERS),
            event_id=text_or_unknown(call.get("eventID"), _MAX_CHARACTERS),
            account_id=account_id_or_unknown(parameters.get("accountId")),
            # A call that AWS refused, or that is about another service, changed nothing here.
            may_have_changed_root_access=not call.get("errorCode") and service in _IAM_OR_UNKNOWN,
        )

    def may_have_caused(self, step: Step) -> bool:
        """Return whether the call can have led to what the step would correct.

        An unknown call may have, and so may one of its kind whose account is unknown. The calls of
        a repair, or of an operator who corrects one deviation after the other, are not the cause of
        what remains.
        """
        if not self.may_have_changed_root_access:
            return False
        if self.name not in _CORRECTIONS_BY_CALL:
            return True
        is_about_account = step.account_id is None or self.account_id in (step.account_id, UNKNOWN)
        return is_about_account and step.operation in _CORRECTIONS_BY_CALL[self.name]

    def contradictions(self, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
        """Return the steps that would correct the effect of the call on an organization as listed.

        There are none if the stack lists the effect. Enabling trusted access never contradicts a
        stack: every stack enables it. Of a call whose name is unknown there are none either: no one
        knows what it changed, so nothing shows that its effect was there and was undone.
        """
        if self.name not in _CORRECTIONS_BY_CALL or self.name == _ENABLE_TRUSTED_ACCESS:
            return ()
        nothing_enabled = replace(
            observed, trusted_access=False, features=frozenset(), delegated_administrators=()
        )
        everything_enabled = replace(
            observed,
            trusted_access=True,
            features=frozenset(Feature),
            delegated_administrators=(self.account_id,),
        )
        # Whatever the call changed, one of these differs from the stack by it.
        steps = plan(desired=desired, observed=nothing_enabled)
        steps += plan(desired=desired, observed=everything_enabled)
        return tuple(step for step in dict.fromkeys(steps) if self.may_have_caused(step))

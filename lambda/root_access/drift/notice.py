"""The drift check's reports: notices of who changed root access, and of repairs, and a finding. Pure.

A call as CloudTrail recorded it is hostile text: its caller has a say in names and parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.notices import MAX_SUBJECT_CHARACTERS, Notice, bullets, paragraphs
from aws_calls.security_hub import ComplianceStatus, SecurityFinding, Severity
from common.next_step import NextStep
from common.untrusted import UNKNOWN, account_id_or_unknown, excerpt, members, text_or_unknown

from ..state import SERVICE_PRINCIPAL, Feature
from ..steps import DISABLE_FEATURE, ENABLE_FEATURE, Operation, plan
from .deviations import cause, correction, deviation, effect, worst_first

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ..state import DesiredState, RootAccess
    from ..steps import Step
    from .repair import Repair

_MAX_CHARACTERS = 400
_MAX_REASON_CHARACTERS = 1500
_MAX_CORRECTIONS = 5
_ASK_THE_CALLER = NextStep(
    what="Ask the caller. If no one intended it, treat the caller's credentials as compromised."
)
_TERRAFORM = NextStep(
    what="If it comes back after each repair, look for another tool: Terraform's "
    "`aws_organizations_organization` disables trusted access unless its `aws_service_access_principals` has "
    "`iam.amazonaws.com`."
)

# The names of a caller, the best first: a service, for example, has no ARN.
_IDENTITY_MEMBERS = ("arn", "invokedBy", "principalId", "userName", "accountId", "type")

# A call whose service is unknown may be about root access.
_SERVICES = (SERVICE_PRINCIPAL, UNKNOWN)
_ENABLE_TRUSTED_ACCESS = "EnableAWSServiceAccess"
# The call that undoes another one. Without trusted access IAM hides the features, with it they
# return.
_CORRECTIONS = {
    **{cause(operation): [operation] for operation in Operation},
    "DisableAWSServiceAccess": [Operation.ENABLE_TRUSTED_ACCESS, *ENABLE_FEATURE.values()],
    _ENABLE_TRUSTED_ACCESS: [*DISABLE_FEATURE.values()],
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
        """Return the call in the detail of EventBridge's event. What is missing there is unknown."""
        call = members(detail)
        identity = members(call.get("userIdentity"))
        caller = next((identity[name] for name in _IDENTITY_MEMBERS if identity.get(name)), None)
        parameters = members(call.get("requestParameters"))
        service = text_or_unknown(parameters.get("servicePrincipal"), _MAX_CHARACTERS)
        return cls(
            name=text_or_unknown(call.get("eventName"), _MAX_CHARACTERS),
            caller=text_or_unknown(caller, _MAX_CHARACTERS),
            time=text_or_unknown(call.get("eventTime"), _MAX_CHARACTERS),
            event_id=text_or_unknown(call.get("eventID"), _MAX_CHARACTERS),
            account_id=account_id_or_unknown(parameters.get("accountId")),
            may_have_changed_root_access=not call.get("errorCode") and service in _SERVICES,
        )

    def may_have_caused(self, step: Step) -> bool:
        """Return whether the call can have led to what the step would correct.

        An unknown call may have, and so may one of its kind whose account is unknown. The calls of
        a repair, or of an operator who corrects one deviation after the other, are not the cause of
        what remains.
        """
        if not self.may_have_changed_root_access:
            return False
        corrections = _CORRECTIONS.get(self.name)
        if corrections is None:
            return True
        return step.operation in corrections and (
            step.account_id is None or self.account_id in (step.account_id, UNKNOWN)
        )

    def contradictions(self, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
        """Return the steps that would correct the effect of the call on an organization as listed.

        There are none if the stack lists the effect. Enabling trusted access never contradicts a
        stack.
        """
        if self.name not in _CORRECTIONS or self.name == _ENABLE_TRUSTED_ACCESS:
            return ()
        nothing = replace(
            observed, trusted_access=False, features=frozenset(), delegated_administrators=()
        )
        everything = replace(
            observed,
            trusted_access=True,
            features=frozenset(Feature),
            delegated_administrators=(self.account_id,),
        )
        steps = [
            *plan(desired=desired, observed=nothing),
            *plan(desired=desired, observed=everything),
        ]
        return tuple(step for step in dict.fromkeys(steps) if self.may_have_caused(step))


def drift_notice(
    organization_id: str,
    *,
    caused: Sequence[Step],
    others: Sequence[Step],
    call: RecordedCall,
    will_be_repaired: bool,
) -> Notice:
    """Return the notice of drift that a call left.

    Args:
        organization_id: The organization.
        caused: The steps that would correct the deviations that the call can have caused.
        others: The steps that would correct the other ones.
        call: The call.
        will_be_repaired: Whether the next scheduled check is to enable some of it again.
    """
    return _notice(
        "Root access drift",
        organization_id,
        caused,
        [_ASK_THE_CALLER, *_corrections([*caused, *others])],
        f"After this call, organization {organization_id} does not match the stack.",
        _paragraph_of(call),
        _deviations("Deviations:", caused),
        _deviations("Also different from the stack, for another reason:", others),
        _meanwhile([*caused, *others]),
        (
            "The next scheduled check enables what is listed and disabled, unless the stack is being "
            "deployed or its last update failed. To prevent that, disable the EventBridge rule that has "
            "DriftCheckInterval in its logical ID."
            if will_be_repaired
            else "The drift check does not repair this, nor does deploying an unchanged stack. "
            "Correct it by hand, or change the stack's lists and deploy."
        ),
    )


def contradiction_notice(
    organization_id: str,
    *,
    contradictions: Sequence[Step],
    others: Sequence[Step],
    call: RecordedCall,
) -> Notice:
    """Return the notice of a call that contradicts the stack, but whose effect is gone.

    Args:
        organization_id: The organization.
        contradictions: The steps that would have corrected its effect.
        others: The steps that would correct the deviations that it cannot have caused.
        call: The call.
    """
    undone_by = worst_first(contradictions)[0].operation.partition(":")[2]
    return _notice(
        "Root access drift undone",
        organization_id,
        contradictions,
        [
            _ASK_THE_CALLER,
            _lookup(
                "See who opened root sessions since, per REGION and delegate",
                "AssumeRoot",
                "REGION",
            ),
            _lookup("See what undid it", undone_by),
        ],
        f"This call contradicted the stack. Its effect was undone before the drift check looked at "
        f"organization {organization_id}: in between, root access or a delegated administrator may have "
        "been used.",
        _paragraph_of(call),
        _deviations("It led to:", contradictions),
        _deviations("Different from the stack, for another reason:", others),
    )


def repair_notice(
    organization_id: str, *, repair: Repair, found: Sequence[Step], left: Sequence[Step]
) -> Notice:
    """Return the notice of a repair, even of one that did not take place.

    Args:
        organization_id: The organization.
        repair: The repair.
        found: The steps that would have corrected the deviations before it.
        left: The steps that would correct what it saw last.
    """
    shown = _visible(found)
    left = [step for step in _visible(left) if step not in repair.convergence.applied]
    if repair.root_access is None:
        state = "not repaired"
        reason = excerpt(str(repair.error or repair.deployment), _MAX_REASON_CHARACTERS)
        outcome = f"The repair did not finish. {reason}\nEach scheduled check tries again."
    else:
        state = "partly repaired" if left else "repaired"
        still_different = _deviations("Still different from the stack:", left)
        outcome = still_different or "The organization matches the stack now."
    known = worst_first([*shown, *repair.convergence.applied, *left])
    causes = dict.fromkeys(cause(step.operation) for step in known)
    return _notice(
        f"Root access drift {state}",
        organization_id,
        left or found,
        [
            *(_lookup("Find the caller, in CloudTrail", name) for name in causes),
            _ASK_THE_CALLER,
            *_corrections(left),
            _TERRAFORM,
        ],
        f"The scheduled drift check found that organization {organization_id} did not match the stack.",
        _deviations("Deviations found:", found),
        bullets("Applied by the repair:", repair.convergence.applied),
        bullets("May have been applied:", repair.convergence.possibly_applied),
        outcome,
        _meanwhile(left),
        "CloudTrail has the call that caused it in us-east-1 of the management account, or of a delegated "
        "administrator's account.",
    )


def _visible(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without features that IAM may only hide, because trusted access is disabled."""
    hides = any(step.operation is Operation.ENABLE_TRUSTED_ACCESS for step in steps)
    return [step for step in steps if not hides or step.operation not in ENABLE_FEATURE.values()]


def drift_finding(
    observed: RootAccess, steps: Sequence[Step], *, checked_at: datetime
) -> SecurityFinding:
    """Return whether the organization matches the stack.

    Args:
        observed: The state that the check found.
        steps: The steps that would correct the deviations.
        checked_at: The time of the check.
    """
    found = "; ".join(map(deviation, steps)) or "It matches the stack"
    # Not a deviation if the stack lists none, but AWS's Security Reference Architecture asks for
    # one.
    none = (
        " No delegated administrator is registered."
        if observed.delegated_administrators == ()
        else ""
    )
    return SecurityFinding(
        check="root-access",
        account_id=observed.management_account_id,
        title="Centralized root access should be enabled as the stack lists it",
        description=f"Organization {observed.organization_id}. {found}.{none}",
        status=ComplianceStatus.FAILED if steps else ComplianceStatus.PASSED,
        severity=Severity.HIGH if steps else Severity.INFORMATIONAL,
        recommendation=(
            "See what differs (options: the stack's lists): centralized-root-access status. Correct it, or "
            "change the stack's lists and deploy."
        ),
        # The check remembers nothing: only this date stays the same from one check to the next.
        created_at=observed.trusted_access_enabled_at or checked_at,
        updated_at=checked_at,
    )


def _notice(
    what: str,
    organization_id: str,
    steps: Sequence[Step],
    next_steps: Sequence[NextStep],
    *message: str,
) -> Notice:
    """Return a notice; its subject has the worst deviation, and if there is room how many more there are."""
    worst, *more = map(deviation, worst_first(steps))
    subject = f"{what} in {organization_id}: {worst}"
    longer = f"{subject} and {len(more)} more" if more else subject
    return Notice(
        subject=longer
        if len(longer) <= MAX_SUBJECT_CHARACTERS
        else subject[:MAX_SUBJECT_CHARACTERS],
        thread=f"{organization_id}-root-access",
        runbook="Drift",
        next_steps=next_steps,
        message=paragraphs(*message),
    )


def _deviations(title: str, steps: Sequence[Step]) -> str:
    return bullets(title, map(deviation, worst_first(steps)))


def _meanwhile(steps: Sequence[Step]) -> str:
    return bullets("Meanwhile:", map(effect, worst_first(steps)))


def _corrections(steps: Sequence[Step]) -> list[NextStep]:
    """Return how to correct the worst deviations by hand, in the management account."""
    return [
        NextStep(what=f"Correct that {deviation(step)}", command=correction(step))
        for step in worst_first(steps)[:_MAX_CORRECTIONS]
    ]


def _lookup(what: str, event_name: str, region: str = "us-east-1") -> NextStep:
    """Return how to find a call. Those of IAM and Organizations are in one Region, those of STS in any."""
    lookup = f"aws cloudtrail lookup-events --region {region} --lookup-attributes"
    return NextStep(
        what=what, command=f"{lookup} AttributeKey=EventName,AttributeValue={event_name}"
    )


def _paragraph_of(call: RecordedCall) -> str:
    return f"Call: {call.name}\nCaller: {call.caller}\nTime: {call.time}\nCloudTrail event: {call.event_id}"

"""The drift check's reports: notices of calls and of repairs, and a finding. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from aws_calls.notices import MAX_SUBJECT_CHARACTERS, Notice, bullets, paragraphs
from aws_calls.security_hub import ComplianceStatus, SecurityFinding, Severity
from common.next_step import NextStep
from common.untrusted import excerpt

from ..state import RootAccess
from ..steps import ENABLE_FEATURE, Operation, Step
from .deviations import cause, deviation, effect, worst_first
from .recorded_call import RecordedCall
from .repair import Repair

_MAX_REASON_CHARACTERS = 1500
_MAX_CORRECTIONS = 5
_ASK_THE_CALLER = NextStep(
    what="Ask the caller. If no one intended it, treat the caller's credentials as compromised."
)
_TERRAFORM = NextStep(
    what="If it comes back after each repair, look for another tool: Terraform's "
    "`aws_organizations_organization` disables trusted access unless its "
    "`aws_service_access_principals` has `iam.amazonaws.com`."
)
_WILL_BE_REPAIRED = (
    "The next scheduled check enables what is listed and disabled, unless the stack is being "
    "deployed or stays in a failed status. To prevent that, disable the EventBridge rule that has "
    "DriftCheckInterval in its logical ID."
)
_WILL_NOT_BE_REPAIRED = (
    "The drift check does not repair this, nor does deploying an unchanged stack. Correct it by "
    "hand, or change the stack's lists and deploy."
)


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
    steps = list(caused) + list(others)
    prospect = _WILL_NOT_BE_REPAIRED
    if will_be_repaired:
        prospect = _WILL_BE_REPAIRED
    return _notice(
        "Root access drift",
        organization_id,
        caused,
        next_steps=[_ASK_THE_CALLER] + _corrections(steps),
        message=paragraphs(
            f"After this call, organization {organization_id} does not match the stack.",
            _caller_paragraph(call),
            _deviation_list("Deviations:", caused),
            _deviation_list("Also different from the stack, for another reason:", others),
            _effect_list(steps),
            prospect,
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
        next_steps=[
            _ASK_THE_CALLER,
            # Root sessions are opened in any Region; IAM and Organizations are in one.
            _lookup(
                "See who opened root sessions since, per REGION and delegate",
                "AssumeRoot",
                region="REGION",
            ),
            _lookup("See what undid it", undone_by),
        ]
        + _corrections(others),
        message=paragraphs(
            "This call contradicted the stack. Its effect was undone before the drift check looked "
            f"at organization {organization_id}: in between, root access or a delegated "
            "administrator may have been used.",
            _caller_paragraph(call),
            _deviation_list("It led to:", contradictions),
            _deviation_list("Different from the stack, for another reason:", others),
        ),
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
    # A repair that stopped early has not looked again after the steps that it applied.
    left = [step for step in _without_hidden_features(left) if step not in repair.applied]

    # Say what came of it.
    if repair.root_access is None:
        state = "not repaired"
        reason = excerpt(str(repair.error or repair.deployment), _MAX_REASON_CHARACTERS)
        outcome = f"The repair did not finish. {reason}\nEach scheduled check tries again."
    elif left:
        state = "partly repaired"
        outcome = _deviation_list("Still different from the stack:", left)
    else:
        state = "repaired"
        outcome = "The organization matches the stack now."

    # Look for the caller of each call that the repair undid, or that is still to be undone.
    steps = worst_first(_without_hidden_features(found) + repair.applied + left)
    causes = dict.fromkeys(cause(step.operation) for step in steps)
    next_steps = [_lookup("Find the caller, in CloudTrail", name) for name in causes]
    next_steps.append(_ASK_THE_CALLER)
    next_steps += _corrections(left)
    next_steps.append(_TERRAFORM)

    return _notice(
        f"Root access drift {state}",
        organization_id,
        left or found,
        next_steps=next_steps,
        message=paragraphs(
            f"The scheduled drift check found that organization {organization_id} did not match "
            "the stack.",
            _deviation_list("Deviations found:", found),
            bullets("Applied by the repair:", repair.applied),
            bullets("May have been applied:", repair.possibly_applied),
            outcome,
            _effect_list(left),
            "CloudTrail has the call that caused it in us-east-1 of the management account, or of "
            "a delegated administrator's account.",
        ),
    )


def drift_finding(
    observed: RootAccess, steps: Sequence[Step], *, checked_at: datetime
) -> SecurityFinding:
    """Return whether the organization matches the stack.

    Args:
        observed: The state that the check found.
        steps: The steps that would correct the deviations.
        checked_at: The time of the check.
    """
    status, severity = ComplianceStatus.PASSED, Severity.INFORMATIONAL
    found = "It matches the stack"
    if steps:
        status, severity = ComplianceStatus.FAILED, Severity.HIGH
        found = "; ".join(map(deviation, steps))
    description = f"Organization {observed.organization_id}. {found}."
    # None, and not an empty tuple, if they could not be read.
    if observed.delegated_administrators == ():
        # Not a deviation if the stack lists none, but AWS recommends one.
        # https://docs.aws.amazon.com/prescriptive-guidance/latest/security-reference-architecture/
        description += " No delegated administrator is registered."
    return SecurityFinding(
        check="root-access",
        account_id=observed.management_account_id,
        title="Centralized root access should be enabled as the stack lists it",
        description=description,
        status=status,
        severity=severity,
        recommendation=(
            "See what differs (options: the stack's lists): centralized-root-access status. "
            "Correct it, or change the stack's lists and deploy."
        ),
        # The check remembers nothing: only this date stays the same from one check to the next.
        created_at=observed.trusted_access_enabled_at or checked_at,
        updated_at=checked_at,
    )


def _notice(
    what: str,
    organization_id: str,
    steps: Sequence[Step],
    *,
    next_steps: Sequence[NextStep],
    message: str,
) -> Notice:
    """Return a notice; its subject has the worst deviation and, with room, how many more."""
    subject = f"{what} in {organization_id}: {deviation(worst_first(steps)[0])}"
    longer = f"{subject} and {len(steps) - 1} more"
    if len(steps) > 1 and len(longer) <= MAX_SUBJECT_CHARACTERS:
        subject = longer
    return Notice(
        subject=subject[:MAX_SUBJECT_CHARACTERS],
        # All notices about root access of an organization share it.
        thread=f"{organization_id}-root-access",
        runbook="Drift",
        next_steps=next_steps,
        message=message,
    )


def _without_hidden_features(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without features that IAM only hides while trusted access is disabled."""
    # With trusted access IAM hides nothing.
    if all(step.operation is not Operation.ENABLE_TRUSTED_ACCESS for step in steps):
        return list(steps)
    return [step for step in steps if step.operation not in ENABLE_FEATURE.values()]


def _deviation_list(title: str, steps: Sequence[Step]) -> str:
    """Return what the steps would correct, as a list below a title; nothing without steps."""
    return bullets(title, map(deviation, worst_first(steps)))


def _effect_list(steps: Sequence[Step]) -> str:
    """Return what it means for now that the steps are not applied; nothing without steps."""
    return bullets("Meanwhile:", map(effect, worst_first(steps)))


def _corrections(steps: Sequence[Step]) -> list[NextStep]:
    """Return how to correct the worst deviations by hand, in the management account."""
    return [
        NextStep(what=f"Correct that {deviation(step)}", command=step.command)
        for step in worst_first(steps)[:_MAX_CORRECTIONS]
    ]


def _lookup(what: str, event_name: str, *, region: str = "us-east-1") -> NextStep:
    """Return how to find a call in CloudTrail."""
    lookup = f"aws cloudtrail lookup-events --region {region} --lookup-attributes"
    return NextStep(
        what=what, command=f"{lookup} AttributeKey=EventName,AttributeValue={event_name}"
    )


def _caller_paragraph(call: RecordedCall) -> str:
    """Return who made a call, and when."""
    lines = [
        f"Call: {call.name}",
        f"Caller: {call.caller}",
        f"Time: {call.time}",
        f"CloudTrail event: {call.event_id}",
    ]
    return "\n".join(lines)

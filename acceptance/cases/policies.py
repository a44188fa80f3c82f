"""The cases of service and resource control policies on the member account and the delegate."""

from __future__ import annotations

from functools import partial

from acceptance.callers import AUDIT, RECOVER
from acceptance.cases._build import (
    DENIED,
    REGISTERED,
    SESSION,
    WITH_CREDENTIALS,
    assume_root,
    denial,
    in_session,
    succeeds,
)
from acceptance.model import DELEGATE, MANAGEMENT_ACCOUNT, MEMBER, Case, Level, Source

_NO_PASSWORD = succeeds({"SummaryMap": {"AccountPasswordPresent": 0, "{and more}": True}})
_denial = partial(
    denial,
    policy="service control policy: arn:aws:organizations::111111111111:policy/{organization id}/"
    "service_control_policy/{policy id}",
)


def _audit_under(policy: str, *given: str, source: Source = Source.DOCUMENTED) -> partial[Case]:
    """Return what makes a case of a call in an audit's session while a policy is attached."""
    return in_session(AUDIT, f"policy {policy} attached", *given, source=source)


CASES = (
    [
        _audit_under("with the exemption")(
            "iam:GetAccountSummary",
            "a policy that exempts root sessions lets an audit through",
            _NO_PASSWORD,
        ),
        _audit_under("without the exemption")(
            "iam:GetAccountSummary",
            "a policy without the exemption denies an audit, and the response names the policy",
            _denial("iam:GetAccountSummary", resource="*"),
            measures="time until a service control policy is effective",
        ),
        _audit_under("without the exemption")(
            "iam:GetUser",
            "a policy without the exemption denies what acts on the root user",
            _denial("iam:GetUser"),
        ),
        _audit_under("without the exemption", "policy without the exemption detached")(
            "iam:GetAccountSummary",
            "after a policy is detached an audit works again",
            _NO_PASSWORD,
            measures="time until a detached service control policy is no longer effective",
        ),
        assume_root(Level.MEMBER, MEMBER, AUDIT)(
            "a policy on the member account does not deny AssumeRoot itself",
            SESSION,
            given=(*WITH_CREDENTIALS, "policy without the exemption attached"),
            source=Source.ASSUMED,
        ),
        _audit_under("on bool mfa", source=Source.ASSUMED)(
            "iam:GetUser",
            "the MFA key is absent in a root session: Bool false does not deny",
            succeeds({"User": {"UserId": MEMBER, "{and more}": True}}),
        ),
        _audit_under("on bool if exists mfa", source=Source.ASSUMED)(
            "iam:GetUser",
            "a root session counts as one without MFA: BoolIfExists false denies",
            _denial("iam:GetUser"),
        ),
        in_session(RECOVER, "policy on password attached")(
            "iam:CreateLoginProfile",
            "a policy on the creation of passwords denies the recovery",
            _denial("iam:CreateLoginProfile"),
            afterwards={"AccountPasswordPresent": 0},
        ),
        _audit_under("on password")(
            "iam:GetAccountSummary",
            "a policy on the creation of passwords does not deny an audit",
            _NO_PASSWORD,
        ),
    ]
    + [
        assume_root(Level.MEMBER, MEMBER, AUDIT)(
            f"a resource control policy on the member account denies AssumeRoot of {who}",
            DENIED,
            given=(*WITH_CREDENTIALS, *given, "policy of resources on AssumeRoot attached"),
            caller=caller,
            source=Source.ASSUMED,
        )
        for who, caller, given in (
            ("the management account", MANAGEMENT_ACCOUNT, ()),
            ("a delegated administrator", DELEGATE, (REGISTERED,)),
        )
    ]
    + [
        assume_root(Level.MEMBER, MEMBER, AUDIT)(
            "a service control policy on a delegated administrator denies its AssumeRoot",
            DENIED,
            given=(*WITH_CREDENTIALS, REGISTERED, "policy of the delegate on AssumeRoot attached"),
            caller=DELEGATE,
            source=Source.ASSUMED,
        ),
    ]
)

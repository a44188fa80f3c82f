"""The cases of root credentials in a disposable member account."""

from __future__ import annotations

from functools import partial

from acceptance.callers import AUDIT, DELETE, RECOVER
from acceptance.cases._build import (
    DENIED,
    PASSWORD,
    ROOT,
    denial,
    in_session,
    refusal,
    succeeds,
)
from acceptance.model import MEMBER, Source

_KEY = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}
_NO_ENTITY = refusal("NoSuchEntity", http=404)
_WITH_PASSWORD, _WITHOUT_PASSWORD = ({"AccountPasswordPresent": present} for present in (1, 0))

_assumed = partial(in_session, source=Source.ASSUMED)
_audit, _delete, _recover = (in_session(policy) for policy in (AUDIT, DELETE, RECOVER))

CASES = (
    [
        _audit(
            "sts:GetCallerIdentity",
            "the caller in a root session is the root user",
            succeeds({"Account": MEMBER, "Arn": ROOT, "UserId": MEMBER}),
        ),
    ]
    + [
        _delete(
            f"iam:{operation}",
            f"a session that deletes may call {operation}",
            succeeds({members: []}),
        )
        for operation, members in (
            ("ListAccessKeys", "AccessKeyMetadata"),
            ("ListMFADevices", "MFADevices"),
            ("ListSigningCertificates", "Certificates"),
        )
    ]
    + [
        _delete(
            "iam:GetLoginProfile", "a session that deletes may look for the password", _NO_ENTITY
        ),
        _recover(
            "iam:GetLoginProfile",
            "a session that allows recovery may look for the password",
            _NO_ENTITY,
        ),
        _delete(
            "iam:GetAccountSummary",
            "a session that deletes cannot get the account's summary",
            denial("iam:GetAccountSummary", resource="*"),
        ),
        in_session(AUDIT, PASSWORD)(
            "iam:DeleteLoginProfile",
            "a session that audits cannot delete the password",
            denial("iam:DeleteLoginProfile"),
            afterwards=_WITH_PASSWORD,
        ),
        _audit(
            "iam:CreateLoginProfile",
            "a session that audits cannot allow recovery",
            denial("iam:CreateLoginProfile"),
            afterwards=_WITHOUT_PASSWORD,
        ),
        in_session(RECOVER, PASSWORD)(
            "iam:DeleteLoginProfile",
            "a session that allows recovery cannot delete the password",
            denial("iam:DeleteLoginProfile"),
            afterwards=_WITH_PASSWORD,
        ),
        _delete(
            "iam:UpdateAccessKey",
            "an access key cannot be deactivated first",
            DENIED,
            Status="Inactive",
            **_KEY,
        ),
        _audit("iam:ListUsers", "the users of the account are out of reach", DENIED),
        _audit(
            "iam:GetUser", "a named user is out of reach", DENIED, UserName="root-access-acceptance"
        ),
        _assumed(AUDIT)(
            "iam:GetAccessKeyLastUsed",
            "the last use of another user's key is out of reach",
            DENIED,
            **_KEY,
        ),
        _delete(
            "iam:DeleteLoginProfile",
            "deleting a missing password is NoSuchEntity",
            _NO_ENTITY,
            afterwards=_WITHOUT_PASSWORD,
        ),
    ]
    + [
        _assumed(DELETE)(f"iam:{operation}", f"{what} is NoSuchEntity", _NO_ENTITY, **parameters)
        for operation, what, parameters in (
            ("DeleteAccessKey", "deleting a missing access key", _KEY),
            (
                "DeactivateMFADevice",
                "deactivating a missing MFA device",
                {"SerialNumber": f"arn:aws:iam::{MEMBER}:mfa/root-access-acceptance"},
            ),
            (
                "DeleteSigningCertificate",
                "deleting a missing signing certificate",
                {"CertificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE"},
            ),
        )
    ]
    + [
        _assumed(RECOVER)(
            "iam:CreateLoginProfile",
            "a session that allows recovery cannot choose the password",
            refusal("ValidationError", http=400),
            afterwards=_WITHOUT_PASSWORD,
            Password="not-a-secret-Password-1",
        ),
        in_session(AUDIT, PASSWORD)(
            "iam:GetLoginProfile",
            "an existing password has a creation date",
            succeeds({"LoginProfile": {"CreateDate": "{time}", "PasswordResetRequired": "{any}"}}),
        ),
        _assumed(AUDIT, PASSWORD)(
            "iam:GetAccountSummary",
            "the summary shows a root password at once",
            succeeds({"SummaryMap": {**_WITH_PASSWORD, "{and more}": True}}),
            measures="time until a password is visible",
        ),
        _assumed(AUDIT, PASSWORD, f"no {PASSWORD}")(
            "iam:GetLoginProfile",
            "a deleted root password is NoSuchEntity at once",
            _NO_ENTITY,
            measures="time until a deletion is visible",
        ),
        _assumed(AUDIT, PASSWORD)(
            "iam:GetUser",
            "a password that was never used has no last use",
            succeeds({"User": {"UserId": MEMBER, "Arn": ROOT, "CreateDate": "{time}"}}),
        ),
        _assumed(AUDIT)(
            "organizations:DescribeOrganization",
            "a root session cannot read the organization",
            refusal("AccessDeniedException", http=400),
        ),
    ]
)

"""Example reports: small ones, large ones, and hostile ones."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from root_tasks.messages import DETAILS_UNAVAILABLE, NO_RESULT_ACTING, PROTECTED, in_use_since
from root_tasks.model.report import (
    AccessKey,
    AccountResult,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    Report,
    RootCredentials,
    Task,
)
from root_tasks.report.render import as_html

MANAGEMENT, SECURITY = "111111111111", "222222222222"
STARTED = datetime(2026, 11, 20, 4, 10, tzinfo=UTC)
NONE = RootCredentials(password=False)

DENIED = (
    "iam:GetAccountSummary: AccessDenied: User: arn:aws:iam::{account_id}:root is not authorized to perform: "
    "iam:GetAccountSummary on resource: * with an explicit deny in a service control policy."
)
SCP_HINT = (
    "A service control policy denies this account's root user, and root sessions with it. To exempt root "
    'sessions, add the condition "Null": {"aws:AssumedRoot": "true"} to its statement.'
)

# Names that must stay text.
HOSTILE_NAMES = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "]]>&lt;&amp;&quot;",
    "line\u2028separator\u2029paragraph",
    "quotes \" and ' and `${alert(3)}`",
    "two\nlines\r\nthree",
    "\u202eright to left\u202c שלום",
    "%%report%%",
    "\\u003cscript\\u003e",
    "{{7*7}}",
    "",
)


def result(
    account_id: str,
    outcome: Outcome = Outcome.CLEAN,
    *,
    name: str | None = None,
    reason: str | None = None,
    hint: str | None = None,
    credentials: RootCredentials | None = None,
    items: tuple[Item, ...] = (),
) -> AccountResult:
    """The result of a task in an account."""
    name = name or f"account-{account_id[-4:]}"
    return AccountResult(
        account_id=account_id,
        name=name,
        email=f"aws+{account_id[-4:]}@example.com",
        outcome=outcome,
        reason=reason,
        hint=hint,
        credentials=NONE if outcome is Outcome.CLEAN else credentials,
        items=items,
    )


def inaccessible(account_id: str, *, name: str | None = None) -> AccountResult:
    """An account whose root sessions a service control policy denies."""
    return result(
        account_id,
        Outcome.INACCESSIBLE,
        name=name,
        reason=DENIED.format(account_id=account_id),
        hint=SCP_HINT,
    )


def report(
    *results: AccountResult,
    task: Task = Task.AUDIT,
    executed_plan: str | None = None,
    full: bool = True,
    run_id: str = "audit-2026-11-20",
    started_at: datetime = STARTED,
) -> Report:
    """A run from the delegated administrator's account."""
    return Report(
        run_id=run_id,
        task=task,
        executed_plan=executed_plan,
        full=full and task is Task.AUDIT,
        organization_id="o-8j81brsjuj",
        management_account_id=MANAGEMENT,
        account_id=SECURITY,
        started_at=started_at,
        finished_at=started_at + timedelta(seconds=97),
        results=results,
    )


def page_of(report: Report) -> str:
    """The page of a report, whose plan can be executed for 24 hours."""
    return as_html(report, plan_lifetime=timedelta(hours=24))


def key(
    number: int, *, active: bool = True, age: int = 900, used: int | None = None, service: str = "s3"
) -> AccessKey:
    """An access key; ages in days."""
    return AccessKey(
        access_key_id=f"AKIAIOSFODNN{number:08d}",
        status="Active" if active else "Inactive",
        created_at=STARTED - timedelta(days=age),
        last_used_at=None if used is None else STARTED - timedelta(days=used),
        last_used_service=None if used is None else service,
    )


def example_audit() -> Report:
    """An audit of a small organization with an account of every kind."""
    return report(
        result(
            MANAGEMENT,
            Outcome.SKIPPED,
            name="management",
            reason="Root sessions are not supported for the management account.",
        ),
        result(SECURITY, name="security"),
        result("300000000001", name="log-archive"),
        result(
            "300000000002",
            Outcome.HAS_CREDENTIALS,
            name="payments-production",
            credentials=RootCredentials(
                password=True,
                password_last_used_at=STARTED - timedelta(days=12),
                access_keys=(key(1, used=3), key(2, active=False, age=2100)),
                mfa_devices=("arn:aws:iam::300000000002:mfa/root-account-mfa-device",),
            ),
        ),
        result("300000000003", name="payments-staging"),
        result(
            "300000000004",
            Outcome.HAS_CREDENTIALS,
            name="data-lake",
            credentials=RootCredentials(password=True, password_last_used_at=STARTED - timedelta(days=1240)),
        ),
        inaccessible("300000000005", name="acquired-shop"),
        result(
            "300000000006",
            Outcome.HAS_CREDENTIALS,
            name="legacy-mainframe-bridge",
            credentials=RootCredentials(
                password=False,
                access_keys=(key(3, age=4100, used=46, service="sqs"),),
                signing_certificates=("KXQ4L2N6TZPEXAMPLE7CERTIFICATE22",),
            ),
        ),
        inaccessible("300000000007", name="acquired-shop-staging"),
        result("300000000008", name="network"),
        result("300000000009", name="sandbox-ana"),
        result("300000000010", Outcome.SKIPPED, name="closed-lab", reason="Its state is SUSPENDED."),
        result("300000000011", name="sandbox-björn"),
        result("300000000012", name="analytics"),
    )


def large_audit(accounts: int = 10_000) -> Report:
    """An audit of a large organization: 1 in 25 with credentials, 1 in 50 inaccessible, 1 in 100 skipped."""
    return report(*(_one_of_many(number) for number in range(accounts)))


def _one_of_many(number: int) -> AccountResult:
    account_id = f"{400_000_000_000 + number * 7_919}"
    name = f"team-{number % 211}-{('production', 'staging', 'sandbox')[number % 3]}"
    if number % 25 == 7:
        credentials = RootCredentials(
            password=number % 2 == 1,
            password_last_used_at=STARTED - timedelta(days=number % 2000) if number % 2 else None,
            access_keys=tuple(
                key(number * 2 + each, used=number % 700 + 1 if each == 0 else None)
                for each in range(number % 3)
            )
            or (() if number % 2 else (key(number * 2),)),
            mfa_devices=(f"arn:aws:iam::{account_id}:mfa/root",) if number % 4 == 1 else (),
        )
        return result(account_id, Outcome.HAS_CREDENTIALS, name=name, credentials=credentials)
    if number % 50 == 3:
        return inaccessible(account_id, name=name)
    if number % 100 == 1:
        return result(account_id, Outcome.SKIPPED, name=name, reason="Its state is SUSPENDED.")
    return result(account_id, name=name)


def _in_plan(
    type_: ItemType, id_: str | None = None, *, age: int, used: int | None = None, service: str | None = None
) -> Item:
    """A credential that a plan lists; ages in days."""
    return Item(
        type=type_,
        id=id_,
        outcome=Outcome.PLANNED,
        credential=CredentialDetails(
            status="Active" if type_ is ItemType.ACCESS_KEY else None,
            created_at=STARTED - timedelta(days=age),
            last_used_at=None if used is None else STARTED - timedelta(days=used),
            last_used_service=service,
        ),
    )


def partly_read_audit() -> Report:
    """An audit of an account of which hardly more could be read than that it has credentials."""
    return report(
        result(
            "300000000002",
            Outcome.HAS_CREDENTIALS,
            name="payments-production",
            reason=f"{DETAILS_UNAVAILABLE} iam:ListAccessKeys: AccessDenied: Not authorized.",
            credentials=RootCredentials(
                password=True,
                password_last_use_unread=True,
                access_keys=None,
                mfa_devices=None,
                signing_certificates=None,
            ),
        )
    )


def example_plan() -> Report:
    """A plan to delete root credentials."""
    return report(
        result(
            "300000000002",
            Outcome.PLANNED,
            name="payments-production",
            items=(
                _in_plan(ItemType.PASSWORD, age=1500, used=1240),
                _in_plan(ItemType.ACCESS_KEY, "AKIAIOSFODNN00000001", age=900, used=400, service="s3"),
                _in_plan(ItemType.ACCESS_KEY, "AKIAIOSFODNN00000002", age=2100),
            ),
        ),
        result("300000000003", Outcome.NOTHING_TO_DO, name="payments-staging"),
        result(
            "300000000004",
            Outcome.SKIPPED,
            name="break-glass",
            reason=PROTECTED,
        ),
        result(
            "300000000006",
            Outcome.IN_USE,
            name="legacy-mainframe-bridge",
            reason=in_use_since(STARTED - timedelta(days=90)),
            items=(
                dataclasses.replace(
                    _in_plan(ItemType.ACCESS_KEY, "AKIAIOSFODNN00000003", age=4100, used=46, service="sqs"),
                    outcome=Outcome.IN_USE,
                    message=in_use_since(STARTED - timedelta(days=90)),
                ),
            ),
        ),
        task=Task.DELETE_CREDENTIALS,
        run_id="plan-2026-11-20",
    )


def example_execution() -> Report:
    """The execution of a plan to delete root credentials, some of which failed."""
    return report(
        result(
            "300000000002",
            Outcome.FAILED,
            name="payments-production",
            reason="1 of 3 items failed.",
            items=(
                Item(type=ItemType.PASSWORD, outcome=Outcome.DONE),
                Item(type=ItemType.ACCESS_KEY, id="AKIAIOSFODNN00000001", outcome=Outcome.DONE),
                Item(
                    type=ItemType.ACCESS_KEY,
                    id="AKIAIOSFODNN00000002",
                    outcome=Outcome.FAILED,
                    message="iam:DeleteAccessKey: ServiceFailure: Try again.",
                ),
            ),
        ),
        result(
            "300000000004",
            Outcome.DONE,
            name="data-lake",
            items=(Item(type=ItemType.PASSWORD, outcome=Outcome.DONE),),
        ),
        result(
            "300000000006",
            Outcome.UNKNOWN,
            name="legacy-mainframe-bridge",
            reason=NO_RESULT_ACTING,
        ),
        task=Task.DELETE_CREDENTIALS,
        executed_plan="plan-2026-11-20",
        run_id="delete-2026-11-20",
    )


def hostile_audit() -> Report:
    """An audit with hostile names in every text that an account or AWS can choose."""
    return report(
        *(
            AccountResult(
                account_id=f"{500_000_000_000 + number}",
                name=name,
                email=name,
                outcome=Outcome.HAS_CREDENTIALS,
                reason=name,
                hint=name,
                credentials=RootCredentials(
                    password=True,
                    access_keys=(
                        AccessKey(
                            access_key_id=name,
                            status=name,
                            created_at=None,
                            last_used_at=STARTED,
                            last_used_service=name,
                        ),
                    ),
                    mfa_devices=(name,),
                    signing_certificates=(name,),
                ),
                items=(Item(type=ItemType.ACCESS_KEY, id=name, outcome=Outcome.FAILED, message=name),),
            )
            for number, name in enumerate(HOSTILE_NAMES)
        )
    )

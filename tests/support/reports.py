"""Example reports: small ones, large ones, and hostile ones."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from root_tasks.messages import DETAILS_UNAVAILABLE, LOOK_AGAIN, NO_RESULT, PROTECTED, in_use_since
from root_tasks.model.report_schema import (
    AccessKey,
    AccountResult,
    Change,
    ChangeType,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    Report,
    RootCredentials,
    Task,
)
from root_tasks.report.changes import with_history
from root_tasks.report.management_root_user import management_outcome
from root_tasks.report.render import as_html, as_json
from root_tasks.report.risk import in_order_of_risk
from root_tasks.tasks.policy_documents import difference

MANAGEMENT, SECURITY = "111111111111", "222222222222"
STARTED_AT = datetime(2026, 11, 20, 4, 10, tzinfo=UTC)
NO_CREDENTIALS = RootCredentials(password=False)

DENIAL_TEMPLATE = (
    "iam:GetAccountSummary: AccessDenied: User: arn:aws:iam::{account_id}:root is not authorized "
    "to perform: "
    "iam:GetAccountSummary on resource: * with an explicit deny in a service control policy."
)
SCP_HINT = (
    "A service control policy denies this account's root user, and root sessions with it. To "
    "exempt root "
    'sessions, add the condition "Null": {"aws:AssumedRoot": "true"} to its statement.'
)

# What no font shows, or what reorders text: of each kind that Unicode has.
HIDDEN_TEXT = (
    "admin\u2066 reversed\u2069\u200f, zero width\u200b\u2060\ufeff\u00ad, "
    "\u3164\u115f\u1160\uffa0\u2800, "
    "symbol\U0001d159\U00016fe4, tag\U000e0041\U000e007f, selector\ufe0f\U000e0100, "
    "joiner\u034f\u200d, "
    "vowel\u17b5\u180b\u180e, blank\u00a0\u3000, control\x00\x1b[31m\x7f\x9b, private\ue000, "
    "nothing\uffff"
)
HIDDEN_CHARACTERS = {character for character in HIDDEN_TEXT if not " " <= character <= "~"}
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
    HIDDEN_TEXT,
    "%%report%%",
    "\\u003cscript\\u003e",
    "{{7*7}}",
    "|![x](https://example.com/x)\\|``` ` [y](https://example.com) <b>z</b> www.example.com "
    "@team #1\\",
    "",
)


def account_result(
    account_id: str,
    outcome: Outcome = Outcome.CLEAN,
    *,
    name: str | None = None,
    unit: str | None = None,
    **details: Any,
) -> AccountResult:
    """The result of a task in an account."""
    details.setdefault("credentials", NO_CREDENTIALS if outcome is Outcome.CLEAN else None)
    return AccountResult(
        account_id=account_id,
        name=name or f"account-{account_id[-4:]}",
        email=f"aws+{account_id[-4:]}@example.com",
        outcome=outcome,
        organizational_unit=unit,
        **details,
    )


def account_with_credentials(
    account_id: str,
    name: str = "",
    unit: str | None = None,
    *,
    password: bool = False,
    **others: Any,
) -> AccountResult:
    """An account whose root user has credentials."""
    credentials = RootCredentials(password=password, **others)
    return account_result(
        account_id, Outcome.HAS_CREDENTIALS, name=name, unit=unit, credentials=credentials
    )


def accepted_account(account_id: str) -> AccountResult:
    """An account whose root user has a password, which is accepted."""
    found = account_with_credentials(account_id, password=True)
    return replace(found, outcome=Outcome.ACCEPTED)


def management_account_result(credentials: RootCredentials | None) -> AccountResult:
    """The management account in an audit of it; None if its root user could not be read."""
    outcome = management_outcome(credentials) if credentials else Outcome.INACCESSIBLE
    return account_result(MANAGEMENT, outcome, credentials=credentials)


def inaccessible_account(account_id: str, *, name: str | None = None) -> AccountResult:
    """An account whose root sessions a service control policy denies."""
    return account_result(
        account_id,
        Outcome.INACCESSIBLE,
        name=name,
        reason=DENIAL_TEMPLATE.format(account_id=account_id),
        hint=SCP_HINT,
    )


def report_of(
    *results: AccountResult,
    task: Task = Task.AUDIT,
    sets_policy: bool = False,
    executed_plan: str | None = None,
    full: bool = True,
    run_id: str = "audit-2026-11-20",
    started_at: datetime = STARTED_AT,
) -> Report:
    """The report of a run in the delegated administrator's account."""
    # Reports show it as "1 min 37 s".
    finished_at = started_at + timedelta(seconds=97)
    return Report(
        run_id=run_id,
        task=task,
        sets_policy=sets_policy,
        executed_plan=executed_plan,
        # Only an audit can be of every account.
        full=full and task is Task.AUDIT,
        organization_id="o-8j81brsjuj",
        management_account_id=MANAGEMENT,
        account_id=SECURITY,
        started_at=started_at,
        finished_at=finished_at,
        results=tuple(in_order_of_risk(results, at=finished_at)),
    )


def html_page_of(report: Report) -> str:
    """The page of a report, as its run writes it."""
    return as_html(report, as_json(report)).decode()


def access_key(
    number: int,
    *,
    active: bool = True,
    age: int = 900,
    used: int | None = None,
    service: str = "s3",
) -> AccessKey:
    """An access key; ages in days."""
    return AccessKey(
        access_key_id=f"AKIAIOSFODNN{number:08d}",
        status="Active" if active else "Inactive",
        created_at=STARTED_AT - timedelta(days=age),
        last_used_at=None if used is None else STARTED_AT - timedelta(days=used),
        last_used_service=None if used is None else service,
    )


def example_audit() -> Report:
    """An audit of a small organization with an account of every kind."""
    return report_of(
        account_result(
            MANAGEMENT,
            Outcome.SKIPPED,
            unit="Root",
            name="management",
            reason="Root sessions are not supported for the management account.",
        ),
        account_result(SECURITY, unit="Root/Security", name="security"),
        account_result("300000000001", unit="Root/Security", name="log-archive"),
        account_with_credentials(
            "300000000002",
            "payments-production",
            "Root/Workloads/Production",
            password=True,
            password_last_used_at=STARTED_AT - timedelta(days=12),
            access_keys=(access_key(1, used=3), access_key(2, active=False, age=2100)),
            mfa_devices=("arn:aws:iam::300000000002:mfa/root-account-mfa-device",),
        ),
        account_result("300000000003", unit="Root/Workloads/Staging", name="payments-staging"),
        account_with_credentials(
            "300000000004",
            "data-lake",
            "Root/Workloads/Production",
            password=True,
            password_last_used_at=STARTED_AT - timedelta(days=1240),
        ),
        inaccessible_account("300000000005", name="acquired-shop"),
        account_with_credentials(
            "300000000006",
            "legacy-mainframe-bridge",
            "Root/Workloads/Production",
            access_keys=(access_key(3, age=4100, used=46, service="sqs"),),
            signing_certificates=("KXQ4L2N6TZPEXAMPLE7CERTIFICATE22",),
        ),
        inaccessible_account("300000000007", name="acquired-shop-staging"),
        account_result("300000000008", unit="Root/Infrastructure", name="network"),
        account_result("300000000009", unit="Root/Sandbox", name="sandbox-ana"),
        account_result(
            "300000000010",
            Outcome.SKIPPED,
            unit="Root/Suspended",
            name="closed-lab",
            reason="Its state is SUSPENDED.",
        ),
        account_result("300000000011", unit="Root/Sandbox", name="sandbox-björn"),
        account_result("300000000012", unit="Root/Workloads/Production", name="analytics"),
    )


def audit_with_history() -> Report:
    """The example audit as the last of weekly full audits, with what has changed."""
    audit = example_audit()
    before = replace(audit, run_id="audit-1", started_at=STARTED_AT - timedelta(weeks=1))
    return replace(
        with_history(audit, previous=before),
        changes=(
            Change(
                type=ChangeType.CREDENTIALS_APPEARED,
                account_id="300000000002",
                credentials=(ItemType.ACCESS_KEY, ItemType.ACCESS_KEY, ItemType.MFA_DEVICE),
            ),
            Change(type=ChangeType.JOINED, account_id="300000000012"),
            Change(
                type=ChangeType.CREDENTIALS_DISAPPEARED,
                account_id="300000000003",
                credentials=(ItemType.ACCESS_KEY,),
            ),
        ),
    )


def large_audit(accounts: int) -> Report:
    """An audit of a large organization: accounts like the example's, in 211 units."""
    kinds = example_audit().results
    return report_of(
        *(
            replace(
                kinds[number % len(kinds)],
                account_id=f"{400_000_000_000 + number * 7_919}",
                name=f"team-{number % 211}-{('production', 'staging', 'sandbox')[number % 3]}",
                organizational_unit=f"Root/Teams/Team {number % 211}",
            )
            for number in range(accounts)
        )
    )


def _in_plan(
    type_: ItemType,
    id_: str | None = None,
    *,
    age: int,
    used: int | None = None,
    service: str | None = None,
) -> Item:
    """A credential that a plan lists; ages in days."""
    return Item(
        type=type_,
        id=id_,
        outcome=Outcome.PLANNED,
        credential=CredentialDetails(
            status="Active" if type_ is ItemType.ACCESS_KEY else None,
            created_at=STARTED_AT - timedelta(days=age),
            last_used_at=None if used is None else STARTED_AT - timedelta(days=used),
            last_used_service=service,
        ),
    )


def partly_read_audit() -> Report:
    """An audit of an account of which hardly more could be read than that it has credentials."""
    return report_of(
        account_result(
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
    plan = report_of(
        account_result(
            "300000000002",
            Outcome.PLANNED,
            name="payments-production",
            items=(
                _in_plan(ItemType.PASSWORD, age=1500, used=1240),
                _in_plan(
                    ItemType.ACCESS_KEY, "AKIAIOSFODNN00000001", age=900, used=400, service="s3"
                ),
                _in_plan(ItemType.ACCESS_KEY, "AKIAIOSFODNN00000002", age=2100),
            ),
        ),
        account_result("300000000003", Outcome.NOTHING_TO_DO, name="payments-staging"),
        account_result("300000000004", Outcome.SKIPPED, name="break-glass", reason=PROTECTED),
        account_result(
            "300000000006",
            Outcome.IN_USE,
            name="legacy-mainframe-bridge",
            reason=in_use_since(STARTED_AT - timedelta(days=90)),
            items=(
                replace(
                    _in_plan(
                        ItemType.ACCESS_KEY,
                        "AKIAIOSFODNN00000003",
                        age=4100,
                        used=46,
                        service="sqs",
                    ),
                    outcome=Outcome.IN_USE,
                    message=in_use_since(STARTED_AT - timedelta(days=90)),
                ),
            ),
        ),
        task=Task.DELETE,
        run_id="plan-2026-11-20",
    )
    return replace(plan, plan_expires_at=plan.started_at + timedelta(hours=24))


def example_execution() -> Report:
    """The execution of a plan to delete root credentials, some of which failed."""
    password, first, second = (
        replace(item, credential=None) for item in example_plan().results[0].items
    )
    failed = replace(
        second, outcome=Outcome.FAILED, message="iam:DeleteAccessKey: ServiceFailure: Try again."
    )
    done = tuple(replace(item, outcome=Outcome.DONE) for item in (password, first))
    return report_of(
        account_result(
            "300000000002",
            Outcome.FAILED,
            name="payments-production",
            reason="1 of 3 items failed.",
            items=(*done, failed),
        ),
        account_result("300000000004", Outcome.DONE, name="data-lake", items=done[:1]),
        account_result(
            "300000000006",
            Outcome.UNKNOWN,
            name="legacy-mainframe-bridge",
            reason=f"{NO_RESULT} {LOOK_AGAIN}",
        ),
        task=Task.DELETE,
        executed_plan="plan-2026-11-20",
        run_id="delete-2026-11-20",
    )


def example_unlock() -> Report:
    """The execution of a plan to remove queue policies, with names as long as those of AWS."""
    name = "orders-of-the-web-shop.fifo"
    queues = [f"arn:aws:sqs:eu-central-1:30000000000{number}:{name}" for number in (2, 6)]
    run_id = "unlock-2026-11-20T04-10-00-8f2c1d7a"
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*"}]}'
    items = [
        Item(
            type=ItemType.QUEUE_POLICY,
            id=queue,
            outcome=Outcome.DONE,
            region="eu-central-1",
            policy=policy,
            difference=difference(policy, None),
            backup=f"backups/{run_id}/{queue.split(':')[4]}/{name}/{'bad895a4' * 8}.json",
            message=message,
        )
        for queue, message in zip(
            queues, (None, "The policy was the one of the plan."), strict=True
        )
    ]
    return report_of(
        account_result("300000000002", Outcome.DONE, name="payments-production", items=(items[0],)),
        account_result(
            "300000000006", Outcome.DONE, name="legacy-mainframe-bridge", items=(items[1],)
        ),
        task=Task.UNLOCK_QUEUE,
        executed_plan="plan-2026-11-20",
        run_id=run_id,
    )


def hostile_audit(task: Task = Task.AUDIT) -> Report:
    """An audit, or a plan, with hostile names in every text that others can choose."""
    outcome = Outcome.HAS_CREDENTIALS if task is Task.AUDIT else Outcome.PLANNED
    written = report_of(
        *(
            AccountResult(
                account_id=f"{500_000_000_000 + number}",
                name=name,
                email=name,
                outcome=outcome,
                reason=name,
                hint=name,
                credentials=RootCredentials(
                    password=True,
                    access_keys=(
                        replace(
                            access_key(1, used=0),
                            access_key_id=name,
                            status=name,
                            last_used_service=name,
                        ),
                    ),
                    mfa_devices=(name,),
                    signing_certificates=(name,),
                ),
                items=(
                    Item(
                        type=ItemType.ACCESS_KEY,
                        id=name,
                        outcome=Outcome.FAILED,
                        message=name,
                        region=name,
                        policy=name,
                        difference=name,
                        backup=name,
                        credential=CredentialDetails(status=name, last_used_service=name),
                    ),
                ),
                organizational_unit=name,
            )
            for number, name in enumerate(HOSTILE_NAMES)
        ),
        task=task,
        run_id=HIDDEN_TEXT,
    )
    return replace(
        written,
        organization_id=HIDDEN_TEXT,
        requested_by=HIDDEN_TEXT,
        reason=HIDDEN_TEXT,
        warnings=HOSTILE_NAMES,
        changes=tuple(
            Change(type=ChangeType.CREDENTIALS_APPEARED, account_id=found.account_id)
            for found in written.results
        ),
    )

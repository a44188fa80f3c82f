"""A notice as it arrives, in mail and in chat: nothing that others wrote acts in it.

The notices themselves are in tests/notices/, for people to read, and the top of the page that they
are about. WRITE_NOTICES=1 writes them.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aws_calls.notices import Notice
from common.next_step import NextStep
from local_aws.emulation import LocalOrganization
from root_access.root_access_errors import ConvergenceError
from root_tasks.model.report_schema import Report, RootCredentials, RootFree
from root_tasks.report.audit_notice import audit_notice
from root_tasks.report.changes import with_history
from support.accounts import MANAGEMENT, OTHER_MEMBER
from support.arrange import IAM_PRINCIPAL, ROOT_CREDENTIALS_MANAGEMENT, enable_root_access
from support.drift_check import CLOUDTRAIL_EVENT, SCHEDULED_EVENT, DriftCheck, cloudtrail_event
from support.function import BOTH_FEATURES
from support.notices import (
    Published,
    card_in_chat,
    notice_as_delivered,
    read_or_write_golden,
    text_by_mail,
    text_of_code_block,
)
from support.reports import (
    STARTED_AT,
    accepted_account,
    account_result,
    account_with_credentials,
    html_page_of,
    inaccessible_account,
    management_account_result,
    report_of,
)
from support.root_events import (
    DENIED_CALL_EVENT,
    FAILED_SIGN_IN_EVENT,
    PASSWORD_RECOVERY_EVENT,
    SIGN_IN_EVENT,
    identity_of_root_user,
)
from support.root_use import RootUseNotices, log_delivery

HOSTILE_TEXTS = [
    "```\n<!channel> *read this*",
    "<https://example.com|the report>",
    "[the report](https://example.com)",
    "<at>everyone</at> <script>alert(1)</script>",
    "&lt;!here&gt; & so on",
    "# A title\n- [x] done\n> quoted ~~struck~~ `code`",
]
STEPS = (
    NextStep(what="Ask the caller."),
    NextStep(what="See what differs", command="status --all"),
)


def notice(message: str) -> Notice:
    """Return a notice that says what happened in this message."""
    return Notice(
        subject="A subject",
        message=message,
        thread="o-8j81brsjuj-root-access",
        next_steps=STEPS,
        runbook="Drift",
    )


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_what_others_wrote_is_text_in_mail_and_inert_in_chat(text: str) -> None:
    publication = notice(f"Caller: {text}\n").publication()
    assert text_by_mail(publication) == (
        f"Caller: {text}\n\nWhat to do:\n1. Ask the caller.\n2. See what differs:\n"
        "   status --all\n\n"
        "Runbook: Operating, Drift\n"
    )
    content = card_in_chat(publication)["content"]
    assert text_of_code_block(content["description"]) == f"Caller: {text}".replace("`", "'")
    assert content["nextSteps"] == [
        "Ask the caller.",
        "See what differs: `status --all`",
        "Runbook: Operating, Drift",
    ]


def test_what_is_too_long_for_chat_ends_with_a_whole_line_and_says_where_the_rest_is() -> None:
    lines = [f"{number:012}: 1 access key & 1 password\n" for number in range(200)]
    publication = notice("".join(lines)).publication()
    description = card_in_chat(publication)["content"]["description"]
    # Slack shows no more in one block.
    assert len(description) <= 3000
    *shown, last = text_of_code_block(description).splitlines(keepends=True)
    assert shown == lines[: len(shown)]
    # As many lines as fit into 2,900 characters, of 44 each.
    assert len(shown) == 65
    assert last == "… The mail has the rest."
    assert text_by_mail(publication).startswith("".join(lines))


def drift(
    *features: str,
    event: object = CLOUDTRAIL_EVENT,
    registered: Sequence[str] = (),
    hidden: bool = False,
    denied: str = "",
    **settings: Any,
) -> Callable[[LocalOrganization], Published]:
    """Return a function that checks an organization once and returns the notice of it.

    Args:
        features: The features that are enabled.
        event: What triggers the check.
        registered: The delegated administrators.
        hidden: Whether trusted access is disabled, which hides the features.
        denied: A call that the function's role is denied, if any.
        settings: Settings of the check, where they are not the usual ones.
    """

    def check(organization: LocalOrganization) -> Published:
        enable_root_access(
            organization, *features, delegated_administrators=registered, hidden=hidden
        )
        if denied:
            organization.deny(MANAGEMENT, denied)
        drift_check = DriftCheck(**settings)
        with contextlib.suppress(ConvergenceError):
            drift_check(event)
        (notice,) = drift_check.published
        return notice

    return check


def root_use(
    *events: dict[str, Any], emergency_policy_id: str | None = "p-emergency1"
) -> Callable[[LocalOrganization], Published]:
    """Return a function that returns the notice of these events of root users."""

    def publish(organization: LocalOrganization) -> Published:
        function = RootUseNotices(emergency_policy_id=emergency_policy_id)
        function(log_delivery(*events))
        return function.published[0]

    return publish


DISABLED = cloudtrail_event(
    eventName="DisableAWSServiceAccess", requestParameters={"servicePrincipal": IAM_PRINCIPAL}
)
REGISTERED = cloudtrail_event(
    eventName="RegisterDelegatedAdministrator", requestParameters={"accountId": OTHER_MEMBER}
)
NOTICES = {
    "drift": drift(ROOT_CREDENTIALS_MANAGEMENT),
    "drift-that-will-be-repaired": drift(*BOTH_FEATURES, hidden=True, event=DISABLED, repair=True),
    "drift-of-a-delegated-administrator": drift(
        ROOT_CREDENTIALS_MANAGEMENT,
        event=REGISTERED,
        registered=[OTHER_MEMBER],
        delegated_administrators=(),
    ),
    "drift-undone": drift(*BOTH_FEATURES),
    "drift-repaired": drift(*BOTH_FEATURES, hidden=True, event=SCHEDULED_EVENT, repair=True),
    "drift-not-repaired": drift(
        event=SCHEDULED_EVENT, repair=True, denied="iam:EnableOrganizationsRootSessions"
    ),
    "root-use": root_use(DENIED_CALL_EVENT, SIGN_IN_EVENT),
    "root-use-without-an-emergency-policy": root_use(SIGN_IN_EVENT, emergency_policy_id=None),
    "root-use-attempted": root_use(
        PASSWORD_RECOVERY_EVENT, FAILED_SIGN_IN_EVENT | identity_of_root_user(MANAGEMENT)
    ),
    "root-use-in-two-accounts": root_use(
        DENIED_CALL_EVENT, DENIED_CALL_EVENT | identity_of_root_user(OTHER_MEMBER)
    ),
    "root-use-in-the-management-account": root_use(
        SIGN_IN_EVENT | identity_of_root_user(MANAGEMENT)
    ),
    "root-use-in-both": root_use(SIGN_IN_EVENT, SIGN_IN_EVENT | identity_of_root_user(MANAGEMENT)),
}


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_says_what_happened_and_what_to_do(
    organization: LocalOrganization, name: str
) -> None:
    publication = NOTICES[name](organization).publication
    assert publication["Subject"].isascii()
    # SNS takes subjects of up to 100 characters.
    assert len(publication["Subject"]) <= 100
    text = notice_as_delivered(publication).replace(organization.id, "o-8j81brsjuj")
    assert text == read_or_write_golden(name, text)


MANAGEMENT_RESULT = management_account_result(RootCredentials(password=False, mfa_devices=None))
BEFORE = report_of(
    account_result("300000000001"),
    accepted_account("300000000002"),
    account_result("300000000003"),
    account_with_credentials("300000000004", password=True),
    account_result("300000000006"),
    MANAGEMENT_RESULT,
)
AFTER = report_of(
    account_with_credentials("300000000001", password=True),
    replace(
        account_with_credentials("300000000002", password=True),
        reason="No longer accepted after 2026-11-19: billing.",
    ),
    inaccessible_account("300000000003"),
    account_result("300000000004"),
    account_result("300000000005"),
    inaccessible_account("300000000007"),
    management_account_result(RootCredentials(password=True, access_keys=None)),
    run_id="audit-2026-11-21",
    started_at=STARTED_AT + timedelta(days=1),
)
WITHOUT_CREDENTIALS = replace(
    AFTER,
    results=(
        account_result("300000000001"),
        account_result("300000000002", protected=True),
        accepted_account("300000000003"),
        inaccessible_account("300000000004"),
        MANAGEMENT_RESULT,
    ),
)
ROOT_FREE_BEFORE = replace(
    BEFORE,
    results=(
        *WITHOUT_CREDENTIALS.results[:3],
        account_result("300000000004"),
        MANAGEMENT_RESULT,
    ),
    root_free=RootFree(
        since=STARTED_AT - timedelta(days=253), audits=262, longest_gap=90_000, incomplete_audits=11
    ),
)
# The previous audit, or None, and the audit that the notice is about.
AUDITS: dict[str, tuple[Report | None, Report]] = {
    "audit-first": (None, AFTER),
    "audit-changes": (BEFORE, AFTER),
    "audit-root-free": (ROOT_FREE_BEFORE, WITHOUT_CREDENTIALS),
}


@pytest.mark.parametrize("name", AUDITS)
def test_a_notice_of_an_audit_and_its_page_say_the_worst_first(name: str) -> None:
    previous, audit = AUDITS[name]
    # Both audits ran in the management account, so they have looked at its own root user.
    previous = previous and replace(previous, account_id=MANAGEMENT)
    audit = replace(audit, account_id=MANAGEMENT)
    audit = with_history(audit, previous=previous)
    sent = audit_notice(audit, previous=previous, problem=None)
    assert sent is not None
    text = notice_as_delivered(sent.publication(), page=html_page_of(audit))
    assert text == read_or_write_golden(name, text)

"""Reads the management account's own root user, whom no root session reaches."""

from __future__ import annotations

from aws_calls.failures import CallError

from ..aws.invocation import Aws
from ..messages import management_account_unread
from ..model.report_schema import ItemType, Outcome, Result, RootCredentials
from ..model.run_documents import Run
from ..model.task import Task
from ..report.management_root_user import management_outcome
from ..tasks.credentials import GET_ACCOUNT_SUMMARY, types_in_summary

# The report waits for it, and matters more.
_READ_SECONDS = 60.0


def read_own_root_user(aws: Aws, run: Run) -> Result | None:
    """Read and return the management account's result; None unless an audit of it runs there.

    No task can run in the account, so its outcome is the verdict on its root user.
    """
    if run.task is not Task.AUDIT or run.account_id != run.management_account_id:
        return None
    if all(account.account_id != run.account_id for account in run.accounts):
        # The audit is of other accounts.
        return None
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
    try:
        existing = types_in_summary(aws.within(_READ_SECONDS).call(GET_ACCOUNT_SUMMARY))
    except CallError as error:
        reason = management_account_unread(str(error))
        return Result(account_id=run.account_id, outcome=Outcome.INACCESSIBLE, reason=reason)

    def none_or_unlisted(type_: ItemType) -> tuple[()] | None:
        # There are none; or some that are not listed, for which None stands.
        if type_ in existing:
            return None
        return ()

    has_password = ItemType.PASSWORD in existing
    has = RootCredentials(
        password=has_password,
        # The summary says that there is a password, not when it was used.
        password_last_use_unread=has_password,
        access_keys=none_or_unlisted(ItemType.ACCESS_KEY),
        mfa_devices=none_or_unlisted(ItemType.MFA_DEVICE),
        signing_certificates=none_or_unlisted(ItemType.SIGNING_CERTIFICATE),
    )
    return Result(account_id=run.account_id, outcome=management_outcome(has), credentials=has)

"""The root user of the management account. No root session reaches it: a run there reads its own account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.calls import call
from aws_calls.failures import CallError, describe

from ..messages import MANAGEMENT_ACCOUNT, management_account_unread
from ..model.report import ItemType, Outcome, Result, RootCredentials
from ..tasks.credentials import GET_ACCOUNT_SUMMARY, types_in_summary

if TYPE_CHECKING:
    from ..aws.context import Aws

# The report waits for it, and is worth more.
_READ_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class ManagementAccount:
    """The management account, if it is the functions' own.

    Attributes:
        aws: The function.
    """

    aws: Aws

    def result(self, account_id: str) -> Result:
        """Return its result: skipped, as no task can act there, but with what its root user has."""
        try:
            existing = types_in_summary(
                call(
                    self.aws.clients.iam.get_account_summary,
                    operation=GET_ACCOUNT_SUMMARY,
                    budget=self.aws.budget.ending_in(_READ_SECONDS),
                )
            )
        except CallError as error:
            reason = management_account_unread(describe(error.failure))
            return Result(account_id=account_id, outcome=Outcome.SKIPPED, reason=reason)

        def list_of(type_: ItemType) -> tuple[()] | None:
            # None is for what exists and has no list.
            return None if type_ in existing else ()

        has_password = ItemType.PASSWORD in existing
        return Result(
            account_id=account_id,
            outcome=Outcome.SKIPPED,
            reason=MANAGEMENT_ACCOUNT,
            credentials=RootCredentials(
                password=has_password,
                password_last_use_unread=has_password,
                access_keys=list_of(ItemType.ACCESS_KEY),
                mfa_devices=list_of(ItemType.MFA_DEVICE),
                signing_certificates=list_of(ItemType.SIGNING_CERTIFICATE),
            ),
        )

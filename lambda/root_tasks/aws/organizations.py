"""The lists of Organizations, twenty entries a page, and its root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_calls.failures import FailureKind, error_of_call
from aws_calls.responses import MAX_PAGES, function_of, pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import RetryBudget

LIST_ROOTS = "organizations:ListRoots"
# The maximum that Organizations allows.
MAX_ENTRIES_PER_PAGE = 20
# Organizations allows eight concurrent calls for most List APIs.
MAX_CALLS_IN_PARALLEL = 8
# Lists of a few entries: of the root, of what an account or a unit is in, of a target's policies.
_SHORT_LISTS = frozenset({LIST_ROOTS, "organizations:ListParents", "organizations:ListPoliciesForTarget"})
_MAX_SHORT_PAGES = 20


def entries(
    organizations: OrganizationsClient, operation: str, *, items: str, budget: RetryBudget, **parameters: str
) -> Iterator[Any]:
    """Yield the entries of a list of Organizations.

    Args:
        organizations: A client that makes one attempt per call.
        operation: The call, named as in an IAM policy.
        items: The member of the response that has the entries.
        budget: How long to retry transient failures of each page.
        parameters: What the call is about, such as a ParentId.

    Raises:
        CallError: A page failed or is incomplete, or the list does not end.
    """
    return pages(
        function_of(organizations, operation),
        operation=operation,
        budget=budget,
        items=items,
        max_pages=_MAX_SHORT_PAGES if operation in _SHORT_LISTS else MAX_PAGES,
        MaxResults=MAX_ENTRIES_PER_PAGE,
        **parameters,
    )


def organization_roots(organizations: OrganizationsClient, *, budget: RetryBudget) -> list[Any]:
    """Return the roots of the organization, of which it has one.

    Args:
        organizations: A client that makes one attempt per call.
        budget: How long to retry transient failures.

    Raises:
        CallError: The read failed, or no root came back: nothing may be concluded from that.
    """
    roots = list(entries(organizations, LIST_ROOTS, items="Roots", budget=budget))
    if not roots:
        raise error_of_call(LIST_ROOTS, FailureKind.INCOMPLETE_RESPONSE, "the response has no root")
    return roots

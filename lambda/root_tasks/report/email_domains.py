"""Whether the e-mail address of a root user is in one of the domains that it may have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def is_outside(email: str | None, domains: Collection[str]) -> bool | None:
    """Return whether an address is in another domain; None if no domain is listed, or no address is known.

    A subdomain is another domain. What is before the @ does not count: accounts may share a mailbox.
    """
    if not domains or email is None:
        return None
    return email.rpartition("@")[2].lower() not in {domain.lower() for domain in domains}

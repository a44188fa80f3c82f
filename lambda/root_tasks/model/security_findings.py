"""Which findings an audit has imported into Security Hub: what the next one has to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .codec import Document

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedFinding:
    """The finding of an account.

    Attributes:
        account_id: The account.
        created_at: When an audit imported it first.
    """

    account_id: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ImportedFindings(Document):
    """The findings that have not been archived."""

    KIND: ClassVar[str] = "findings"
    ENTRY: ClassVar[type] = ImportedFinding

    findings: tuple[ImportedFinding, ...]

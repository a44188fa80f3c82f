"""The parts of an ARN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Arn:
    """An ARN, such as arn:aws:states:us-east-1:111111111111:execution:Audit:nightly.

    Attributes:
        partition: Its partition, such as aws.
        region: Its Region; empty for a resource that is global.
        account_id: The account that has the resource.
        resource: The rest, such as execution:Audit:nightly.
    """

    partition: str
    region: str
    account_id: str
    resource: str

    @classmethod
    def parse(cls, arn: str) -> Self:
        """Return the parts of an ARN.

        Raises:
            ValueError: It has fewer than six.
        """
        _, partition, _, region, account_id, resource = arn.split(":", 5)
        return cls(partition=partition, region=region, account_id=account_id, resource=resource)

"""Replaces the accounts of cases by an organization's own, and what identifies it by examples."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from acceptance.model import DELEGATE, MANAGEMENT, MEMBER, STRANGER

ORGANIZATION_ID = "{organization id}"
_TOKENS = {
    ORGANIZATION_ID: re.compile(r"o-[a-z0-9]{10,32}"),
    "{root id}": re.compile(r"r-[a-z0-9]{4,32}(?![a-z0-9-])"),
    "{unit id}": re.compile(r"ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}"),
    "{policy id}": re.compile(r"p-[0-9a-z]{8,128}"),
    "{email}": re.compile(r"[^\s@\"'<>:/]+@[^\s@\"'<>:/]+"),
    "{id}": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "{authorization id}": re.compile(
        r"(?<=authorization-details/)[0-9a-z]+|(?<=authorization id: )[0-9a-z]+"
    ),
    "{key id}": re.compile(r"\b(AKIA|ASIA|AROA|AIDA|ACCA)[A-Z0-9]{8,}\b"),
}
_PRINCIPAL = re.compile(r"(?<=:)(user|role|assumed-role|federated-user|group)/[^\s\"',]+")
_ACCOUNT_ID = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
_MANAGED_POLICY = "p-FullAWSAccess"

# A string under any other key may be a name that a person chose.
_SAFE_KEYS = frozenset(
    {
        "Account",
        "Arn",
        "Code",
        "DefaultVersionId",
        "EnabledFeatures",
        "FeatureSet",
        "Id",
        "JoinedMethod",
        "MasterAccountId",
        "OrganizationId",
        "PolicyArn",
        "ServicePrincipal",
        "State",
        "Status",
        "Type",
        "UserId",
    }
)


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of one run.

    Attributes:
        organization_id: The organization.
        management: Its management account.
        member: The disposable member account; None if there is none.
        delegate: The account to register as a delegated administrator; None if there is none.
        run: Distinguishes this run's own resources.
        region: The Region of the bucket and the queue.
        role: The role in the member accounts that the management account may assume.
    """

    organization_id: str
    management: str
    member: str | None
    delegate: str | None
    run: str
    region: str
    role: str

    @property
    def own_name(self) -> str:
        """The name of the run's bucket, queue, user and policy."""
        return f"root-access-acceptance-{self.run}"

    @property
    def queue_arn(self) -> str:
        """The ARN of the run's queue."""
        return f"arn:aws:sqs:{self.region}:{self.member}:{self.own_name}"

    def to_real(self, value: Any) -> Any:
        """Return a value of a case with the organization's accounts and this run's resources."""
        match value:
            case str():
                for example, real in self._resources().items():
                    value = value.replace(example, real)
                return _ACCOUNT_ID.sub(
                    lambda found: self._accounts().get(found[0]) or found[0], value
                )
            case dict():
                return {key: self.to_real(member) for key, member in value.items()}
            case list() | tuple():
                return [self.to_real(entry) for entry in value]
            case _:
                return value

    def to_example(self, value: Any, *, caller: str | None = None, key: str = "") -> Any:
        """Return a value of a response without what identifies the organization or a person.

        Args:
            value: The value.
            caller: The ARN of the caller, if it is known.
            key: The key whose value it is: a string under an unknown key may be a name.
        """
        match value:
            case str():
                text = self.to_example_text(value, caller=caller)
                return text if key in _SAFE_KEYS else "{text}"
            case dict():
                return {
                    name: self.to_example(member, caller=caller, key=name)
                    for name, member in value.items()
                }
            case list() | tuple():
                return [self.to_example(entry, caller=caller, key=key) for entry in value]
            case bool() | int() | float() | datetime() | None:
                return value
            case _:
                return "{text}"

    def to_example_text(self, text: str, *, caller: str | None = None) -> str:
        """Return a sentence of AWS without what identifies the organization or a person."""
        if caller:
            text = text.replace(f"User: {caller} ", "User: {caller} ")
        for example, real in self._resources().items():
            text = text.replace(real, example)
        text = text.replace(_MANAGED_POLICY, "\0")
        for token, pattern in _TOKENS.items():
            text = pattern.sub(token, text)
        text = _PRINCIPAL.sub(r"\1/{name}", text.replace("\0", _MANAGED_POLICY))
        examples = {real: example for example, real in self._accounts().items() if real}
        return _ACCOUNT_ID.sub(lambda found: examples.get(found[0], STRANGER), text)

    def _accounts(self) -> dict[str, str | None]:
        """Return the organization's accounts, by those of the cases; None if there is none."""
        return {MANAGEMENT: self.management, DELEGATE: self.delegate, MEMBER: self.member}

    def _resources(self) -> dict[str, str]:
        """Return the names of the run's own resources, by their placeholders in the cases."""
        return {"{queue arn}": self.queue_arn, "{bucket}": self.own_name}

"""A case: something that AWS is given, a call, and the expected response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# The accounts of the cases; a run replaces them with those of the organization.
MANAGEMENT = "111111111111"
DELEGATE = "222222222222"
MEMBER = "333333333333"
STRANGER = "999999999999"

# The name that a call has instead of a service of AWS.
MEASUREMENT = "measurement"

MANAGEMENT_ACCOUNT = "management account"
ROOT_SESSION = "root session"


class Level(StrEnum):
    """The reach of a run's changes; each level includes those before it."""

    READ = "read"
    FEATURE = "feature"
    MEMBER = "member"

    def includes(self, other: Level) -> bool:
        """Return whether a run of this level has the cases of the other one."""
        levels = list(Level)
        return levels.index(other) <= levels.index(self)


class Source(StrEnum):
    """The source of an expected response."""

    RECORDED = "recorded"
    DOCUMENTED = "documented"
    ASSUMED = "assumed"


class Verdict(StrEnum):
    """The end of a case."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call.

    Attributes:
        operation: The service and the operation, such as ``iam:GetUser``.
        parameters: The parameters, with the accounts of the cases.
        host: The host to send the call to; None for the service's own.
    """

    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    host: str | None = None


@dataclass(frozen=True, kw_only=True)
class Response:
    """A response, with the accounts of the cases, and placeholders for what differs each time.

    Attributes:
        code: The error code; None for a success.
        http: The HTTP status; None if it does not matter.
        message: The message; None if it does not matter.
        reason: The reason that Organizations names.
        output: The members of a success that matter.
    """

    code: str | None = None
    http: int | None = None
    message: str | None = None
    reason: str | None = None
    output: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the response as a recording has it."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One assumption about AWS.

    Attributes:
        name: What is assumed, as a sentence.
        level: The level of the runs that have it.
        call: The call.
        response: The expected response.
        given: The steps that lead to the state before the call, from an organization without root
            access.
        caller: The caller.
        source: Why it is expected.
        afterwards: The root credentials in the member account after the call, by their keys in
            GetAccountSummary; None if they do not matter.
        not_shown_locally: Why the local AWS does not show it; None if it does.
        measures: What the time until the expected response measures; None for nothing.
        risk: What may stay behind for good; None for nothing.
    """

    name: str
    level: Level
    call: Call
    response: Response
    given: tuple[str, ...] = ()
    caller: str = MANAGEMENT_ACCOUNT
    source: Source = Source.DOCUMENTED
    afterwards: Mapping[str, int] | None = None
    not_shown_locally: str | None = None
    measures: str | None = None
    risk: str | None = None

    @property
    def needs_member(self) -> bool:
        """True if it needs the disposable member account."""
        return MEMBER in self._text or self.caller == ROOT_SESSION or self.level is Level.MEMBER

    @property
    def needs_delegate(self) -> bool:
        """True if it needs an account to register as a delegated administrator."""
        return DELEGATE in self._text

    @property
    def _text(self) -> str:
        """Everything in which a case may name an account."""
        return f"{self.given} {self.caller} {self.call.parameters}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run's result for a case.

    Attributes:
        case: The case.
        verdict: How it ended.
        response: The response, normalized; None if there was none.
        differences: In what it differs; if it was not seen, why.
        seconds: How long it took until the response was the expected one, or until the run gave up.
        afterwards: The root credentials after the call; None if they do not matter.
    """

    case: Case
    verdict: Verdict
    response: Response | None = None
    differences: tuple[str, ...] = ()
    seconds: float = 0.0
    afterwards: Mapping[str, int] | None = None

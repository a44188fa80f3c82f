"""Matching of a statement's actions and resources with a call."""

from __future__ import annotations

from .condition_keys import SessionRequest
from .documents import Statement
from .policy_text import Template, Unresolved, Variable, lowercase
from .session_calls import Call
from .truth import Truth, all_of, any_of


def action_matches(statement: Statement, call: Call) -> Truth:
    """Return whether Action or NotAction of a statement covers the action of a call."""
    action = call.action.lower()
    match = any_of(_one_action_matches(template, action) for template in statement.actions)
    if statement.not_action:
        return match.negation
    return match


def _one_action_matches(template: Template, action: str) -> Truth:
    """Compare an action in lowercase. Wildcards in the name of the service are not documented."""
    if template.matches_everything:
        return Truth.TRUE
    if not template.raw.isascii():
        # No action has such a name, unless AWS takes a letter for one that it resembles.
        return Truth.UNKNOWN
    if not template.matches(action):
        return Truth.FALSE
    service = action.partition(":")[0]
    if template.raw.startswith(f"{service}:"):
        return Truth.TRUE
    return Truth.UNKNOWN


def resource_matches(statement: Statement, request: SessionRequest) -> Truth:
    """Return whether Resource or NotResource of a statement covers what a call acts on."""
    match = any_of(
        _one_resource_matches(template, statement, request) for template in statement.resources
    )
    if statement.not_resource:
        return match.negation
    return match


def _one_resource_matches(
    template: Template, statement: Statement, request: SessionRequest
) -> Truth:
    """Return whether one entry of Resource or NotResource matches what a call acts on."""
    if template.matches_everything:
        return Truth.TRUE
    if not template.is_arn or not template.raw.isascii():
        # In other policies AWS completes an ARN with fewer parts; what Organizations makes of it is
        # not known.
        return Truth.UNKNOWN
    parts = template.arn_parts
    resource = request.call.resource
    if resource is None:
        return _matches_without_resource(parts, request.call)
    # Wildcards stay within their parts, because resources have as many colons as the ARN.
    return all_of(
        _part_matches(part, known, request, place=place, negated=statement.not_resource)
        for place, (part, known) in enumerate(zip(parts, resource, strict=True))
    )


def _matches_without_resource(parts: tuple[Template, ...], call: Call) -> Truth:
    """Compare an ARN with the resource of a call that has no resource type.

    Such a call acts on "*", which an ARN does not match. But AWS's guides also allow
    s3:ListAllMyBuckets on arn:aws:s3:::*, so an ARN whose name is an asterisk may match.
    """
    possible = ("arn", None, call.service, None, None, "*")
    for part, text in zip(parts, possible, strict=True):
        if text is not None and part.is_fixed and not part.in_lowercase.matches(text):
            return Truth.FALSE
    return Truth.UNKNOWN


def _text_matches(part: Template, known: str, *, is_name: bool) -> Truth:
    """Return whether a part of a policy's ARN matches the same part of a call's resource.

    In a name the case of letters counts; of the other parts AWS does not say whether it does. A
    call's other parts are in lowercase: the partition, the service, the Region and the account.
    """
    if part.matches(known):
        return Truth.TRUE
    if is_name or not part.in_lowercase.matches(known):
        return Truth.FALSE
    return Truth.UNKNOWN


# The place of the account among the parts of an ARN.
_ACCOUNT = 4
# The characters that the parts of an ARN that are not known beforehand can have: a Region, or the
# name of a bucket or queue.
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def _part_matches(
    part: Template, known: str | None, request: SessionRequest, *, place: int, negated: bool
) -> Truth:
    """Return whether a part of an ARN in a policy matches that of what a call acts on.

    Args:
        part: The part in the policy.
        known: The part of what the call acts on; None if it is not known beforehand, such as the
            name of a bucket.
        request: The call, whose values replace policy variables.
        place: The place of the part in the ARN, from 0.
        negated: Whether the ARN is in NotResource.
    """
    if part.matches_everything:
        return Truth.TRUE
    # The last part is the name, such as that of a bucket.
    is_name = place > _ACCOUNT
    if not (part.is_fixed or is_name or _is_account(place, part)):
        # AWS does not document variables there.
        return Truth.UNKNOWN
    resolved = part.resolve(request.text_of)
    if resolved is Unresolved.UNKNOWN:
        return Truth.UNKNOWN
    if isinstance(resolved, Unresolved):
        # In Resource nothing is like a variable without a value; of NotResource AWS does not say
        # it.
        return Truth.UNKNOWN if negated else Truth.FALSE
    if known is not None:
        return _text_matches(resolved, known, is_name=is_name)
    # The Region, bucket or queue may have this name, unless no name has these characters.
    if resolved.characters <= _NAME_CHARACTERS:
        return Truth.UNKNOWN
    return Truth.FALSE


def _is_account(place: int, part: Template) -> bool:
    """Return whether a part is ${aws:PrincipalAccount} in the place of the account.

    AWS documents variables only for the last part; its own policies have this one there, for
    example AmazonTimestreamInfluxDBServiceRolePolicy.
    """
    if place != _ACCOUNT or len(part.tokens) != 1:
        return False
    token = part.tokens[0]
    return isinstance(token, Variable) and lowercase(token.key) == "aws:principalaccount"

"""The acceptance cases are complete: every recording and every open question is one; each can be undone."""

from __future__ import annotations

from collections import Counter

import pytest

from acceptance.cases import all_cases, own_cases
from acceptance.cases.recorded import read_recordings
from acceptance.model import (
    DELEGATE,
    MANAGEMENT_ACCOUNT,
    MEMBER,
    ROOT_SESSION,
    USER_WITHOUT_POLICIES,
    Case,
    Level,
    Source,
)
from acceptance.runner import sort_cases
from acceptance.scene import field_changed_by
from acceptance.state import parse_step

CASES = {case.name: case for case in all_cases()}

# What nobody has recorded on AWS, and a run can find out.
OPEN_QUESTIONS = (
    "AssumeRoot is throttled at no rate that an audit needs",
    "CloudTrail names the calls that change root access as the API does",
    "a delegated administrator can disable RootSessions as well",
    "a delegated administrator cannot deregister itself",
    "a delegated administrator cannot disable trusted access",
    "a deleted root password is NoSuchEntity at once",
    "a denied call in a root session may carry an authorization ID",
    "AssumeRoot is recorded in the caller's account alone",
    "FILL yields zeros for a metric that never had a value",
    "a policy on the member account does not deny AssumeRoot itself",
    "a policy without the exemption denies an audit, and the response names the policy",
    "a role is not a valid target principal",
    "a root session counts as one without MFA: BoolIfExists false denies",
    "a root session reads the policy of a locked queue",
    "a second account can be registered",
    "after RootCredentialsManagement is disabled IAMAuditRootUserCredentials is denied",
    "after RootCredentialsManagement is enabled IAMAuditRootUserCredentials works",
    "after RootSessions is disabled S3UnlockBucketPolicy is denied",
    "after RootSessions is enabled S3UnlockBucketPolicy works",
    "after a policy is detached an audit works again",
    "an account of another organization is not a valid target",
    "an empty policy unlocks a queue",
    "deactivating a missing MFA device is NoSuchEntity",
    "deleting a missing access key is NoSuchEntity",
    "deleting a missing password is NoSuchEntity",
    "deleting a missing signing certificate is NoSuchEntity",
    "disabling a disabled RootSessions succeeds",
    "disabling disabled trusted access succeeds",
    "each account still has a Status",
    "enabling RootCredentialsManagement again succeeds",
    "enabling RootSessions again succeeds",
    "enabling trusted access again succeeds",
    "features keep nothing from a disabled one when trusted access returns",
    "no alarm of a new stack fires in its first four intervals",
    "no delegated administrators are listed while trusted access is disabled",
    "the ARN of a root user is a valid target principal",
    "the MFA key is absent in a root session: Bool false does not deny",
    "the alarm of a stopped check fires after about three intervals",
    "the features can be listed right after trusted access was enabled",
    "the root user of the management account is not a valid target",
    "the schedule runs the first check after one interval at the latest",
    "the schedule's first audit succeeds, although its roles are new",
)


def test_there_are_enough_cases_of_every_level_and_source() -> None:
    assert len(CASES) >= 190
    levels = Counter(case.level for case in CASES.values())
    assert {level: levels[level] >= 10 for level in Level} == dict.fromkeys(Level, True)
    assert {case.source for case in CASES.values()} == set(Source)


def test_no_two_cases_have_the_same_name() -> None:
    for cases in (own_cases(), tuple(read_recordings())):
        assert [name for name, count in Counter(case.name for case in cases).items() if count > 1] == []


def test_every_recorded_response_is_a_case_and_nothing_else_is_called_recorded() -> None:
    recorded = {case.name: case for case in read_recordings()}
    assert len(recorded) >= 55
    assert {name: CASES[name] for name in recorded} == recorded
    assert {name for name, case in CASES.items() if case.source is Source.RECORDED} == recorded.keys()


@pytest.mark.parametrize("name", OPEN_QUESTIONS)
def test_every_open_question_is_a_case(name: str) -> None:
    assert CASES[name].source is not Source.RECORDED, "It is recorded: the question is settled."


def is_within_its_level(case: Case) -> bool:
    changed_by_call = field_changed_by(case.call)
    if case.level is Level.READ:
        # What it is given is not arranged but found.
        return changed_by_call is None and case.caller != USER_WITHOUT_POLICIES
    steps = [parse_step(step).resource for step in case.given]
    return all(case.level.includes(field.level) for field in (*steps, changed_by_call) if field is not None)


def test_a_case_changes_no_more_than_its_level_may() -> None:
    assert [name for name, case in CASES.items() if not is_within_its_level(case)] == []


def test_a_case_says_who_calls_what_and_what_matters_in_the_response() -> None:
    callers = (MANAGEMENT_ACCOUNT, DELEGATE, MEMBER, ROOT_SESSION, USER_WITHOUT_POLICIES)
    for name, case in CASES.items():
        assert case.caller in callers, name
        assert all(case.call.operation.partition(":")), name
        assert case.response.code is not None or case.response.output is not None, name
        assert name == name.strip(" ."), name


def test_a_call_that_could_not_be_undone_is_not_a_case() -> None:
    from acceptance.model import Call

    with pytest.raises(ValueError, match="could not restore"):
        field_changed_by(Call(operation="organizations:LeaveOrganization"))


def test_a_level_begins_with_the_changes_of_which_nobody_has_recorded_the_response() -> None:
    for level in (Level.FEATURE, Level.MEMBER):
        cases = [case for case in sort_cases(all_cases()) if case.level is level]
        first = [
            field_changed_by(case.call) is not None and case.source is not Source.RECORDED for case in cases
        ]
        assert first == sorted(first, reverse=True)
        assert sum(first) > 1

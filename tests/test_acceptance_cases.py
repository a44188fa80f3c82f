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
from acceptance.scene import field_changed_by
from acceptance.state import parse_step

CASES = {case.name: case for case in all_cases()}

# What nobody has recorded on AWS, and a run can find out; each with the cases that do.
OPEN_QUESTIONS = {
    "are delegated administrators listed while trusted access is disabled?": [
        "no delegated administrators are listed while trusted access is disabled"
    ],
    "is a new alarm in alarm?": ["a new alarm is not in alarm"],
    "after how many missed checks does the alarm fire?": [
        "the alarm of a stopped check fires after about four intervals"
    ],
    "can the policy of a queue that denies everything be read and removed?": [
        "a root session reads the policy of a locked queue",
        "an empty policy unlocks a queue",
    ],
    "how long does a deletion take?": ["a deleted root password is NoSuchEntity at once"],
    "does a rate rule run at once?": ["the schedule runs the first check after one interval at the latest"],
    "may everything be enabled twice?": [
        "enabling trusted access again succeeds",
        "enabling RootCredentialsManagement again succeeds",
        "enabling RootSessions again succeeds",
    ],
    "may everything be disabled twice?": [
        "disabling disabled trusted access succeeds",
        "disabling a disabled RootSessions succeeds",
    ],
    "is trusted access effective at once?": [
        "the features can be listed right after trusted access was enabled"
    ],
    "are the features effective at once?": [
        "after RootCredentialsManagement is enabled IAMAuditRootUserCredentials works",
        "after RootSessions is enabled S3UnlockBucketPolicy works",
        "after RootCredentialsManagement is disabled IAMAuditRootUserCredentials is denied",
        "after RootSessions is disabled S3UnlockBucketPolicy is denied",
    ],
    "what may a delegated administrator disable?": [
        "a delegated administrator can disable RootSessions as well",
        "a delegated administrator cannot disable trusted access",
        "a delegated administrator cannot deregister itself",
    ],
    "may IAM have more than one delegated administrator?": ["a second account can be registered"],
    "does trusted access bring back what was disabled before?": [
        "features keep nothing from a disabled one when trusted access returns"
    ],
    "what does AssumeRoot respond with under a policy?": [
        "a policy on the member account does not deny AssumeRoot itself",
        "a policy without the exemption denies an audit, and the response names the policy",
    ],
    "has a root session MFA?": [
        "the MFA key is absent in a root session: Bool false does not deny",
        "a root session counts as one without MFA: BoolIfExists false denies",
    ],
    "how long does a policy take?": [
        "a policy without the exemption denies an audit, and the response names the policy",
        "after a policy is detached an audit works again",
    ],
    "which accounts are valid targets?": [
        "an account of another organization is not a valid target",
        "a role is not a valid target principal",
        "the root user of the management account is not a valid target",
        "the ARN of a root user is a valid target principal",
    ],
    "do accounts still have a Status?": ["each account still has a Status"],
    "what does CloudTrail call the four calls?": [
        "CloudTrail names the calls that change root access as the API does"
    ],
    "at which rate is AssumeRoot throttled?": ["AssumeRoot is throttled at no rate that an audit needs"],
    "what is the response about credentials that do not exist?": [
        "deleting a missing password is NoSuchEntity",
        "deleting a missing access key is NoSuchEntity",
        "deactivating a missing MFA device is NoSuchEntity",
        "deleting a missing signing certificate is NoSuchEntity",
    ],
}


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


@pytest.mark.parametrize("question", OPEN_QUESTIONS)
def test_every_open_question_is_a_case(question: str) -> None:
    for name in OPEN_QUESTIONS[question]:
        assert CASES[name].source is not Source.RECORDED, f"{name} is recorded: the question is settled."


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

"""A denial by AWS is explained by the policy that its message names, and never at the cost of the denial."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import strategies as st

from root_tasks.model.run import Account
from root_tasks.policies.aws_denial import AwsDenial, parse_denial
from root_tasks.policies.explanation import DeniedAccount, Explanations, explain_denials
from root_tasks.policies.sentences import denial_hint, denial_reason
from scp.calls import SessionFacts
from scp.documents import PolicyType
from scp.evaluate import Decision
from support.accounts import MEMBER, OTHER, THIRD
from support.arrange import add_unit, calls
from support.function import FakeTime
from support.properties import property_test
from support.scp import (
    ACCOUNT,
    ACCOUNT_ID,
    LEVEL_IDS,
    ORGANIZATION_ID,
    attach_policy,
    check_of,
    document,
    policies_of,
    statement,
)
from support.scp_grammar import documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_aws.emulation import LocalOrganization

ACTION = "iam:GetAccountSummary"
NOT_AUTHORIZED = (
    f"{ACTION}: AccessDenied: User: arn:aws:iam::{MEMBER}:root is not authorized to perform: {ACTION} "
    "on resource: *"
)
UNNAMED = f"{NOT_AUTHORIZED} with an explicit deny in a service control policy"
# AWS may name a policy whose statements seem to spare the call, or of which only some may apply.
DENIES = statement(Sid="DenyIt", Action="iam:*")
SPARES = statement(Sid="SpareIt", Action="ec2:*")
MAY_DENY = statement(Sid="MayDenyIt", Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})


def named(policy_id: str) -> str:
    """Return AWS's message with the ARN of the policy that denies the call."""
    policy = f"policy/o-a1b2c3d4e5/service_control_policy/{policy_id}"
    return f"{UNNAMED}: arn:aws:organizations::111111111111:{policy}"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(named("p-examplepolicy"), ("SERVICE_CONTROL_POLICY", "p-examplepolicy"), id="named"),
        pytest.param(UNNAMED, ("SERVICE_CONTROL_POLICY", None), id="unnamed"),
        pytest.param(
            f"{NOT_AUTHORIZED} because no service control policy allows the {ACTION} action",
            ("SERVICE_CONTROL_POLICY", None),
            id="no Allow",
        ),
        pytest.param(
            f"{NOT_AUTHORIZED} with an explicit deny in a resource control policy",
            ("RESOURCE_CONTROL_POLICY", None),
            id="resource control policy",
        ),
        pytest.param(
            f"{NOT_AUTHORIZED} because no identity-based policy allows the {ACTION} action", None, id="role"
        ),
        pytest.param(
            "User is not authorized to perform: iam:ListAccessKeys because no session policy allows it. "
            f"{NOT_AUTHORIZED} with an explicit deny in a service control policy",
            ("SERVICE_CONTROL_POLICY", None),
            id="the second call",
        ),
        pytest.param("Root sessions feature is not enabled for your AWS Organization.", None, id="feature"),
    ],
)
def test_the_policy_is_taken_from_the_message(message: str, expected: tuple[str, str | None] | None) -> None:
    assert parse_denial(message) == (
        expected and AwsDenial(action=ACTION, policy_type=PolicyType(expected[0]), policy_id=expected[1])
    )


@pytest.fixture
def unit_id(organization: LocalOrganization) -> str:
    """A unit with two of the three members."""
    return add_unit(organization, "Workloads", MEMBER, OTHER)


def explain(organization: LocalOrganization, unit_id: str, message: str) -> Explanations:
    """Explain a denial in an account of the unit; the calls are counted from here."""
    organization.clear_calls()
    account = Account(account_id=MEMBER, unit_path=f"{organization.root_id}/{unit_id}")
    return explain_denials(
        [DeniedAccount(account=account, message=message)],
        organizations=organization.client("organizations"),
        clock=FakeTime().clock(),
        session=SessionFacts(organization_id=organization.id, region="us-east-1", outside_vpc=True),
        target_names={unit_id: "Workloads", organization.root_id: "Root"},
    )


@pytest.mark.parametrize("denies", [DENIES, MAY_DENY], ids=["certain", "the only one that may"])
def test_without_a_name_the_policies_on_the_path_explain_the_denial(
    organization: LocalOrganization, unit_id: str, denies: dict[str, object]
) -> None:
    attach_policy(organization, organization.root_id, SPARES)
    policy_id = attach_policy(organization, unit_id, denies)
    attach_policy(organization, add_unit(organization, "Elsewhere"), DENIES)
    explained = explain(organization, unit_id, UNNAMED)
    assert f"({policy_id}), statement {denies['Sid']}," in explained.by_account[MEMBER].reason
    assert calls(organization)["DescribePolicy"] == 2


def test_a_level_that_allows_nothing_is_named(organization: LocalOrganization, unit_id: str) -> None:
    attach_policy(organization, unit_id, statement("Allow", Action="s3:*"))
    organization.client("organizations").detach_policy(PolicyId="p-FullAWSAccess", TargetId=unit_id)
    message = f"{NOT_AUTHORIZED} because no service control policy allows the {ACTION} action"
    assert explain(organization, unit_id, message).by_account[MEMBER].reason == (
        f"No service control policy attached to Workloads ({unit_id}) allows {ACTION}."
    )


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        pytest.param([MAY_DENY, SPARES], "statement MayDenyIt, attached to", id="one may"),
        pytest.param([MAY_DENY, {**MAY_DENY, "Sid": "OrThis"}], "which of its statements", id="two may"),
        pytest.param([SPARES], "which of its statements", id="none does"),
        pytest.param([DENIES, MAY_DENY], "statement DenyIt, attached to", id="one does"),
    ],
)
def test_aws_is_right_and_only_a_certain_statement_is_named(
    organization: LocalOrganization, unit_id: str, statements: list[dict[str, object]], says: str
) -> None:
    policy_id = attach_policy(organization, unit_id, *statements)
    explained = explain(organization, unit_id, named(policy_id)).by_account[MEMBER]
    assert says in explained.reason
    assert ("preflight" in explained.hint) == ("which of" not in says), "it shows what it can decide"
    assert explained.reason.startswith(f"The service control policy deny-at-{unit_id} ({policy_id})")


def test_a_policy_on_the_delegate_explains_that_no_session_was_opened(
    organization: LocalOrganization, unit_id: str
) -> None:
    policy_id = attach_policy(organization, THIRD, SPARES, statement(Sid="NoSessions", Action="sts:*"))
    message = named(policy_id).replace(ACTION, "sts:AssumeRoot")
    explained = explain(organization, unit_id, message).by_account[MEMBER]
    assert explained.reason == (
        f"The service control policy deny-at-{THIRD} ({policy_id}), statement NoSessions, attached to "
        f"{THIRD}, denies sts:AssumeRoot."
    )
    assert "the roles that open root sessions" in explained.hint
    unnamed = UNNAMED.replace(ACTION, "sts:AssumeRoot")
    assert explain(organization, unit_id, unnamed) == Explanations()
    assert not calls(organization)


def test_a_denial_that_the_policies_do_not_show_stays_as_aws_gave_it(
    organization: LocalOrganization, unit_id: str
) -> None:
    attach_policy(organization, unit_id, SPARES)
    assert explain(organization, unit_id, UNNAMED) == Explanations()


@pytest.mark.parametrize("denied", ["DescribePolicy", "ListTargetsForPolicy"])
def test_a_failed_read_costs_the_explanation_alone(
    organization: LocalOrganization, unit_id: str, denied: str
) -> None:
    policy_id = attach_policy(organization, unit_id, DENIES)
    organization.deny(account_id=organization.management_account_id, action=f"organizations:{denied}")
    explained = explain(organization, unit_id, named(policy_id))
    assert not explained.by_account
    assert (explained.problem or "").startswith(f"organizations:{denied}: AccessDenied")


class StoredPolicies:
    """The calls of Organizations that an explanation makes, on policies in memory."""

    def __init__(
        self,
        documents: Mapping[str, Mapping[str, Any]],
        attached: Mapping[str, Sequence[str]],
        *,
        error: Exception | None = None,
        policy_type: str = "SERVICE_CONTROL_POLICY",
    ) -> None:
        self._documents = documents
        self._attached = attached
        self._error = error
        self._policy_type = policy_type

    def list_roots(self, **_: object) -> dict[str, Any]:
        types = [{"Type": self._policy_type, "Status": "ENABLED"}]
        return {"Roots": [{"Id": LEVEL_IDS[0], "PolicyTypes": types}]}

    def describe_policy(self, *, PolicyId: str) -> dict[str, Any]:  # noqa: N803
        if self._error:
            raise self._error
        summary = {"Id": PolicyId, "Name": f"name of {PolicyId}"}
        return {"Policy": {"PolicySummary": summary, "Content": json.dumps(self._documents[PolicyId])}}

    def list_targets_for_policy(self, *, PolicyId: str, **_: object) -> dict[str, Any]:  # noqa: N803
        return {"Targets": [{"TargetId": id_} for id_, ids in self._attached.items() if PolicyId in ids]}

    def list_policies_for_target(self, *, TargetId: str, **_: object) -> dict[str, Any]:  # noqa: N803
        ids = ["p-FullAWSAccess", *self._attached.get(TargetId, ())]
        return {"Policies": [{"Id": id_, "Name": f"name of {id_}"} for id_ in ids]}


def explain_from(policies: Any, message: str, time: FakeTime | None = None) -> Explanations:
    """Explain a denial in the one account by policies in memory."""
    return explain_denials(
        [DeniedAccount(account=ACCOUNT, message=message)],
        organizations=policies,
        clock=(time or FakeTime()).clock(),
        session=SessionFacts(organization_id=ORGANIZATION_ID, region="eu-west-1", outside_vpc=True),
        target_names={},
    )


def throttled_policies() -> StoredPolicies:
    """Policies that are throttled for as long as one is read."""
    throttled: Any = {"Error": {"Code": "TooManyRequestsException", "Message": "Rate exceeded"}}
    attached = {"r-ab12": ["p-examplepolicy"]}
    return StoredPolicies({}, attached, error=ClientError(throttled, "DescribePolicy"))


def test_an_explanation_ends_within_its_time() -> None:
    time = FakeTime()
    explained = explain_from(throttled_policies(), named("p-examplepolicy"), time)
    assert explained.by_account[ACCOUNT_ID].reason == (
        f"The service control policy p-examplepolicy, attached to r-ab12, denies {ACTION}; "
        "which of its statements does is unknown."
    )
    assert (explained.problem or "").startswith("p-examplepolicy: organizations:DescribePolicy: TooMany")
    assert 5.0 < time.clock().now() <= 10.0, "an attempt that begins now and takes 20 s ends in time"


def test_a_policy_that_cannot_be_read_is_why_a_denial_is_not_explained() -> None:
    explained = explain_from(throttled_policies(), UNNAMED)
    assert not explained.by_account
    unread = "p-examplepolicy: organizations:DescribePolicy: TooManyRequests"
    assert (explained.problem or "").startswith(unread)


@pytest.mark.parametrize("action", ["s3:ListAllMyBuckets", "sts:AssumeRoot"])
def test_aws_answers_whether_resource_control_policies_apply_to_a_call(action: str) -> None:
    denies = document(statement(Sid="DenyIt", Principal="*", Action=action))
    stored = StoredPolicies(
        {"p-rcp": denies}, {LEVEL_IDS[1]: ["p-rcp"]}, policy_type="RESOURCE_CONTROL_POLICY"
    )
    message = UNNAMED.replace(ACTION, action).replace("service control", "resource control")
    assert "statement DenyIt, attached to" in explain_from(stored, message).by_account[ACCOUNT_ID].reason


@property_test(
    drawn=st.lists(documents(effects=("Deny",)), min_size=1, max_size=4),
    places=st.lists(st.sampled_from(LEVEL_IDS), min_size=4, max_size=4),
    names_policies=st.booleans(),
)
def test_an_explanation_names_the_statements_that_the_evaluator_finds(
    drawn: list[dict[str, Any]], places: list[str], names_policies: bool
) -> None:
    ids = [f"p-example{number:03}" for number in range(len(drawn))]
    attached = {
        place: [id_ for id_, _ in placed]
        for place, placed in itertools.groupby(
            sorted(zip(ids, places, strict=False), key=lambda pair: pair[1]), key=lambda pair: pair[1]
        )
    }
    stored = dict(zip(ids, drawn, strict=True))
    verdict = check_of(policies_of(stored, attached)).verdict(ACTION, ACCOUNT)
    if verdict.decision is not Decision.DENIED:
        return
    # If several policies deny a call, AWS names one.
    denying = verdict.causes[0].policy
    assert denying is not None
    causes = [cause for cause in verdict.causes if not names_policies or cause.policy == denying]
    message = named(denying.policy_id) if names_policies else UNNAMED
    explained = explain_from(StoredPolicies(stored, attached), message).by_account[ACCOUNT_ID]
    assert sentences(explained.reason) == sentences(denial_reason(causes, action=ACTION))
    assert explained.hint == denial_hint(causes, action=ACTION)


def sentences(text: str) -> list[str]:
    """Return the sentences in any order: which come first depends on what is read first."""
    return sorted(text.split(". "))

"""Policies for the tests of the evaluator, and an account to evaluate them in."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from centralized_root_access.preflight.attachments import (
    FULL_ACCESS,
    Attachments,
    Level,
    OrganizationPolicies,
)
from centralized_root_access.preflight.condition_keys import ABSENT, Possible, SessionRequest, Value
from centralized_root_access.preflight.documents import Policy, PolicyType, parse_policy
from centralized_root_access.preflight.evaluate import (
    Decision,
    PolicyCheck,
    Verdict,
    evaluate_request,
    strictest,
)
from centralized_root_access.preflight.session_calls import (
    Call,
    SessionFacts,
    SessionOpener,
    call_of,
)
from centralized_root_access.preflight.task_calls import TASK_CALLS
from centralized_root_access.preflight.truth import Truth
from local_aws.emulation import LocalOrganization
from root_tasks.model.run_documents import Account
from root_tasks.model.task import ASSUME_ROOT, Task

ACCOUNT_ID = "222222222222"
ORGANIZATION_ID = "o-exampleorgid"
ORGANIZATION_PATH = f"{ORGANIZATION_ID}/r-ab12/ou-ab12-workload/ou-ab12-payments/"
LEVEL_IDS = ("r-ab12", "ou-ab12-workload", "ou-ab12-payments", ACCOUNT_ID)

ACCOUNT = Account(account_id=ACCOUNT_ID, name="workload", unit_path="/".join(LEVEL_IDS[:-1]))

# The management account opens the session, to which no service control policy applies.
SESSION_BY_MANAGEMENT = SessionFacts(
    account_id=ACCOUNT_ID,
    organization_id=ORGANIZATION_ID,
    organization_path=ORGANIZATION_PATH,
    region="eu-west-1",
    opener=SessionOpener(account_id="111111111111", is_in_management_account=True),
)

# A role of a delegated administrator opens the session.
DELEGATE_ID = "444444444444"
DELEGATE_OPENER = SessionOpener(
    account_id=DELEGATE_ID,
    unit_ids=("r-ab12", "ou-ab12-security"),
    principal_arns=(f"arn:aws:iam::{DELEGATE_ID}:role/centralized-root-access/Audit",),
)
SESSION_BY_DELEGATE = replace(SESSION_BY_MANAGEMENT, opener=DELEGATE_OPENER)
ASSUME_ROOT_CALL = call_of(ASSUME_ROOT, session=SESSION_BY_DELEGATE, task=Task.AUDIT)


GET_USER_CALL = call_of("iam:GetUser", session=SESSION_BY_MANAGEMENT)
GET_ACCOUNT_SUMMARY_CALL = call_of("iam:GetAccountSummary", session=SESSION_BY_MANAGEMENT)
LIST_BUCKETS_CALL = call_of("s3:ListAllMyBuckets", session=SESSION_BY_MANAGEMENT)
# Of a bucket and a queue that are not known, as always before a session is open.
DELETE_BUCKET_POLICY_CALL = call_of("s3:DeleteBucketPolicy", session=SESSION_BY_MANAGEMENT)
SET_QUEUE_ATTRIBUTES_CALL = call_of("sqs:SetQueueAttributes", session=SESSION_BY_MANAGEMENT)


def statement(effect: str = "Deny", **elements: object) -> dict[str, object]:
    """Return a statement, by default on every action and resource."""
    defaults: dict[str, object] = {"Effect": effect}
    if "NotAction" not in elements:
        defaults["Action"] = "*"
    if "NotResource" not in elements:
        defaults["Resource"] = "*"
    return {**defaults, **elements}


def policy_document(
    *statements: Mapping[str, object], version: str | None = "2012-10-17"
) -> dict[str, Any]:
    """Return a policy document."""
    members: dict[str, Any] = {"Statement": list(statements)}
    return members if version is None else {"Version": version, **members}


def attach_policy(
    organization: LocalOrganization,
    target_id: str,
    *statements: Mapping[str, object],
    name: str = "",
) -> str:
    """Attach a service control policy, by default named after its target, and return its ID."""
    return organization.attach_policy(
        name=name or f"deny-at-{target_id}",
        document=policy_document(*statements),
        target_id=target_id,
    )


IS_A_ROOT_USER = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}
DENY_ROOT = statement(Sid="DenyRootUsers", Condition=IS_A_ROOT_USER)


def parsed_policy(
    content: Mapping[str, Any],
    *,
    policy_id: str = "p-1",
    policy_type: PolicyType = PolicyType.SERVICE_CONTROL_POLICY,
) -> Policy:
    """Return the policy of a document."""
    return parse_policy(
        json.dumps(content),
        policy_id=policy_id,
        name=f"name of {policy_id}",
        policy_type=policy_type,
    )


def service_control_policy(
    *statements: Mapping[str, object], policy_id: str = "p-1", version: str | None = "2012-10-17"
) -> Policy:
    """Return a service control policy of statements."""
    return parsed_policy(policy_document(*statements, version=version), policy_id=policy_id)


def resource_control_policy(*statements: Mapping[str, object]) -> Policy:
    """Return a resource control policy of statements."""
    content = policy_document(*({"Principal": "*", **elements} for elements in statements))
    return parsed_policy(content, policy_id="p-rcp", policy_type=PolicyType.RESOURCE_CONTROL_POLICY)


def levels_from_root(*policies: Sequence[Policy]) -> tuple[Level, ...]:
    """Return levels, the root first: as many as there are lists of policies."""
    return tuple(
        Level(target_id=target_id, name=f"name of {target_id}", policies=tuple(attached))
        for target_id, attached in zip(LEVEL_IDS, policies, strict=False)
    )


def evaluate_call(
    call: Call,
    service_control: Sequence[Level],
    resource_control: Sequence[Level] = (),
    *,
    session: SessionFacts | None = None,
) -> Verdict:
    """Return what the policies of an account's levels say of a call.

    By default the management account has opened the root session; the delegated administrator
    opens one.
    """
    known = session or (
        SESSION_BY_DELEGATE if call.action == ASSUME_ROOT else SESSION_BY_MANAGEMENT
    )
    return evaluate_request(
        SessionRequest(session=known, call=call),
        service_control=service_control,
        resource_control=resource_control,
    )


def verdict_with_policies(*policies: Policy, call: Call = GET_USER_CALL) -> Verdict:
    """Return the verdict with policies at the root, next to FullAWSAccess."""
    return evaluate_call(call, levels_from_root((FULL_ACCESS, *policies)))


def decision_with_policies(*policies: Policy, call: Call = GET_USER_CALL) -> Decision:
    """Return the decision with policies at the root, next to FullAWSAccess."""
    return verdict_with_policies(*policies, call=call).decision


def strictest_decision_for_task(task: Task, service_control: Sequence[Level]) -> Decision:
    """Return the strictest decision of service control policies on a call of a task."""
    calls = [call_of(action, session=SESSION_BY_MANAGEMENT) for action in TASK_CALLS[task].all]
    return strictest(
        {
            evaluate_call(call, service_control, session=SESSION_BY_MANAGEMENT).decision
            for call in calls
        }
    )


def organization_policies(
    documents: Mapping[str, Mapping[str, Any]],
    attached: Mapping[str, Sequence[str]],
    *,
    without_full_access: Collection[str] = (),
) -> OrganizationPolicies:
    """Return policies that are attached to these targets, next to FullAWSAccess.

    Args:
        documents: The policies, by their IDs.
        attached: The IDs of the policies that each target has, by its ID.
        without_full_access: The targets that do not have FullAWSAccess.
    """
    policy_ids = {}
    for target_id, attached_ids in attached.items():
        at_target = [] if target_id in without_full_access else [FULL_ACCESS.policy_id]
        policy_ids[target_id] = at_target + list(attached_ids)
    policies = {FULL_ACCESS.policy_id: FULL_ACCESS}
    for policy_id, content in documents.items():
        policies[policy_id] = parsed_policy(content, policy_id=policy_id)
    service_control = Attachments(policy_ids=policy_ids)
    return OrganizationPolicies(
        attachments={PolicyType.SERVICE_CONTROL_POLICY: service_control}, policies=policies
    )


def policy_check_of(policies: OrganizationPolicies) -> PolicyCheck:
    """Return the check of policies, for sessions that the management account opens."""
    return PolicyCheck(policies, session=SESSION_BY_MANAGEMENT)


@dataclass(frozen=True, kw_only=True)
class RequestWith(SessionRequest):
    """A request with a context of the test's own, not a root session's; other keys are absent."""

    context: Mapping[str, Possible | Value]

    def possible(self, key: str) -> Possible:
        """Return what the test says of a key."""
        for name, value in self.context.items():
            if name.lower() == key.lower():
                return value if isinstance(value, Possible) else Possible(values=(value,))
        return ABSENT


_TRUTHS = {
    Decision.DENIED: Truth.TRUE,
    Decision.ALLOWED: Truth.FALSE,
    Decision.UNKNOWN: Truth.UNKNOWN,
}


def condition_holds(
    condition: Mapping[str, object],
    context: Mapping[str, Possible | Value],
    *,
    version: str | None = "2012-10-17",
) -> Truth:
    """Return whether a condition block holds for a context: then a policy with it denies."""
    denies = service_control_policy(statement(Condition=condition), version=version)
    verdict = evaluate_request(
        RequestWith(session=SESSION_BY_MANAGEMENT, call=GET_USER_CALL, context=context),
        service_control=levels_from_root([FULL_ACCESS, denies]),
        resource_control=(),
    )
    return _TRUTHS[verdict.decision]


@dataclass(frozen=True, kw_only=True)
class SamplePolicy:
    """A policy with what must come out for each task.

    Attributes:
        name: Its name.
        is_real: Whether people use the policy, or something made for the tests.
        document: The policy.
        full_access: Whether it is attached next to FullAWSAccess.
        decisions: What must come out, by the task.
        assume_root: What must come out for AssumeRoot by a role in an account that has the policy.
    """

    name: str
    is_real: bool
    document: dict[str, Any]
    full_access: bool
    decisions: dict[Task, Decision]
    assume_root: Decision

    @property
    def levels(self) -> tuple[Level, ...]:
        """The policy at the root, and FullAWSAccess on each level."""
        parsed = parsed_policy(self.document, policy_id="p-sample")
        at_root = (FULL_ACCESS, parsed) if self.full_access else (parsed,)
        return levels_from_root(at_root, (FULL_ACCESS,), (FULL_ACCESS,), (FULL_ACCESS,))


def sample_policies() -> dict[str, SamplePolicy]:
    """Return the policies of tests/data/scp/samples.json, by their names."""
    path = Path(__file__).parents[1] / "data" / "scp" / "samples.json"
    return {
        entry["name"]: _parse_sample(entry)
        for entry in json.loads(path.read_text(encoding="utf-8"))
    }


def _parse_sample(entry: dict[str, Any]) -> SamplePolicy:
    """Parse a sample of the file."""
    decisions = {}
    for expected in entry["expected"]:
        for task in expected["tasks"]:
            decisions[Task(task)] = Decision(expected["decision"])
    return SamplePolicy(
        name=entry["name"],
        is_real=not entry["source"].startswith("made for the tests"),
        document=entry["policy"],
        full_access=entry.get("fullAccess", True),
        decisions=decisions,
        assume_root=Decision(entry["assumeRoot"]),
    )

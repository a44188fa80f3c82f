"""What RootTasks synthesizes, and what it refuses. The committed templates have the rest of it."""

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from itertools import permutations
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Duration, Environment, Stack
from aws_cdk import aws_iam as iam

from centralized_root_access import RootTask, RootTasks
from centralized_root_access.root_tasks.arguments import MAX_PROTECTED_ACCOUNTS
from support.accounts import MEMBER
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    actions_of_statement,
    as_list,
    bootstrap_stack,
    functions_with_handler,
    ids_of_function_roles,
    new_key,
    new_topic,
    only_resource,
    properties_of_type,
    resources_finished_before,
    resources_of_type,
    root_tasks_template,
    settings_of_function,
    state_machine_definition,
    statements_of_role,
    template_of,
    text_with_references,
    warning_ids,
)

# IAM counts an inline policy's size without white space.
MAX_POLICY_CHARACTERS = 10_240
# Lambda measures a function's variables as JSON, in which the quotation marks of the settings are
# escaped.
MAX_ENVIRONMENT_CHARACTERS = 4096

# The handlers of the functions of each state machine.
READ_ONLY = {"start_run", "run_batch", "write_report"}
MAKING_CHANGES = {"start_execution", "execute_batch", "write_execution_report"}


@pytest.fixture(scope="module")
def full_template() -> dict[str, Any]:
    """The template of RootTasks with every task, an interval, a topic and a protected account."""
    return root_tasks_template(
        tasks=RootTask,
        audit_interval=Duration.days(1),
        protected_accounts=["222222222222"],
        notification_topic=new_topic,
    )


@pytest.mark.parametrize("task", RootTask)
def test_functions_that_make_changes_exist_only_for_tasks_that_do(task: RootTask) -> None:
    makes_changes = task is not RootTask.AUDIT
    synthesized = root_tasks_template(tasks=[task])
    assert (
        len(resources_of_type(synthesized, "AWS::StepFunctions::StateMachine")) == 1 + makes_changes
    )
    assert ("RootTasksExecuteStateMachineArn" in synthesized["Outputs"]) == makes_changes
    functions = properties_of_type(synthesized, "AWS::Lambda::Function").values()
    handlers = {handler_of(function) for function in functions}
    assert handlers == (READ_ONLY | MAKING_CHANGES if makes_changes else READ_ONLY)


def handler_of(function: dict[str, Any]) -> str:
    """Return the name of a function's handler, without its module."""
    return str(function["Handler"]).rpartition(".")[2]


def test_read_only_runs_invoke_no_function_that_makes_changes(
    full_template: dict[str, Any],
) -> None:
    def invoked_by(state_machine: str) -> set[str]:
        """Return the handlers that the role of a state machine may invoke."""
        role = f"RootTasks{state_machine}StateMachineRole"
        allowed = json.dumps(
            [
                statement
                for statement in statements_of_role(full_template, role)
                if "lambda:InvokeFunction" in actions_of_statement(statement)
            ]
        )
        return {
            handler_of(function)
            for id_, function in properties_of_type(full_template, "AWS::Lambda::Function").items()
            if f'"{id_}"' in allowed
        }

    assert invoked_by("Audit") == READ_ONLY
    assert invoked_by("Execute") == MAKING_CHANGES


@pytest.mark.parametrize("state_machine", ["Audit", "Execute"])
def test_the_report_is_written_even_if_batches_or_the_map_fail(
    full_template: dict[str, Any], state_machine: str
) -> None:
    states = state_machine_definition(full_template, state_machine)["States"]
    mapped = states["Batches of accounts"]
    assert mapped["ToleratedFailurePercentage"] == 100
    (catch,) = mapped["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert states[catch["Next"]]["Next"] == mapped["Next"] == "Write report"


@pytest.mark.parametrize(
    ("state_machine", "batch_functions"), [("Audit", 3), ("Execute", 4)], ids=["Audit", "Execute"]
)
def test_a_function_that_makes_changes_is_invoked_again_only_if_it_did_not_start(
    full_template: dict[str, Any], state_machine: str, batch_functions: int
) -> None:
    states = state_machine_definition(full_template, state_machine)["States"]
    states_of_batch = states["Batches of accounts"]["ItemProcessor"]["States"].values()
    batches = [state for state in states_of_batch if state["Type"] == "Task"]
    # One for audits and two for plans of policies; or one for each task that makes changes.
    assert len(batches) == batch_functions
    for state in batches + [states["Start run"], states["Write report"]]:
        attempts = {
            error: retry["MaxAttempts"]
            for retry in state["Retry"]
            for error in retry["ErrorEquals"]
        }
        assert attempts["Lambda.TooManyRequestsException"] == 20
        assert "States.ALL" not in attempts, (
            "an input that a function refuses is not given to it again"
        )
        if state_machine == "Execute" and state in batches:
            # Step Functions' error for a function that did not start.
            assert attempts.keys() == {"Lambda.TooManyRequestsException"}
    for state in batches:
        (catch,) = state["Catch"]
        assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "No result")
        # A minute more than the function has.
        assert state["TimeoutSeconds"] == 660


def test_the_bucket_needs_tls_and_each_function_writes_its_own_objects(
    full_template: dict[str, Any],
) -> None:
    policy = only_resource(full_template, "AWS::S3::BucketPolicy")["Properties"]["PolicyDocument"]
    without_tls, everyone_else, *by_objects = policy["Statement"]
    assert (without_tls["Effect"], without_tls["Action"]) == ("Deny", "s3:*")
    assert without_tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for statement in [everyone_else] + by_objects:
        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == {"AWS": "*"}
        assert set(statement["Condition"]) == {"ArnNotEquals"}
        assert not [
            action
            for action in actions_of_statement(statement)
            if "Get" in action or "List" in action
        ]
    # Each object may be written by the roles whose own policies allow it, and by no one else.
    roles = ids_of_function_roles(full_template)
    assert excepted_roles(everyone_else) == roles
    assert object_patterns(everyone_else) == ["*"]
    assert "s3:PutObject*" in actions_of_statement(everyone_else)
    allowed: dict[str, set[str]] = {}
    for role in roles:
        for statement in statements_of_role(full_template, role):
            if "s3:PutObject" in actions_of_statement(statement):
                for pattern in object_patterns(statement):
                    allowed.setdefault(pattern, set()).add(role)
    not_denied = {
        pattern: excepted_roles(statement)
        for statement in by_objects
        for pattern in object_patterns(statement)
    }
    assert not_denied == allowed
    shared = {pattern for pattern, roles in allowed.items() if len(roles) > 1}
    assert shared == {"backups/*"}
    assert [pair for pair in permutations(allowed, 2) if fnmatchcase(*pair)] == [], (
        "no pattern is in another"
    )


def test_backups_and_the_latest_report_never_expire_and_no_one_may_delete_an_object(
    full_template: dict[str, Any],
) -> None:
    bucket = only_resource(full_template, "AWS::S3::Bucket")["Properties"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expire = {
        rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule
    }
    assert expire == dict.fromkeys(("runs/", "executions/", "recoveries/"), 400)
    old_versions_expire = {
        rule["Prefix"] for rule in rules if "NoncurrentVersionExpiration" in rule
    }
    assert old_versions_expire == expire.keys() | {"latest/"}
    policy = only_resource(full_template, "AWS::S3::BucketPolicy")["Properties"]["PolicyDocument"]
    # The bucket's policy denies it to everyone but the functions, whose roles do not allow it.
    _without_tls, everyone_else, *_by_objects = policy["Statement"]
    assert "s3:DeleteObject*" in actions_of_statement(everyone_else)
    allowed = re.findall(
        r"s3:[A-Z]\w+\*?", json.dumps(properties_of_type(full_template, "AWS::IAM::Policy"))
    )
    assert set(allowed) == {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:PutObject",
    }


def test_what_is_stored_stays_protected_when_the_stack_is_deleted(
    full_template: dict[str, Any],
) -> None:
    for kind in ("Bucket", "BucketPolicy"):
        stored = only_resource(full_template, f"AWS::S3::{kind}")
        assert (stored.get("DeletionPolicy"), stored.get("UpdateReplacePolicy")) == (
            "RetainExceptOnCreate",
            "Retain",
        )


def excepted_roles(statement: dict[str, Any]) -> set[str]:
    """Return the logical IDs of the roles to which a statement does not apply."""
    arns = as_list(statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"])
    return {arn["Fn::GetAtt"][0] for arn in arns}


def object_patterns(statement: dict[str, Any]) -> list[str]:
    """Return the patterns of the keys of objects that a statement is for."""
    return [text_with_references(arn).partition("/")[2] for arn in as_list(statement["Resource"])]


# Grants, metrics and alarms


def operator_of(stack: Stack) -> iam.Role:
    """Return a role of a person."""
    return iam.Role(stack, "Operator", assumed_by=iam.AccountRootPrincipal())


def test_a_person_of_another_stack_finds_the_stack_of_the_tasks_and_no_other() -> None:
    app = App()
    stack_of_people, stack_of_tasks = (
        Stack(app, name, env=MANAGEMENT_ENVIRONMENT) for name in ("People", "Tasks")
    )
    RootTasks(stack_of_tasks, "RootTasks").grant_plan(operator_of(stack_of_people))
    (stack_arn,) = [
        statement["Resource"]
        for statement in statements_of_role(template_of(stack_of_people), "Operator")
        if "cloudformation:DescribeStacks" in statement["Action"]
    ]
    # The ARN ends with the name of the stack and, as /*, any ID.
    separator, (*_, name, rest) = stack_arn["Fn::Join"]
    assert (separator, rest) == ("", "/*")
    assert name["Fn::ImportValue"].startswith("Tasks:ExportsOutputRefAWSStackName")


@pytest.mark.parametrize("grant", ["grant_read_reports", "grant_stop"])
def test_who_may_read_the_bucket_may_decrypt_it(grant: str) -> None:
    stack = bootstrap_stack()
    root_tasks = RootTasks(stack, "RootTasks", encryption_key=new_key(stack))
    getattr(root_tasks, grant)(operator_of(stack))
    statements = statements_of_role(template_of(stack), "Operator")
    assert any("kms:Decrypt" in actions_of_statement(statement) for statement in statements)


OF_ANOTHER_ACCOUNT = r"of account 222222222222; only .* of 111111111111 .*iam.Role\(stack,"


@pytest.mark.parametrize(
    "grant", ["grant_plan", "grant_execute", "grant_read_reports", "grant_stop"]
)
@pytest.mark.parametrize(
    ("grantee", "refusal"),
    [
        pytest.param(lambda stack: "arn:role", r"must be a role .*'arn:role'.*from_role", id="ARN"),
        pytest.param(
            lambda stack: iam.Role.from_role_arn(stack, "Role", f"arn:aws:iam::{MEMBER}:role/x"),
            OF_ANOTHER_ACCOUNT,
            id="role of another account",
        ),
        pytest.param(
            lambda stack: iam.ManagedPolicy(
                Stack(stack.node.root, "There", env=Environment(account=MEMBER)), "Policy"
            ),
            OF_ANOTHER_ACCOUNT,
            id="policy of another account",
        ),
        pytest.param(
            lambda stack: iam.ArnPrincipal("arn:aws:iam::111111111111:role/x"),
            "of type ArnPrincipal, which has no policies of its own. Grant a role",
            id="principal without policies",
        ),
    ],
)
def test_a_grant_that_would_grant_nothing_is_refused(
    grant: str, grantee: Callable[[Stack], Any], refusal: str
) -> None:
    stack = bootstrap_stack()
    root_tasks = RootTasks(stack, "RootTasks", tasks=RootTask)
    with pytest.raises((TypeError, ValueError), match=f"^grantee (is )?{refusal}"):
        getattr(root_tasks, grant)(grantee(stack))


def test_there_is_nothing_to_execute_where_no_task_makes_changes() -> None:
    stack = bootstrap_stack()
    with pytest.raises(ValueError, match="lists no task that makes changes"):
        RootTasks(stack, "RootTasks").grant_execute(operator_of(stack))


def test_only_its_own_rule_can_start_audits_by_its_role(full_template: dict[str, Any]) -> None:
    """Otherwise who may pass roles to EventBridge could start an execution with any input."""
    rule = only_resource(full_template, "AWS::Events::Rule")["Properties"]
    assert len(rule["Name"]) <= 64, "EventBridge's limit"
    role = full_template["Resources"][rule["Targets"][0]["RoleArn"]["Fn::GetAtt"][0]]
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    ((operator, condition),) = statement["Condition"].items()
    assert (operator, text_with_references(condition["aws:SourceArn"])) == (
        "ArnEquals",
        f"arn:${{AWS::Partition}}:events:us-east-1:{MANAGEMENT_ENVIRONMENT.account}:rule/{rule['Name']}",
    )


def test_the_interval_starts_no_audit_before_the_roles_have_their_policies() -> None:
    only_audits = root_tasks_template(
        audit_interval=Duration.days(1), protected_accounts=["222222222222"]
    )
    (rule,) = resources_of_type(only_audits, "AWS::Events::Rule")
    assert resources_of_type(only_audits, "AWS::IAM::Policy").keys() <= resources_finished_before(
        only_audits, rule
    )


@pytest.mark.parametrize(
    ("region", "warned"),
    [("mx-central-1", True), ("us-east-1", False), (None, False)],
    ids=["disabled by default", "enabled by default", "unknown at synth"],
)
def test_a_region_that_member_accounts_may_not_have_enabled_warns(
    region: str | None, warned: bool
) -> None:
    stack = bootstrap_stack(env=Environment(account="111111111111", region=region))
    RootTasks(stack, "RootTasks", notification_topic=new_topic(stack))
    assert warning_ids(stack) == (["centralized-root-access:optInRegion"] if warned else [])


@pytest.mark.parametrize(("days", "alarms"), [(1, 1), (2, 0)], ids=["daily", "too rare"])
def test_audits_that_stopped_are_noticed_if_a_new_alarm_can_look_back_on_them(
    days: int, alarms: int
) -> None:
    synthesized = root_tasks_template(audit_interval=Duration.days(days))
    stopped = properties_of_type(synthesized, "AWS::CloudWatch::Alarm", "AuditsStopped")
    assert len(stopped) == alarms


def test_the_maximum_of_protected_accounts_fits_policies_and_environments() -> None:
    longest = root_tasks_template(
        env=Environment(account="111111111111", region="us-gov-west-1"),
        tasks=RootTask,
        protected_accounts=[
            f"{100_000_000_000 + number}" for number in range(MAX_PROTECTED_ACCOUNTS)
        ],
        encryption_key=new_key,
    )
    assert not resources_of_type(longest, "AWS::IAM::ManagedPolicy"), "CDK has not split it"
    # The limit is for all inline policies of a role.
    size_by_role: dict[str, int] = {}
    for policy in properties_of_type(longest, "AWS::IAM::Policy").values():
        role = policy["Roles"][0]["Ref"]
        size_by_role[role] = size_by_role.get(role, 0) + _max_size(policy["PolicyDocument"])
    assert max(size_by_role.values()) <= MAX_POLICY_CHARACTERS
    environments = [
        _max_size(function["Environment"]["Variables"])
        for function in properties_of_type(longest, "AWS::Lambda::Function").values()
    ]
    # The maximum of accounts is no lower than it has to be.
    assert MAX_ENVIRONMENT_CHARACTERS - 100 < max(environments) <= MAX_ENVIRONMENT_CHARACTERS


def test_the_protected_accounts_may_be_the_list_of_a_parameter() -> None:
    stack = bootstrap_stack()
    parameter = CfnParameter(stack, "Protected", type="CommaDelimitedList")
    tasks = [RootTask.AUDIT, RootTask.DELETE]
    RootTasks(stack, "RootTasks", tasks=tasks, protected_accounts=parameter.value_as_list)
    # As CloudFormation joins the parameter's values, and splits a text.
    text = json.dumps(template_of(stack)).replace('{"Ref": "Protected"}', '["1", "2"]')
    template = json.loads(text, object_hook=joined_and_split)
    (denying,) = properties_of_type(template, "AWS::IAM::Policy", "ProtectedAccounts").values()
    (statement,) = denying["PolicyDocument"]["Statement"]
    assert statement["Resource"] == ["arn:*:iam::1:root", "arn:*:iam::2:root"]
    for handler in ("start_run", "start_execution"):
        (function,) = functions_with_handler(template, f"root_tasks.handlers.{handler}")
        assert settings_of_function(function)["protectedAccounts"] == ["1", "2"]


def joined_and_split(value: dict[str, Any]) -> Any:
    """Return what CloudFormation makes of functions that join or split texts."""
    match value:
        case {"Fn::Join": [str(separator), [*parts]]} if all(isinstance(it, str) for it in parts):
            return separator.join(parts)
        case {"Fn::Split": [str(separator), str(text)]}:
            return text.split(separator)
    return value


def _max_size(document: object) -> int:
    """Return the size of a document as JSON, with every token as long as it can become."""

    def longest(value: dict[str, Any]) -> Any:
        match value:
            case {"Ref": "AWS::Partition"}:
                return "aws-us-gov"
            case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Select": _}:
                # No name or ARN of the stack's own is longer.
                return "x" * 160
            case {"Fn::Join": [str(separator), list(parts)]}:
                return separator.join(parts)
        return value

    resolved = json.loads(json.dumps(document), object_hook=longest)
    return len(json.dumps(resolved, separators=(",", ":")))


def test_a_function_is_denied_protected_accounts_before_it_exists(
    full_template: dict[str, Any],
) -> None:
    for id_, function in properties_of_type(full_template, "AWS::Lambda::Function").items():
        # Audits may open sessions in protected accounts.
        if function["Handler"].endswith("_batch") and "RootTasksAudit" not in id_:
            role = function["Role"]["Fn::GetAtt"][0]
            (denying,) = [
                policy
                for policy, attached in resources_of_type(full_template, "AWS::IAM::Policy").items()
                if "Deny" in json.dumps(attached)
                and attached["Properties"]["Roles"] == [{"Ref": role}]
            ]
            assert denying in resources_finished_before(full_template, id_)


def test_the_session_roles_alone_open_root_sessions_and_have_the_path() -> None:
    stack = bootstrap_stack()
    tasks = RootTasks(stack, "RootTasks", tasks=RootTask)
    other = RootTasks(stack, "Other", role_path="/a/b/")
    path_by_session_role = {
        stack.resolve(role.role_name)["Ref"]: path
        for construct, path in ((tasks, "/centralized-root-access/"), (other, "/a/b/"))
        for role in construct.session_roles
    }
    may_open = {
        policy["Roles"][0]["Ref"]
        for policy in properties_of_type(template_of(stack), "AWS::IAM::Policy").values()
        if "sts:AssumeRoot" in json.dumps(policy)
    }
    assert path_by_session_role.keys() == may_open
    roles = properties_of_type(template_of(stack), "AWS::IAM::Role")
    path_by_role = {id_: role["Path"] for id_, role in roles.items() if "Path" in role}
    assert path_by_role == path_by_session_role

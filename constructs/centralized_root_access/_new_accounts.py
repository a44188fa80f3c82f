"""The audit of accounts that join the organization: a rule, and a state machine that retries for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from ._event_rules import rule_that_starts
from ._state_machines import is_any_of
from .enums import RootTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_sns as sns

# The first ends the creation of an account; the second one comes whenever an account has joined.
_CREATED, _JOINED = "CreateAccountResult", "AccountJoinedOrganization"

# A landing zone may deny everything in a new account until it is set up. The waits add up to 32 hours.
_FIRST_WAIT = Duration.minutes(15)
_MAX_RETRIES = 7

_DETAILS = "$.serviceEventDetails"
_JOINED_METHOD = f"{_DETAILS}.joinedMethod"
_ACCOUNT = "States.ArrayGetItem($.accountIds, 0)"


def audit_of_new_accounts(
    scope: Construct, *, audit_state_machine: sfn.IStateMachine, notification_topic: sns.ITopic
) -> tuple[sfn.StateMachine, events.Rule]:
    """Return the state machine that audits an account that has joined, and the rule that starts it.

    An account that has credentials, or that cannot be audited, is published to the topic.

    Args:
        scope: The construct that it belongs to.
        audit_state_machine: The state machine that audits.
        notification_topic: The topic.
    """
    state_machine = sfn.StateMachine(
        scope,
        "NewAccountStateMachine",
        comment="Audits the root user of an account that has joined the organization.",
        definition_body=sfn.DefinitionBody.from_chainable(
            _definition(Construct(scope, "NewAccountStates"), audit_state_machine, notification_topic)
        ),
    )
    # With the key of an encrypted topic, which the task leaves out.
    notification_topic.grant_publish(state_machine)
    rule = rule_that_starts(
        state_machine,
        scope,
        "NewAccount",
        description="Audits the root user of an account that has joined the organization.",
        event_pattern=events.EventPattern(
            source=["aws.organizations"],
            detail={
                "eventSource": ["organizations.amazonaws.com"],
                "$or": [
                    {
                        "eventName": [_CREATED],
                        "serviceEventDetails": {"createAccountStatus": {"state": ["SUCCEEDED"]}},
                    },
                    {"eventName": [_JOINED]},
                ],
            },
        ),
        # Not the details alone: if an event has none, an execution has to fail, so the alarm notices.
        input=events.RuleTargetInput.from_event_path("$.detail"),
    )
    return state_machine, rule


def _definition(
    states: Construct, audit_state_machine: sfn.IStateMachine, topic: sns.ITopic
) -> sfn.IChainable:
    audit = sfn.Parallel(states, "Until audited", result_path="$.audits").branch(
        _audit(states, audit_state_machine)
    )
    audit.add_retry(errors=["States.ALL"], interval=_FIRST_WAIT, backoff_rate=2, max_attempts=_MAX_RETRIES)
    audit.add_catch(
        _publish(
            states,
            "Publish that it was not audited",
            topic,
            subject="Root user of new account {} not audited",
            what=f"An account joined the organization, and its {_MAX_RETRIES + 1} audits failed.",
            # The cause in mail alone: a state machine cannot make the text in it inert that others chose.
            details=["$.error.Error", "$.error.Cause"],
            next_steps=[
                "Audit it again: `centralized-root-access audit --account {}`",
                "If it is denied, see by which policy: `centralized-root-access preflight --account {}`",
            ],
            runbook="inaccessible-accounts",
        ).next(
            sfn.Fail(
                states,
                "Not audited",
                error="AccountNotAudited",
                cause="The account stayed inaccessible or was skipped, or its audits failed.",
            )
        ),
        result_path="$.error",
    )
    audit.next(
        sfn.Choice(states, "Any credentials?")
        .when(
            sfn.Condition.is_present("$.audits[0].output.totals['has credentials']"),
            _publish(
                states,
                "Publish that it has credentials",
                topic,
                subject="Root credentials in new account {}",
                what="An account joined the organization, and its root user has credentials.",
                details=["$.audits[0].output.summary", "$.audits[0].output.report"],
                next_steps=[
                    "Find out whether they are in use: `centralized-root-access audit --account {}`",
                    "Plan their deletion, unless the account is protected: "
                    "`centralized-root-access plan delete --account {}`",
                    "Read the plan, and execute it: `centralized-root-access execute RUN`",
                ],
                runbook="accounts-with-root-credentials",
            ).next(sfn.Succeed(states, "Published")),
        )
        .otherwise(sfn.Succeed(states, "No credentials"))
    )
    return _account_ids(states, audit)


def _account_ids(states: Construct, then: sfn.IChainable) -> sfn.IChainable:
    """Return the states that find the account in an event.

    AWS documents where the event of a creation names it. The event of an account that has joined may name it
    on top of the details, or one level down.
    """
    no_account = sfn.Fail(
        states,
        "No account",
        error="NoAccountInEvent",
        cause="The event does not name the account that has joined. Audit every account.",
    )
    one_level_down = sfn.Pass(
        states,
        "Account one level down",
        parameters={"accountIds": sfn.JsonPath.list_at(f"{_DETAILS}.*.accountId")},
    ).next(
        sfn.Choice(states, "Any account?")
        .when(sfn.Condition.is_present("$.accountIds[0]"), then)
        .otherwise(no_account)
    )
    choice = sfn.Choice(states, "Which event?").when(
        sfn.Condition.and_(
            sfn.Condition.is_present(_JOINED_METHOD), is_any_of(_JOINED_METHOD, ("Created", "CREATED"))
        ),
        sfn.Succeed(states, "Audited when its creation ended"),
    )
    for name, path in (
        ("Account on top", f"{_DETAILS}.accountId"),
        ("Account of the creation", f"{_DETAILS}.createAccountStatus.accountId"),
    ):
        found = sfn.Pass(
            states, name, parameters={"accountIds": sfn.JsonPath.array(sfn.JsonPath.string_at(path))}
        )
        choice.when(sfn.Condition.is_present(path), found.next(then))
    return choice.when(sfn.Condition.is_present(_DETAILS), one_level_down).otherwise(no_account)


def _audit(states: Construct, state_machine: sfn.IStateMachine) -> sfn.IChainable:
    """Return one attempt: it fails unless the account was audited, and so if it was skipped."""
    return tasks.StepFunctionsStartExecution(
        states,
        "Audit",
        state_machine=state_machine,
        integration_pattern=sfn.IntegrationPattern.RUN_JOB,
        input=sfn.TaskInput.from_object(
            {"task": RootTask.AUDIT, "accounts": sfn.JsonPath.list_at("$.accountIds")}
        ),
        result_selector={"output": sfn.JsonPath.object_at("$.Output")},
    ).next(
        sfn.Choice(states, "Was it audited?")
        .when(
            sfn.Condition.or_(
                sfn.Condition.is_present("$.output.totals.clean"),
                sfn.Condition.is_present("$.output.totals['has credentials']"),
                sfn.Condition.is_present("$.output.totals.accepted"),
            ),
            sfn.Pass(states, "Audited"),
        )
        # Organizations may not list the account yet.
        .when(
            sfn.Condition.is_present("$.output.refused"),
            sfn.Fail(states, "Refused", error="AuditRefused", cause_path="$.output.cause"),
        )
        .otherwise(
            sfn.Fail(
                states,
                "Not this time",
                error="AccountNotAudited",
                cause_path=sfn.JsonPath.format(
                    "The report says why: {}", sfn.JsonPath.string_at("$.output.report")
                ),
            )
        )
    )


def _publish(
    states: Construct,
    id: str,
    topic: sns.ITopic,
    *,
    subject: str,
    what: str,
    details: Sequence[str],
    next_steps: Sequence[str],
    runbook: str,
) -> sfn.Chain:
    """Return the states that publish a notice, for mail and for Amazon Q in chat applications.

    They do what lambda/aws_calls/notices.py does, which a state machine cannot call.

    Args:
        states: The construct that the states belong to.
        id: What they are called.
        topic: The topic.
        subject: The subject, with {} for the account.
        what: What happened.
        details: The paths of the details, for mail; the first one for chat as well.
        next_steps: What to do, in Markdown, with {} for the account.
        runbook: The heading in docs/operating.md.
    """
    see = f"Runbook: docs/operating.md#{runbook}"
    steps = [step.replace(": `", ":\n   ").rstrip("`") for step in next_steps]
    numbered = [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    mail = "\n\n".join([what, *("{}" for _ in details), "\n".join(["What to do:", *numbered]), see]) + "\n"
    accounts = [_ACCOUNT for step in next_steps if "{}" in step]
    notice = sfn.Pass(
        states,
        f"{id}: the notice",
        parameters={
            # As data, because an intrinsic function's own text has no line breaks.
            "mail": mail,
            "card": {
                "version": "1.0",
                "source": "custom",
                "content": {
                    "textType": "client-markdown",
                    "title": _format(subject),
                    "description": sfn.JsonPath.string_at(f"States.Format('{what} {{}}', {details[0]})"),
                    "nextSteps": sfn.JsonPath.array(*map(_format, next_steps), see),
                },
                "metadata": {"threadId": f"{Stack.of(states).account}-new-accounts"},
            },
        },
        result_path="$.notice",
    )
    arguments = ", ".join(["$.notice.mail", *details, *accounts])
    publish = tasks.SnsPublish(
        states,
        id,
        topic=topic,
        subject=_format(subject),
        message=sfn.TaskInput.from_object(
            {
                "default": sfn.JsonPath.string_at(f"States.Format({arguments})"),
                "https": sfn.JsonPath.string_at("States.JsonToString($.notice.card)"),
            }
        ),
        message_per_subscription_type=True,
        result_path=sfn.JsonPath.DISCARD,
    )
    publish.add_retry(errors=["States.ALL"], interval=Duration.seconds(10), backoff_rate=2, max_attempts=5)
    return notice.next(publish)


def _format(text: str) -> str:
    """Return a text with the account's ID in place of {}."""
    return sfn.JsonPath.string_at(f"States.Format('{text}', {_ACCOUNT})") if "{}" in text else text

"""The RootUseAlarm construct: alarms on used root users and on root sessions of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from aws_cdk import Duration, Names, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..base.alarms import (
    INTERVALS_UNTIL_STOPPED,
    NAMESPACE,
    alarm_description,
    alarm_of_missing_data,
    create_alarm,
    notify_of_alarms,
)
from ..base.arguments import parse_account_ids, require_bool, require_region_with_root_access
from ..base.function import LogSettings, log_group, python_function
from ..base.organization_policies import OrganizationPolicyType, create_policy
from ..base.resource_arguments import (
    attribute_of,
    parse_session_roles,
    require_log_group,
    require_topic,
    role_arn,
)
from ..guardrails.root_user_guardrail import ROOT_USER_DENIAL, root_user_denial

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_organizations as organizations
    from aws_cdk import aws_sns as sns


# CloudTrail delivers to CloudWatch Logs within minutes: in a shorter period an event may come too
# late.
_PERIOD = Duration.minutes(5)
# The CDK refuses a longer name of a log group as the dimension of a metric, and the description of
# an alarm has no room for one.
_MAX_NAME_CHARACTERS = 255

# The fields of an event of CloudTrail that have the ID of the caller, and the ARN of its role.
_CALLER_ID_FIELD = "$.userIdentity.principalId"
_ROLE_ARN_FIELD = "$.userIdentity.sessionContext.sessionIssuer.arn"

# AWS's own sample of a root session's event in S3 lacks `assumedRoot`, and nothing is known of SQS.
# Temporary credentials of a root user come from AssumeRoot, a console sign-in, `aws login`,
# GetSessionToken or GetFederationToken, and each of these is an event of its own that an alarm is
# for; so their calls to these two services can be left out. Those of an OAuth authorization of an
# agent have no recorded event. Calls with credentials from GetFederationToken have the type
# FederatedUser: no pattern here matches them.
_ROOT_USE = (
    '{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS)'
    ' && ($.eventType != "AwsServiceEvent")'
    " && ($.userIdentity.sessionContext.assumedRoot NOT EXISTS)"
    " && (($.userIdentity.accessKeyId NOT EXISTS)"
    ' || ($.userIdentity.accessKeyId != "ASIA*")'
    ' || (($.eventSource != "s3.amazonaws.com") && ($.eventSource != "sqs.amazonaws.com"))) }'
)

# A metric filter keeps nothing of the events, and CloudWatch's message says no more than the
# description, which has 1,024 characters.
_FIND_ROOT_USE = (
    "fields eventTime, recipientAccountId, eventSource, eventName, userIdentity.accessKeyId,"
    " sourceIPAddress, errorCode"
    ' | filter userIdentity.type = "Root"'
    " and not ispresent(userIdentity.sessionContext.assumedRoot)"
    " | sort eventTime desc"
)
_FIND_ASSUME_ROOT = (
    "fields eventTime, userIdentity.arn, requestParameters.targetPrincipal,"
    " requestParameters.taskPolicyArn.arn, responseElements.credentials.accessKeyId,"
    " sourceIPAddress, errorCode"
    ' | filter eventSource = "sts.amazonaws.com" and eventName = "AssumeRoot"'
    " | sort eventTime desc"
)


class RootUseAlarm(Construct):
    """Alarms on what root users and root sessions do in any account, except what is expected.

    One alarm is for root users that are used other than through AssumeRoot, the other for
    AssumeRoot by any other principal than the session roles. An audit by :class:`RootTasks` fires
    neither, and stolen credentials of its session roles do not either. The alarms look at the log
    group of an organization trail: events of member accounts are nowhere else in one place.

    **The stack is deployed in the account and the Region of that log group.**

    https://docs.aws.amazon.com/IAM/latest/UserGuide/security-cloudtrail-root.html

    Example::

        RootUseAlarm(
            stack,
            "RootUse",
            trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail"),
            session_roles=tasks.session_roles,
            notification_topic=topic,
        )

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id.
        trail_log_group: The log group of the organization's trail, which logs management events of
            every Region.
        session_roles: The roles that open root sessions: roles of the CDK, such as the
            ``RootTasks.session_roles`` of the same stack, or ARNs as strings, with a ``*`` at the
            end or without, such as ``arn:aws:iam::222222222222:role/centralized-root-access/*`` for
            a ``RootTasks`` of any other stack. A pattern of CloudWatch Logs has room for 14 roles
            of the same stack. Default: none, and every AssumeRoot fires.
        notification_topic: A standard SNS topic in the stack's Region for the alarms. The policy of
            an imported topic, and that of its key, must let ``cloudwatch.amazonaws.com`` publish,
            because the CDK cannot change them. Default: none.
        root_user_notices: True to publish notices of the events on which ``root_user_alarm`` fires.
            They need a ``notification_topic``, the ``management_account``, and one of the log
            group's two subscription filters. Default: no notices.
        management_account: The organization's management account, for the notices: no policy binds
            its root user. It may be a token. Default: none, and no notices.
        emergency_policy: True to create a service control policy that denies root users every
            action, attached to nothing, so that it is there before it is needed: the first alarm
            and the notices have the command that attaches it to an account. The stack then has to
            be in the management account, or in one that may manage policies by the organization's
            delegation policy, and service control policies must be enabled. Default: no policy.

    Attributes:
        root_user_alarm: In alarm when a root user was used, other than through AssumeRoot, even
            without success. It includes the management account's root user.
        assume_root_alarm: In alarm when another principal than the session roles called AssumeRoot,
            even without success.
        trail_silent_alarm: In alarm when the log group has got no event for three hours: then the
            other alarms are silent whatever happens. None if its name has more than 255
            characters, for which the CDK has no metric.
        notices_alarm: In alarm when a notice could not be published. None without
            ``root_user_notices``.
        emergency_policy: The service control policy. None without the argument.

    Raises:
        ValueError: ``root_user_notices`` without a ``notification_topic`` or a
            ``management_account``; an argument is malformed; the topic is a FIFO topic; the topic
            or the log group is in another Region or account; the stack is in a China Region.
        TypeError: An argument has another type.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        trail_log_group: logs.ILogGroup,
        session_roles: Iterable[iam.IRole | str] = (),
        notification_topic: sns.ITopic | None = None,
        root_user_notices: bool = False,
        management_account: str | None = None,
        emergency_policy: bool = False,
    ) -> None:
        super().__init__(scope, id)
        require_log_group(trail_log_group, stack=Stack.of(self))
        require_topic(notification_topic, stack=Stack.of(self))
        require_bool("root_user_notices", root_user_notices)
        require_bool("emergency_policy", emergency_policy)
        if root_user_notices and None in (notification_topic, management_account):
            raise ValueError(
                "root_user_notices needs a notification_topic, and the management_account, whose "
                "root user no policy binds. Add both."
            )
        if management_account is not None and not Token.is_unresolved(management_account):
            # To check it: one account is a list of one.
            parse_account_ids("management_account", [management_account])
        roles = parse_session_roles(session_roles)
        require_region_with_root_access(self)
        self.emergency_policy: organizations.CfnPolicy | None = None
        # What to do first: an alarm's description has no room for what the runbook says after it.
        step = (
            "Deny a member's, by the runbook, then: "
            "centralized-root-access plan delete --account ACCOUNT --include-in-use"
        )
        if emergency_policy:
            # Attached to nothing.
            self.emergency_policy = create_policy(
                self,
                "EmergencyPolicy",
                type=OrganizationPolicyType.SERVICE_CONTROL,
                description=f"{ROOT_USER_DENIAL} To be attached in an emergency.",
                document=root_user_denial(),
                target_ids=[],
                part="Emergency-",
            )
            step = (
                "Deny a member's: aws organizations attach-policy "
                f"--policy-id {self.emergency_policy.attr_id} --target-id ACCOUNT"
            )
        self.root_user_alarm: cloudwatch.Alarm = self._build_alarm(
            "RootUserUsed",
            trail_log_group,
            pattern=_ROOT_USE,
            what="A root user was used, or someone tried to sign in as one.",
            steps=[
                "See if it is a recovery: centralized-root-access audit --account ACCOUNT",
                step,
            ],
            query=_FIND_ROOT_USE,
            runbook="Root use",
        )
        self.assume_root_alarm: cloudwatch.Alarm = self._build_alarm(
            "UnexpectedAssumeRoot",
            trail_log_group,
            pattern=_assume_root_pattern(roles),
            what="Another principal than the session roles called AssumeRoot.",
            steps=[
                "Ask the caller. If no one intended it, in the management account:",
                "aws iam disable-organizations-root-credentials-management",
                "aws iam disable-organizations-root-sessions",
            ],
            query=_FIND_ASSUME_ROOT,
            runbook="A root session that someone else opened",
        )
        self.trail_silent_alarm: cloudwatch.Alarm | None = None
        if len(trail_log_group.log_group_name) <= _MAX_NAME_CHARACTERS:
            self.trail_silent_alarm = _alarm_of_silence(self, trail_log_group)
        self.notices_alarm: cloudwatch.Alarm | None = None
        # Notices without a topic were refused above.
        if root_user_notices and notification_topic is not None:
            self.notices_alarm = self._build_notices(
                trail_log_group, notification_topic, management_account
            )
        notify_of_alarms(notification_topic, self)

    def _build_notices(
        self,
        trail_log_group: logs.ILogGroup,
        topic: sns.ITopic,
        management_account: str | None,
    ) -> cloudwatch.Alarm:
        """Build the function that publishes notices, and return the alarm for when it fails."""
        # Loaded only where it is needed, as it takes a while.
        from aws_cdk import aws_logs_destinations as destinations

        emergency_policy_id = None
        if self.emergency_policy is not None:
            emergency_policy_id = self.emergency_policy.attr_id
        own_logs = log_group(
            self, LogSettings(encryption_key=None, retention=logs.RetentionDays.ONE_YEAR)
        )
        function = python_function(
            self,
            "NoticesFunction",
            description="Publishes a notice of root users that are used.",
            handler="root_use.root_use_notice.on_delivery",
            log_group=own_logs,
            statements=[],
            timeout=Duration.minutes(1),
            settings={
                "notificationTopicArn": topic.topic_arn,
                "managementAccount": management_account,
                "emergencyPolicyId": emergency_policy_id,
            },
        )
        topic.grant_publish(function)
        logs.SubscriptionFilter(
            self,
            "Notices",
            log_group=trail_log_group,
            filter_pattern=logs.FilterPattern.literal(_ROOT_USE),
            destination=destinations.LambdaDestination(function),
        )
        return create_alarm(
            self,
            "NoticesAlarm",
            function.metric_errors(period=_PERIOD),
            description=alarm_description(
                "A notice of root use could not be published. The alarm on root users does not "
                "need it.",
                f"See why (AWS CLI version 2): aws logs tail {own_logs.log_group_name} --since 1d",
                runbook="If a notice is missing",
            ),
        )

    def _build_alarm(
        self,
        name: str,
        log_group: logs.ILogGroup,
        *,
        pattern: str,
        what: str,
        steps: Sequence[str],
        query: str,
        runbook: str,
    ) -> cloudwatch.Alarm:
        """Build a metric of the events that match a pattern, and return its alarm.

        Args:
            name: The id of the metric filter, and the beginning of the metric's name.
            log_group: The log group of the organization's trail.
            pattern: The filter pattern of CloudWatch Logs.
            what: What the alarm means.
            steps: What to do.
            query: The query of Logs Insights that finds the events.
            runbook: The heading in docs/guides/operating.md.
        """
        metric_filter = logs.MetricFilter(
            self,
            name,
            log_group=log_group,
            filter_pattern=logs.FilterPattern.literal(pattern),
            metric_namespace=NAMESPACE,
            # A second construct, with other roles, has a metric of its own. CloudWatch allows 255
            # characters.
            metric_name=f"{name}-{Names.unique_resource_name(self, separator='-', max_length=100)}",
            metric_value="1",
        )
        where = log_group.log_group_name
        if len(where) > _MAX_NAME_CHARACTERS:
            where = "the trail's log group"
        return create_alarm(
            self,
            f"{name}Alarm",
            metric_filter.metric(statistic="Sum", period=_PERIOD),
            description=alarm_description(
                what,
                *steps,
                f"See who, in Logs Insights on {where}: {query}",
                runbook=runbook,
            ),
        )


def _alarm_of_silence(scope: Construct, log_group: logs.ILogGroup) -> cloudwatch.Alarm:
    """Build the alarm for a log group that no longer gets the events of the trail."""
    name = log_group.log_group_name
    # CloudWatch Logs sends no zeros.
    events = cloudwatch.Metric(
        namespace="AWS/Logs",
        metric_name="IncomingLogEvents",
        dimensions_map={"LogGroupName": name},
    )
    return alarm_of_missing_data(
        scope,
        "TrailSilent",
        events,
        name="events",
        label="Events of the trail",
        description=alarm_description(
            f"{name} has got no event for {INTERVALS_UNTIL_STOPPED} hours, so that no use of a "
            "root user would be noticed. An intruder may have stopped the trail.",
            "In the trail's account, see if it logs: aws cloudtrail get-trail-status --name TRAIL",
            runbook="Root use",
        ),
        interval=Duration.hours(1),
    )


def _assume_root_pattern(roles: Sequence[iam.IRole | str]) -> str:
    """Return the pattern of AssumeRoot by any principal but some roles.

    A role of the CDK is known by its ID, which another role of the same name does not have. Of an
    imported or a precreated one only the ARN is known.
    """
    # A principal ID begins with the role's ID, then has the name of the session.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    ids: list[str] = []
    arns: list[str] = []
    for role in roles:
        role_id = None if isinstance(role, str) else attribute_of(role, "role_id")
        if role_id is None:
            arns.append(role_arn(role))
        else:
            ids.append(role_id)
    conditions = ['($.eventSource = "sts.amazonaws.com")', '($.eventName = "AssumeRoot")']
    if arns:
        # CloudTrail may also record the event for the target account, as it does with AssumeRole.
        # That copy has the type AWSAccount and no ARN of a role: it would seem to be of another.
        conditions.append('($.userIdentity.type != "AWSAccount")')
    conditions += _differs_from(_CALLER_ID_FIELD, [f"{role_id}:*" for role_id in ids])
    conditions += _differs_from(_ROLE_ARN_FIELD, arns)
    return f"{{ {' && '.join(conditions)} }}"


def _differs_from(field: str, values: Sequence[str]) -> list[str]:
    """Return the condition that a field differs from all of some values, or is missing.

    For example ``(($.arn NOT EXISTS) || (($.arn != "a") && ($.arn != "b")))``. It is in a list,
    which is empty if there are no values.
    """
    if not values:
        return []
    others = " && ".join(f'({field} != "{value}")' for value in values)
    if len(values) > 1:
        others = f"({others})"
    return [f"(({field} NOT EXISTS) || {others})"]

"""The CentralizedRootAccess construct: a custom resource, and an output that has the status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from aws_cdk import Annotations, CustomResource, Duration, RemovalPolicy, Stack, Token
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..base.arguments import (
    GOVCLOUD,
    parse_delegated_administrators,
    parse_members,
    require_region_with_root_access,
    require_text,
)
from ..base.enums import RootAccessFeature
from ..base.function import function_role, log_group, python_function
from ..base.outputs import add_output
from ..base.resource_arguments import parse_log_settings
from ..base.stack_order import StackOrder
from . import permissions
from .drift_check import DriftCheck

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sns as sns


# CloudFormation's event is asynchronous: if the response could not be delivered, Lambda runs the
# event again after one minute, and once more after two. Three invocations of three minutes take
# twelve minutes in all; the rest is for a queue that Lambda is slow to read.
_FUNCTION_TIMEOUT = Duration.minutes(3)
_SERVICE_TIMEOUT = Duration.minutes(15)
# A throttled Lambda would keep the event for six hours, and apply lists that were rolled back
# since. What begins within this time ends before CloudFormation gives up.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
_MAX_EVENT_AGE = Duration.minutes(12)


class CentralizedRootAccess(Construct):
    """Centralized root access for the organization that the stack's account manages.

    At deployment a Lambda-backed custom resource enables trusted access for ``iam.amazonaws.com``
    in AWS Organizations and the listed features in IAM, and leaves settings that are already
    enabled unchanged. The stack gets an output ``<id>Status`` with the resulting status as one line
    of JSON, which says when it was observed.

    **CloudFormation runs it in the first deployment, and in each later one that changes a list or
    ``revision``.** After such a deployment the organization matches the stack; otherwise the
    deployment fails with the reason. Any other deployment neither looks nor changes anything.

    A deployment that Lambda could not begin within twelve minutes fails after fifteen, and is not
    applied later.

    **The stack is deployed in the organization's management account.** Any Region works; both
    services are global. If the construct or its stack is removed, root access and the delegated
    administrators stay as they are.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html

    Example::

        app = App()
        stack = Stack(app, "OrganizationBootstrap")
        CentralizedRootAccess(stack, "RootAccess")
        app.synth()

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id; the output's key is ``<id>Status``, where ``<id>`` is without
            characters other than letters and digits.
        features: The features to enable. A feature that you leave out is disabled for the whole
            organization, with the warning ``centralized-root-access:disables<feature>``. A feature
            that this release does not know is left unchanged. Default: both, and nothing is
            disabled. In AWS GovCloud (US), list only ``ROOT_SESSIONS``. Trusted access stays
            enabled in every case.
        delegated_administrators: The member accounts, as 12 digits, to register as delegated
            administrators for IAM; any other is deregistered. An empty list deregisters all, and
            adds the warning ``centralized-root-access:noDelegatedAdministrators``. Default:
            delegated administrators are not managed, and not changed.
        revision: Any text, such as the commit or the pipeline's run. If it differs from that of the
            last deployment, this one looks at the organization again, corrects it and reports. The
            price: ``cdk diff`` always shows a difference. It may be a token. Default: none.
        encryption_key: The KMS key of the log groups; an alias is refused. The policy of an
            imported key must let CloudWatch Logs use it. Keep the old key when this changes,
            because existing logs stay encrypted with it. Default: CloudWatch Logs encrypts with a
            key of its own.
        log_retention: How long the logs are kept. Default: a year.

    Attributes:
        status: ENABLED with both features, PARTIAL with one, DISABLED with none or without trusted
            access; a token. Not for other stacks: see ``organization_id``.
        status_json: The value of the output: the status as one line of JSON; a token. Not for other
            stacks: see ``organization_id``.
        organization_id: The organization's id, for example o-8j81brsjuj; a token. Other stacks may
            use this attribute, because its value does not change. CloudFormation refuses to change
            an export that another stack imports, so if they used another attribute, an update could
            change the organization, fail, and change it back.
        function: The function of the custom resource.

    Raises:
        ValueError: An argument is malformed; the stack is in a China Region; the app already has
            the construct for the account, or the stack has one.
        TypeError: An argument has another type, such as an iterator.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        features: Iterable[RootAccessFeature | str] = tuple(RootAccessFeature),
        delegated_administrators: Iterable[str] | None = None,
        revision: str | None = None,
        encryption_key: kms.IKey | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)

        # Check the arguments, and say what leaving something out does.
        self._features = parse_members("features", features, RootAccessFeature, may_be_empty=True)
        self._delegated_administrators: list[str] | None = None
        if delegated_administrators is not None:
            self._delegated_administrators = parse_delegated_administrators(
                delegated_administrators, stack=stack
            )
        if revision is not None:
            require_text("revision", revision)
        self._log_settings = parse_log_settings(encryption_key, log_retention, stack=stack)
        require_region_with_root_access(
            self,
            manages_credentials=RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT in self._features,
        )
        self._refuse_second_instance(stack)
        self._add_warnings()

        # In an app with other constructs of this library, nothing works before the resource does.
        function = self._build_function()
        self.function: lambda_.IFunction = function
        self._resource = self._build_resource(function, revision=revision)
        StackOrder.of(self).first.add(self._resource)
        self.status: str = self._resource.get_att_string("Status")
        self.status_json: str = self._resource.get_att_string("StatusJson")
        self.organization_id: str = self._resource.get_att_string("OrganizationId")
        add_output(
            self,
            "Status",
            description="Status of centralized root access when it was observed (observedAt).",
            value=self.status_json,
        )

    def add_drift_check(
        self,
        *,
        interval: Duration | None = None,
        repair: bool = False,
        notification_topic: sns.ITopic | None = None,
        security_hub_findings: bool = False,
    ) -> DriftCheck:
        """Add a check that detects drift of the organization from the stack's configuration.

        It runs on the interval; in us-east-1 also when CloudTrail records one of the calls that
        change root access. That needs us-east-1 in the stack's ``env``, and a trail that logs
        management events there, such as an organization trail. A check writes a log line, and a
        metric that has two alarms.

        Args:
            interval: How often the check runs: whole minutes, from 1 minute to 24 hours. Default: 1
                hour.
            repair: True to enable trusted access and listed features that were disabled. A repair
                disables nothing, changes no delegated administrator, and runs only on the interval,
                while the stack's status ends in ``_COMPLETE``: it waits for a deployment to end,
                and for an operator if the stack stays in ``UPDATE_FAILED``, for example. By default
                the check only reports, and its role is read-only.
            notification_topic: A standard SNS topic in the stack's Region for the alarms, and for
                the check's notices: who left drift by which call and when, and what was repaired.
                The policies of an imported topic and of its key must let CloudWatch and the check's
                role publish. Default: none.
            security_hub_findings: True to have the checks that can read root access import one
                finding for the organization into Security Hub CSPM of the stack's account and
                Region, which has to be enabled there. Default: no finding.

        Returns:
            The check, with its ``drift_alarm``, its ``checks_stopped_alarm``, its
            ``metric_in_desired_state`` and its ``function``.

        Raises:
            ValueError: The interval is out of its range; the topic is a FIFO topic, or in another
                Region; or there is a drift check already.
            TypeError: An argument has another type.
        """
        # The CDK modules of the check take as long to load as those of the construct itself.
        from .drift_check import DriftCheck

        if self.node.try_find_child("DriftCheck"):
            raise ValueError(
                f"{self.node.path} already has a drift check. Call add_drift_check once, with all "
                "its arguments."
            )
        if interval is None:
            interval = Duration.hours(1)
        return DriftCheck(
            self,
            "DriftCheck",
            features=self._features,
            delegated_administrators=self._delegated_administrators,
            resource=self._resource,
            interval=interval,
            repair=repair,
            notification_topic=notification_topic,
            security_hub_findings=security_hub_findings,
            log_settings=self._log_settings,
        )

    def _refuse_second_instance(self, stack: Stack) -> None:
        """Refuse a second construct for the organization: they would overwrite each other."""
        # A nested stack is of the account of its parent, and may have another one beside it.
        while stack.nested_stack_parent is not None:
            stack = stack.nested_stack_parent
        # The stack keeps the mark if its account is unknown, because another stack without a known
        # account may be of another one; otherwise the app does.
        holder, key = cast("Construct", stack), stack.node.id
        where = f"stack {stack.node.path}"
        if not Token.is_unresolved(stack.account):
            holder, key = cast("Construct", self.node.root), stack.account
            where = f"account {stack.account}"
        # An empty construct, which is not in the template.
        mark = f"CentralizedRootAccess in {key}"
        if holder.node.try_find_child(mark):
            raise ValueError(
                f"{self.node.path} is a second CentralizedRootAccess for {where}. Root access is "
                "an organization-wide setting. Use one construct and configure it there."
            )
        Construct(holder, mark)

    def _add_warnings(self) -> None:
        """Warn of what a list that leaves something out does to the whole organization."""
        offered = list(RootAccessFeature)
        if Stack.of(self).region.startswith(GOVCLOUD):
            # AWS GovCloud (US) has no management of root credentials to disable.
            offered.remove(RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT)
        for feature in offered:
            if feature not in self._features:
                Annotations.of(self).add_warning_v2(
                    f"centralized-root-access:disables{feature}",
                    f"features leaves out {feature}: this disables it for the whole organization, "
                    "whichever stack enabled it.",
                )
        if self._delegated_administrators == []:
            Annotations.of(self).add_warning_v2(
                "centralized-root-access:noDelegatedAdministrators",
                "delegated_administrators is empty: this deregisters every delegated administrator "
                "for IAM. Omit the argument to keep them.",
            )

    def _build_function(self) -> lambda_.Function:
        """Build the function that responds to CloudFormation."""
        function = python_function(
            self,
            "Function",
            description="Enables centralized root access for the organization.",
            handler="root_access.handler.on_event",
            log_group=log_group(self, self._log_settings),
            statements=permissions.converge_statements(
                features=self._features, delegated_administrators=self._delegated_administrators
            ),
            timeout=_FUNCTION_TIMEOUT,
        )
        function.configure_async_invoke(max_event_age=_MAX_EVENT_AGE)
        return function

    def _build_resource(
        self, function: lambda_.Function, *, revision: str | None
    ) -> CustomResource:
        """Build the custom resource, which has the function change the organization."""
        properties: dict[str, object] = {"Features": [str(feature) for feature in self._features]}
        if self._delegated_administrators is not None:
            properties["DelegatedAdministrators"] = self._delegated_administrators
        # The function does not read it: CloudFormation invokes it because the property is another.
        if revision is not None:
            properties["Revision"] = revision
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::CentralizedRootAccess",
            service_token=function.function_arn,
            service_timeout=_SERVICE_TIMEOUT,
            properties=properties,
            # Deleting the stack must not disable what the whole organization relies on.
            removal_policy=RemovalPolicy.RETAIN,
        )
        # The role's policy changes first, in an update as in its rollback, so that the function may
        # make the calls of a list before it gets the list. The maximum age of events is there
        # before the first event.
        resource.node.add_dependency(function_role(function), function)
        return resource

"""The construct: a custom resource that turns centralized root access on, and an output that says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from aws_cdk import (
    Annotations,
    CfnOutput,
    CustomResource,
    Duration,
    NestedStack,
    RemovalPolicy,
    Stack,
    Token,
)
from aws_cdk.custom_resources import Provider
from constructs import Construct

from . import _permissions
from ._arguments import checked_delegated_administrators, checked_features
from ._function import log_group, python_function, role_for
from .drift_check import DriftCheck
from .enums import RootAccessFeature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import aws_sns as sns

_RESOURCE_TYPE = "Custom::CentralizedRootAccess"

# The function stops by itself before this. The framework can invoke it, wait five minutes for it to become
# active, and invoke it again: CloudFormation has to wait for all of that.
_FUNCTION_TIMEOUT = Duration.minutes(3)
_SERVICE_TIMEOUT = Duration.minutes(12)


class CentralizedRootAccess(Construct):
    """Turns on centralized root access for the organization that the stack's account manages.

    At deployment a Lambda-backed custom resource switches on trusted access for ``iam.amazonaws.com`` in
    AWS Organizations and the listed features in IAM, and leaves alone what is on already. What the stack
    lists is then what is there, or the deployment fails and says why. The stack gets an output
    ``<id>Status`` with one line of JSON that tells what AWS answered.

    **The stack is deployed in the organization's management account.** Its Region is free: both services
    are global. Deleting the stack or removing the construct changes nothing in the organization.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html

    Example::

        app = App()
        stack = Stack(app, "OrganizationBootstrap")
        CentralizedRootAccess(stack, "RootAccess")
        app.synth()

    Args:
        scope: the stack, or a construct in it.
        id: the construct's id; the output's key is ``<id>Status``.
        features: exactly the features that are to be on. By default both are, so that nothing is ever
            turned off. A feature that is left off the list is switched off; an empty list switches off
            both, and warns. Trusted access stays on in every case.
        delegated_administrators: exactly the member accounts, as 12 digits, that are to be registered as
            delegated administrators for IAM. By default they are not managed: whoever is registered stays.
            An empty list deregisters all, and warns.

    Raises:
        ValueError: a feature is unknown; an account id is not 12 digits, is listed twice, or is the
            stack's own account; the stack's Region is in China; the same account has the construct already.
        TypeError: a list is not a list, a tuple or a set; an iterator is refused, for it could be used up.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        features: Iterable[RootAccessFeature | str] = tuple(RootAccessFeature),
        delegated_administrators: Iterable[str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self._features = checked_features(features)
        self._delegated_administrators = (
            None
            if delegated_administrators is None
            else checked_delegated_administrators(delegated_administrators, own_account=stack.account)
        )
        self._refuse_china(stack)
        self._refuse_second_instance(stack)
        self._warn_of_empty_lists()

        logs = log_group(self)
        function = python_function(
            self,
            description="Turns on centralized root access for the organization.",
            handler="root_access.handler.on_event",
            log_group=logs,
            statements=_permissions.to_converge(
                features=self._features, delegated_administrators=self._delegated_administrators
            ),
            timeout=_FUNCTION_TIMEOUT,
        )
        provider = Provider(
            self,
            "Provider",
            on_event_handler=function,
            framework_on_event_role=role_for(self, "ProviderRole", logs),
            log_group=logs,
        )
        self._resource = self._build_resource(provider)
        self._build_output(id)

    @property
    def status(self) -> str:
        """ENABLED with both features on, PARTIAL with one, DISABLED with none; a token."""
        return self._resource.get_att_string("Status")

    @property
    def status_json(self) -> str:
        """What the output shows: one line of JSON; a token."""
        return self._resource.get_att_string("StatusJson")

    @property
    def organization_id(self) -> str:
        """The organization's id, such as o-8j81brsjuj; a token."""
        return self._resource.get_att_string("OrganizationId")

    @property
    def enabled_features(self) -> str:
        """The features that are on, as AWS answered: sorted, separated by commas; a token."""
        return self._resource.get_att_string("EnabledFeatures")

    @property
    def trusted_access_enabled_at(self) -> str:
        """When trusted access was switched on, in ISO 8601, UTC; a token."""
        return self._resource.get_att_string("TrustedAccessEnabledAt")

    def add_drift_check(
        self,
        *,
        interval: Duration | None = None,
        repair: bool = False,
        topic: sns.ITopic | None = None,
    ) -> DriftCheck:
        """Adds a check that notices when the organization is no longer as the stack lists it.

        It looks on the interval; in us-east-1 also when CloudTrail has seen one of the calls that change
        root access. Each look is a log line and a metric, with an alarm behind it.

        Args:
            interval: how often it looks: whole minutes, from 1 minute to 24 hours. By default an hour.
            repair: whether it turns on what is listed and off: trusted access and features. It turns
                nothing off, changes no delegated administrator, and waits while the stack is in progress.
                By default it only tells, and its role has no write.
            topic: gets the alarm's messages. By default nobody does. CloudWatch is allowed to publish to it.
                The policy of an imported topic, and the key of an encrypted one, have to allow
                ``cloudwatch.amazonaws.com`` themselves.

        Returns:
            The check, with its ``alarm`` and its ``metric``.

        Raises:
            ValueError: the interval is not whole minutes, or too short or too long.
        """
        return DriftCheck(
            self,
            "DriftCheck",
            features=self._features,
            delegated_administrators=self._delegated_administrators,
            organization_id=self.organization_id,
            interval=interval or Duration.hours(1),
            repair=repair,
            topic=topic,
        )

    def _refuse_china(self, stack: Stack) -> None:
        if not Token.is_unresolved(stack.region) and stack.region.startswith("cn-"):
            raise ValueError(
                f"{self.node.path} is in {stack.region}; in China AWS has no centralized root access. Use a "
                "Region of another partition."
            )

    def _refuse_second_instance(self, stack: Stack) -> None:
        """There is one switch in an organization; two constructs would turn it to and fro."""
        while isinstance(stack, NestedStack) and stack.nested_stack_parent:
            stack = stack.nested_stack_parent
        known = not Token.is_unresolved(stack.account)
        holder = cast("Construct", self.node.root) if known else stack
        marker = f"CentralizedRootAccess in {stack.account if known else stack.node.id}"
        if holder.node.try_find_child(marker):
            where = f"account {stack.account}" if known else f"stack {stack.node.path}"
            raise ValueError(
                f"{self.node.path} is a second CentralizedRootAccess for {where}. An organization has one "
                "switch: use one construct, and list there what is to be on."
            )
        Construct(holder, marker)

    def _warn_of_empty_lists(self) -> None:
        if not self._features:
            Annotations.of(self).add_warning_v2(
                "centralized-root-access:noFeatures",
                "features is empty: this switches off RootCredentialsManagement and RootSessions for the "
                "whole organization. Root credentials can then not be recovered centrally.",
            )
        if self._delegated_administrators == []:
            Annotations.of(self).add_warning_v2(
                "centralized-root-access:noDelegatedAdministrators",
                "delegated_administrators is empty: this deregisters every delegated administrator for IAM. "
                "Leave the argument out to leave them alone.",
            )

    def _build_resource(self, provider: Provider) -> CustomResource:
        properties: dict[str, object] = {"Features": [str(feature) for feature in self._features]}
        if self._delegated_administrators is not None:
            properties["DelegatedAdministrators"] = self._delegated_administrators
        return CustomResource(
            self,
            "Resource",
            resource_type=_RESOURCE_TYPE,
            service_token=provider.service_token,
            service_timeout=_SERVICE_TIMEOUT,
            properties=properties,
            # Deleting the stack must not switch off what the whole organization relies on.
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _build_output(self, id: str) -> None:
        output = CfnOutput(
            self,
            "Status",
            description="Centralized root access, as AWS answered at the last change of this stack.",
            value=self.status_json,
        )
        output.override_logical_id(re.sub(r"[^A-Za-z0-9]", "", id) + "Status")

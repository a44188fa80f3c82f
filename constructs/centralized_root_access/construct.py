"""The construct: a custom resource that turns centralized root access on, and an output that says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aws_cdk import (
    Annotations,
    Aws,
    CfnOutput,
    CustomResource,
    Duration,
    NestedStack,
    RemovalPolicy,
    Stack,
    Token,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.custom_resources import Provider
from constructs import Construct

from ._arguments import checked_delegated_administrators, checked_features
from ._code import lambda_root
from .features import RootAccessFeature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RESOURCE_TYPE = "Custom::CentralizedRootAccess"
_SERVICE_PRINCIPAL = "iam.amazonaws.com"

# The function stops by itself before this. The framework can invoke it, wait five minutes for it to become
# active, and invoke it again: CloudFormation has to wait for all of that.
_FUNCTION_TIMEOUT = Duration.minutes(3)
_SERVICE_TIMEOUT = Duration.minutes(12)

_ENABLE = {
    RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT: "iam:EnableOrganizationsRootCredentialsManagement",
    RootAccessFeature.ROOT_SESSIONS: "iam:EnableOrganizationsRootSessions",
}
_DISABLE = {
    RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT: "iam:DisableOrganizationsRootCredentialsManagement",
    RootAccessFeature.ROOT_SESSIONS: "iam:DisableOrganizationsRootSessions",
}


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
        TypeError: a list is given as one string.
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

        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.DESTROY,
        )
        function = self._build_function(log_group)
        provider = self._build_provider(function, log_group)
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
        holder = self.node.root if known else stack
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

    def _build_function(self, log_group: logs.LogGroup) -> lambda_.Function:
        function = lambda_.Function(
            self,
            "Function",
            description="Turns on centralized root access for the organization.",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler="root_access.handler.on_event",
            code=lambda_.Code.from_asset(
                str(lambda_root()),
                # What else lies in the folder must not change the function: bytecode, other functions.
                exclude=["*", "!root_access", "!root_access/*.py"],
            ),
            memory_size=256,
            timeout=_FUNCTION_TIMEOUT,
            role=_role(self, "Role", log_group),
            log_group=log_group,
        )
        for statement in self._statements():
            function.add_to_role_policy(statement)
        return function

    def _statements(self) -> Sequence[iam.PolicyStatement]:
        """What the function may do: the calls that it makes for what is listed, and nothing else."""
        for_iam = {"StringEquals": {"organizations:ServicePrincipal": _SERVICE_PRINCIPAL}}
        statements = [
            iam.PolicyStatement(
                sid="ReadRootAccess",
                actions=[
                    "iam:ListOrganizationsFeatures",
                    "organizations:DescribeOrganization",
                    "organizations:ListAWSServiceAccessForOrganization",
                ],
                resources=["*"],
            ),
            iam.PolicyStatement(
                sid="TrustedAccess",
                actions=[
                    "organizations:EnableAWSServiceAccess",
                    "organizations:ListDelegatedAdministrators",
                ],
                resources=["*"],
                conditions=for_iam,
            ),
            iam.PolicyStatement(
                sid="Features",
                actions=[
                    _ENABLE[feature] if feature in self._features else _DISABLE[feature]
                    for feature in RootAccessFeature
                ],
                resources=["*"],
            ),
        ]
        if self._delegated_administrators is not None:
            register = ["organizations:RegisterDelegatedAdministrator"]
            deregister = ["organizations:DeregisterDelegatedAdministrator"]
            statements.append(
                iam.PolicyStatement(
                    sid="DelegatedAdministrators",
                    actions=(register if self._delegated_administrators else []) + deregister,
                    # Whichever member accounts the list had before, or a rollback brings back.
                    resources=[f"arn:{Aws.PARTITION}:organizations::{Aws.ACCOUNT_ID}:account/o-*/*"],
                    conditions=for_iam,
                )
            )
        return statements

    def _build_provider(self, function: lambda_.Function, log_group: logs.LogGroup) -> Provider:
        return Provider(
            self,
            "Provider",
            on_event_handler=function,
            framework_on_event_role=_role(self, "ProviderRole", log_group),
            log_group=log_group,
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


def _role(scope: Construct, id: str, log_group: logs.LogGroup) -> iam.Role:
    """A function's role that may write to its own log group, instead of AWS's managed policy."""
    role = iam.Role(scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    return role

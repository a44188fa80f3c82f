"""IAM's five organization-level operations, and IAM in a root session."""

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.responses import IamResponse

from .authorization import root_arn
from .errors import AwsError, no_such_entity, validation_error
from .features import Feature
from .records import IAM_SERVICE_PRINCIPAL, MANAGEMENT_ACCOUNT_ID
from .requests import EmulatedResponse, HttpResponse, access_key_id, security_token
from .state import RootSession, RootUser, current_emulation, is_root_session_token
from .task_policies import TASK_POLICIES

_ROOT_USER_OPERATIONS = frozenset(
    action.removeprefix("iam:")
    for task_policy in TASK_POLICIES.values()
    for action in task_policy.allows
    if action.startswith("iam:")
)


class EmulatedIamResponse(EmulatedResponse, IamResponse):  # type: ignore[misc]
    """Handle requests to IAM; every other operation is left to moto."""

    @classmethod
    def dispatch(cls, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Respond to a request; the caller may be a root user, or a root session."""
        key = access_key_id(request)
        is_root_user = is_root_session_token(security_token(request)) or (
            key is not None and current_emulation().account_of_root_key(key) is not None
        )
        response: HttpResponse = (_RootUserResponse if is_root_user else cls)()._dispatch(
            request, *args, **kwargs
        )
        return response

    @property
    def endpoint_region(self) -> str:
        """The one Region in which IAM's control plane is."""
        return "us-east-1"

    def enable_organizations_root_credentials_management(self) -> ActionResult:
        """EnableOrganizationsRootCredentialsManagement."""
        return self._enable(Feature.ROOT_CREDENTIALS_MANAGEMENT)

    def enable_organizations_root_sessions(self) -> ActionResult:
        """EnableOrganizationsRootSessions."""
        return self._enable(Feature.ROOT_SESSIONS)

    def disable_organizations_root_credentials_management(self) -> ActionResult:
        """DisableOrganizationsRootCredentialsManagement."""
        return self._disable(Feature.ROOT_CREDENTIALS_MANAGEMENT)

    def disable_organizations_root_sessions(self) -> ActionResult:
        """DisableOrganizationsRootSessions."""
        return self._disable(Feature.ROOT_SESSIONS)

    def list_organizations_features(self) -> ActionResult:
        """ListOrganizationsFeatures."""
        self._require_administrator()
        return self._enabled_features_result()

    def get_account_summary(self) -> ActionResult:
        """GetAccountSummary, which includes the root user's credentials."""
        summary = dict(self.backend.get_account_summary().summary_map)
        root_user = self.emulation.root_user(self.account_id)
        summary["AccountPasswordPresent"] = int(root_user.password_created_at is not None)
        summary["AccountAccessKeysPresent"] = int(bool(root_user.access_keys))
        summary["AccountMFAEnabled"] = int(bool(root_user.mfa_devices))
        summary["AccountSigningCertificatesPresent"] = int(bool(root_user.certificates))
        return ActionResult({"SummaryMap": summary})

    def _enable(self, feature: Feature) -> ActionResult:
        """Enable a feature, which only the management account may."""
        self._require_administrator()
        if self.account_id != MANAGEMENT_ACCOUNT_ID:
            raise AwsError(
                "CallerIsNotManagementAccountException",
                f"Caller account {self.account_id} is not management account of the organization "
                "and cannot enable IAM features.",
            )
        self.emulation.features.add(feature)
        return self._enabled_features_result()

    def _disable(self, feature: Feature) -> ActionResult:
        """Disable a feature, which a delegated administrator may as well."""
        self._require_administrator()
        self.emulation.features.discard(feature)
        return self._enabled_features_result()

    def _enabled_features_result(self) -> ActionResult:
        """Return the response of all five operations: the features that are enabled."""
        return ActionResult(
            {
                "OrganizationId": self.emulation.organization.id,
                # In AWS's order.
                "EnabledFeatures": [
                    feature for feature in Feature if feature in self.emulation.features
                ],
            }
        )

    def _require_administrator(self) -> None:
        organization = self.emulation.organization
        account_id = self.account_id
        if organization.account(account_id) is None:
            raise AwsError(
                "OrganizationNotFoundException",
                f"Organization of input account {account_id} not found.",
            )
        if not organization.has_all_features:
            raise AwsError(
                "OrganizationNotInAllFeaturesModeException",
                f"Organization of input account {account_id} is not in all features mode.",
            )
        delegated = organization.delegated_administrators(IAM_SERVICE_PRINCIPAL)
        if account_id != MANAGEMENT_ACCOUNT_ID and account_id not in delegated:
            raise AwsError(
                "AccountNotManagementOrDelegatedAdministratorException",
                f"Input account {account_id} is neither management account nor delegated admin.",
            )
        if not self.emulation.has_trusted_access:
            raise AwsError(
                "ServiceAccessNotEnabledException",
                "Trusted Access for IAM not enabled by organization of input account "
                f"{account_id}.",
            )


class _RootUserResponse(EmulatedIamResponse):
    """Handle the requests of a root user about itself, and of a root session."""

    @property
    def resource(self) -> str:
        """The root user, unless the request names a user."""
        if self.operation == "GetAccountSummary":
            return "*"
        user_name = self._get_param("UserName")
        if user_name is None:
            return root_arn(self.account_id)
        return f"arn:aws:iam::{self.account_id}:user/{user_name}"

    @property
    def policy_resource(self) -> str | None:
        """The request's resource, for the operations that a task policy allows."""
        return self.resource if self.operation in _ROOT_USER_OPERATIONS else None

    @property
    def _root_user(self) -> RootUser:
        """The root user that calls, or that the root session is of."""
        return self.emulation.root_user(self.account_id)

    def get_user(self) -> ActionResult:
        """GetUser, whose response for a root user has neither UserName nor Path."""
        account = self.emulation.organization.account(self.account_id)
        user: dict[str, object] = {
            "UserId": self.account_id,
            "Arn": root_arn(self.account_id),
            "CreateDate": account.joined_at if account else self.received_at,
        }
        if self._root_user.password_last_used is not None:
            user["PasswordLastUsed"] = self._root_user.password_last_used
        return ActionResult({"User": user})

    def get_login_profile(self) -> ActionResult:
        """GetLoginProfile."""
        self._require_password()
        return self._login_profile_result()

    def create_login_profile(self) -> ActionResult:
        """CreateLoginProfile, which allows the recovery of the root user's password."""
        if self._get_param("Password") is not None:
            raise validation_error("Password must be omitted in a root session.")
        if self._root_user.password_created_at is not None:
            raise AwsError(
                "EntityAlreadyExists",
                f"Login Profile for account {self.account_id} already exists.",
            )
        self._root_user.password_created_at = self.received_at
        return self._login_profile_result()

    def delete_login_profile(self) -> ActionResult:
        """DeleteLoginProfile."""
        self._require_password()
        self._root_user.password_created_at = None
        return EmptyResult()

    def list_access_keys(self) -> ActionResult:
        """ListAccessKeys."""
        return self._list_result(
            "AccessKeyMetadata",
            {
                id_: {"AccessKeyId": id_, "Status": "Active", "CreateDate": key.created_at}
                for id_, key in self._root_user.access_keys.items()
            },
        )

    def delete_access_key(self) -> ActionResult:
        """DeleteAccessKey."""
        return self._delete_credential(
            self._root_user.access_keys, "AccessKeyId", kind="The Access Key with id"
        )

    def get_access_key_last_used(self) -> ActionResult:
        """GetAccessKeyLastUsed, which is denied for keys that are not the root user's."""
        key = self._root_user.access_keys.get(str(self._get_param("AccessKeyId")))
        if key is None:
            raise self.access_denied("with an explicit deny in a session policy")
        last_used: dict[str, object] = {"ServiceName": "N/A", "Region": "N/A"}
        if key.last_use is not None:
            last_used = {
                "LastUsedDate": key.last_use,
                "ServiceName": "s3",
                "Region": "us-east-1",
            }
        return ActionResult({"AccessKeyLastUsed": last_used})

    def list_mfa_devices(self) -> ActionResult:
        """ListMFADevices."""
        devices = self._root_user.mfa_devices.items()
        return self._list_result(
            "MFADevices", {id_: {"SerialNumber": id_, "EnableDate": date} for id_, date in devices}
        )

    def deactivate_mfa_device(self) -> ActionResult:
        """DeactivateMFADevice."""
        devices = self._root_user.mfa_devices
        return self._delete_credential(
            devices, "SerialNumber", kind="MFA Device with serial number"
        )

    def list_signing_certificates(self) -> ActionResult:
        """ListSigningCertificates."""
        certificate = {
            "CertificateBody": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
            "Status": "Active",
        }
        certificates = self._root_user.certificates.items()
        return self._list_result(
            "Certificates",
            {
                id_: {"CertificateId": id_, "UploadDate": date, **certificate}
                for id_, date in certificates
            },
        )

    def delete_signing_certificate(self) -> ActionResult:
        """DeleteSigningCertificate."""
        return self._delete_credential(
            self._root_user.certificates, "CertificateId", kind="The Certificate with id"
        )

    def _task_policy_allows(self, session: RootSession) -> bool:
        """Return whether the task policy allows the call; it allows nothing on an IAM user."""
        # The task policies allow nothing on an IAM user.
        return super()._task_policy_allows(session) and self._get_param("UserName") is None

    def _delete_credential(
        self, credentials: dict[str, Any], parameter: str, *, kind: str
    ) -> ActionResult:
        """Delete the credential that a parameter names; it may be gone already."""
        id_ = str(self._get_param(parameter))
        if credentials.pop(id_, None) is None:
            raise no_such_entity(f"{kind} {id_} cannot be found.")
        return EmptyResult()

    def _require_password(self) -> None:
        """Raise AWS's error if the root user has no password."""
        if self._root_user.password_created_at is None:
            # AWS puts the user's name there; a root user has none.
            raise no_such_entity("Login Profile for User null cannot be found.")

    def _login_profile_result(self) -> ActionResult:
        """Return the root user's login profile."""
        return ActionResult(
            {
                "LoginProfile": {
                    "CreateDate": self._root_user.password_created_at,
                    "PasswordResetRequired": False,
                }
            }
        )

    def _list_result(self, member: str, entries: Mapping[str, dict[str, object]]) -> ActionResult:
        """Return a list of credentials, which is always one page."""
        # A root user has fewer credentials than a page.
        return ActionResult(
            {member: [entries[id_] for id_ in sorted(entries)], "IsTruncated": False}
        )

"""The emulation behind HTTP behaves as it does in process."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.parsers import create_parser

from local_aws.emulation import (
    Organization,
    RemoteOrganization,
    mock_organization,
    serve_organization,
)
from local_aws.services import LocalAws
from local_aws.session_token import Refusal
from support.accounts import MANAGEMENT, OUTSIDE_ORGANIZATION
from support.emulation import (
    DELEGATE,
    DELETE_TASK_POLICY,
    IAM_PRINCIPAL,
    error_raised_by,
    http_status_of,
    open_root_session,
    register_delegate,
)

TOKEN = "the-token-of-this-run"
ROLE = f"arn:aws:iam::{DELEGATE}:role/deployer"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def deny_everything(organization: Organization, target_id: str) -> None:
    """Attach a policy that denies everything to a target."""
    document = {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
    organization.attach_policy(name=target_id, document=document, target_id=target_id)


def observe_a_lifetime(organization: Organization) -> list[object]:
    """Return what each kind of member of the handle returns, in a life with a bit of everything."""
    organizations = organization.client("organizations")
    seen: list[object] = [organization.id, organization.management_account_id, organization.members]
    organizations.enable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    organization.client("iam").enable_organizations_root_credentials_management()
    register_delegate(organization, DELEGATE)
    account_id = organization.add_account(
        name="new", email="new@example.com", account_id="666666666666"
    )
    last_used = datetime(2026, 1, 1, tzinfo=UTC)
    organization.put_root_credentials(
        account_id, password=True, access_keys=1, password_last_used=last_used
    )
    root = organization.client(
        "iam",
        credentials=open_root_session(organization, DELETE_TASK_POLICY, account_id=account_id),
    )
    seen.append(root.get_user()["User"].get("PasswordLastUsed"))
    # Nothing is used before it is created.
    assert root.get_login_profile()["LoginProfile"]["CreateDate"] <= last_used
    organization.deny(account_id, "iam:DeleteLoginProfile")
    seen.append(error_raised_by(root.delete_login_profile))
    organization.allow(account_id, "iam:DeleteLoginProfile")
    root.delete_login_profile()
    root_user = organization.client("iam", account_id=account_id, root_user=True)
    seen.append(root_user.get_user()["User"]["Arn"])
    deny_everything(organization, account_id)
    # A root session lasts 15 minutes.
    organization.advance_clock(900)
    seen += [error_raised_by(client.get_user)["code"] for client in (root, root_user)]
    access = organization.root_access()
    seen += [access.features, access.delegated_administrators, sorted(access.trusted_access)]
    seen += [
        sorted(organization.other_services().trusted_access),
        organization.root_credentials(account_id),
    ]
    for wrong_argument, error in (
        (lambda: organization.root_credentials(OUTSIDE_ORGANIZATION), LookupError),
        (lambda: deny_everything(organization, "ou-none-12345678"), LookupError),
        (lambda: deny_everything(organization, account_id), ValueError),
    ):
        with pytest.raises(error) as raised:
            wrong_argument()
        seen.append(str(raised.value))
    seen += [
        (
            call.service,
            call.operation,
            call.account_id,
            call.parameters,
            call.error,
            call.root_session,
        )
        for call in organization.calls
    ]
    organization.clear_calls()
    organization.delete()
    seen += [error_raised_by(organizations.describe_organization), len(organization.calls)]
    organization.reset()
    seen += [organization.members, organization.root_access().features, organization.calls]
    return seen


def test_a_server_in_its_own_process_behaves_as_the_emulation_in_process(
    running_aws: LocalAws,
) -> None:
    with mock_organization() as local:
        expected = observe_a_lifetime(local)

    running_aws.organization.reset()
    log = running_aws.addresses.folder / "moto.log"
    before = log.read_bytes()
    assert observe_a_lifetime(running_aws.organization) == expected
    assert log.read_bytes() == before, "it prints nothing"


AUTHORIZED = {"X-Amz-Security-Token": TOKEN}


@pytest.mark.parametrize(
    ("member", "headers", "status"),
    [
        pytest.param("reset", AUTHORIZED, 200, id="the token"),
        pytest.param("_apply_seed", AUTHORIZED, 404, id="another member"),
        pytest.param("reset", {**AUTHORIZED, "Origin": "http://127.0.0.1"}, 403, id="a web page"),
        pytest.param("reset", {}, 403, id="no token"),
        pytest.param("reset", {"X-Amz-Security-Token": f"guess/{TOKEN}"}, 403, id="another token"),
    ],
)
def test_the_control_api_takes_requests_with_the_token_for_its_members_only(
    member: str, headers: dict[str, str], status: int
) -> None:
    with serve_organization(session_token=TOKEN) as served:
        body = json.dumps({"member": member, "arguments": {}})
        assert http_status_of(f"{served.url}/_local_aws/control", headers, body=body) == status


def test_aws_refuses_requests_without_the_token_and_of_web_pages() -> None:
    with serve_organization(session_token=TOKEN) as served:
        body = "Action=GetCallerIdentity&Version=2011-06-15"
        request = AWSRequest("POST", f"{served.url}/", headers=FORM, data=body)
        SigV4Auth(Credentials(OUTSIDE_ORGANIZATION, "secret", TOKEN), "sts", "us-east-1").add_auth(
            request
        )
        signed = dict(request.headers.items())
        assert http_status_of(f"{served.url}/", signed, body=body) == 200

        page = {**signed, "Origin": "https://example.com"}
        assert http_status_of(f"{served.url}/", page, body=body) == 403
        assert http_status_of(f"{served.url}/moto-api/reset", {}, body="") == 403

        with pytest.raises(ClientError, match="AWS_SESSION_TOKEN") as raised:
            RemoteOrganization(url=served.url).client(
                "sts", account_id=OUTSIDE_ORGANIZATION
            ).get_caller_identity()
        assert raised.value.response["Error"]["Code"] == "InvalidClientTokenId"


@pytest.mark.parametrize(
    ("protocol", "content_type"),
    [("query", FORM["Content-Type"]), ("rest-xml", ""), ("json", "application/x-amz-json-1.0")],
)
def test_an_sdk_reads_a_refusal_whatever_it_names(protocol: str, content_type: str) -> None:
    refusal = Refusal(code="AccessDenied", message='not authorized on resource: "a<b>" & c')
    _, body = refusal.body(request_type=content_type)
    parser: Any = create_parser(protocol)
    parsed = parser.parse({"body": body, "headers": {}, "status_code": 403}, None)
    assert parsed["Error"]["Code"] == refusal.code
    assert parsed["Error"]["Message"] == refusal.message


def test_all_credentials_that_the_emulation_issues_are_accepted() -> None:
    with serve_organization(session_token=TOKEN) as served:
        role = served.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="session")[
            "Credentials"
        ]
        served.client("iam").create_user(UserName="user")
        key = served.client("iam").create_access_key(UserName="user")["AccessKey"]
        arns = [
            served.client("sts", credentials=credentials).get_caller_identity()["Arn"]
            for credentials in (role, key)
        ]
    assert role["AccessKeyId"] == DELEGATE, "MiniStack reads the account from it"
    assert arns == [
        f"arn:aws:sts::{DELEGATE}:assumed-role/deployer/session",
        f"arn:aws:iam::{MANAGEMENT}:user/user",
    ]

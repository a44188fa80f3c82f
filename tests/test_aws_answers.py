"""The emulation's responses are those recorded on AWS, in process and over HTTP."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from local_aws.emulation import Organization, mock_organization, serve_organization
from support.accounts import OTHER
from support.arrange import set_feature

_ANSWERS = json.loads(Path(__file__).with_name("data").joinpath("aws_answers.json").read_text())["answers"]

_IAM = "iam.amazonaws.com"
_TARGET = OTHER
_TASKS = "arn:aws:iam::aws:policy/root-task/"


@pytest.fixture(params=["in process", "over HTTP"])
def organization(request: pytest.FixtureRequest) -> Iterator[Organization]:
    with mock_organization() if request.param == "in process" else serve_organization() as organization:
        yield organization


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in _ANSWERS])
def test_the_emulation_responds_as_aws_did(organization: Organization, case: Mapping[str, Any]) -> None:
    scene = _Scene(organization)
    for step in case["given"]:
        scene.arrange(step)
    credentials = scene.credentials_of(case["caller"])
    organization.clear_calls()

    response = scene.call(case["call"], credentials=credentials)
    expected = case["answer"]

    called_at = organization.calls[-1].at
    if "code" in expected:
        assert response["Error"]["Code"] == expected["code"]
        if "http" in expected:
            assert response["ResponseMetadata"]["HTTPStatusCode"] == expected["http"]
        if "message" in expected:
            message = expected["message"].replace("{caller}", scene.arn_of(credentials))
            assert response["Error"]["Message"] == message
        assert response.get("Reason") == expected.get("reason")
    else:
        assert "Error" not in response
        output = {member: response.get(member) for member in expected["output"]}
        _assert_matches(output, expected["output"], organization_id=organization.id, at=called_at)
    if "afterwards" in case:
        summary = organization.client("iam", account_id=_TARGET).get_account_summary()["SummaryMap"]
        assert {**summary, **case["afterwards"]} == summary


class _Scene:
    """An organization that calls bring into the state of a case."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._organizations = organization.client("organizations")
        self._root_session: Any = None

    def arrange(self, step: str) -> None:
        words = step.split()
        match words:
            case ["trusted", "access", "enabled"]:
                self._organizations.enable_aws_service_access(ServicePrincipal=_IAM)
            case ["trusted", "access", "disabled"]:
                self._organizations.disable_aws_service_access(ServicePrincipal=_IAM)
            case [feature, "enabled" | "disabled" as state]:
                set_feature(self._organization, feature, enabled=state == "enabled")
            case [account_id, "registered"]:
                self._organizations.register_delegated_administrator(
                    AccountId=account_id, ServicePrincipal=_IAM
                )
            case [account_id, "deregistered"]:
                self._organizations.deregister_delegated_administrator(
                    AccountId=account_id, ServicePrincipal=_IAM
                )
            case [seconds, "seconds", "later"]:
                self._organization.advance_clock(float(seconds))
            case [action, "denied", "to", account_id]:
                self._organization.deny(account_id=account_id, action=action)
            case ["root", "password", "in", account_id]:
                self._organization.put_root_credentials(account_id=account_id, password=True)
            case ["root", "session", task]:
                self._root_session = self._organization.client("sts").assume_root(
                    TargetPrincipal=_TARGET, TaskPolicyArn={"arn": _TASKS + task}
                )["Credentials"]
            case _:
                raise ValueError(step)

    def credentials_of(self, caller: str) -> Any:
        match caller.split():
            case ["management", "account"]:
                return _account_key(self._organization.management_account_id)
            case ["root", "session"]:
                return self._root_session
            case ["role", name, "in", account_id]:
                return self._organization.client("sts", account_id=account_id).assume_role(
                    RoleArn=f"arn:aws:iam::{account_id}:role/{name}", RoleSessionName="session"
                )["Credentials"]
            case ["user", name, "in", account_id]:
                iam = self._organization.client("iam", account_id=account_id)
                iam.create_user(UserName=name)
                return iam.create_access_key(UserName=name)["AccessKey"]
            case [account_id]:
                return _account_key(account_id)
            case _:
                raise ValueError(caller)

    def arn_of(self, credentials: Any) -> str:
        return self._organization.client("sts", credentials=credentials).get_caller_identity()["Arn"]

    def call(self, call: Mapping[str, Any], *, credentials: Any) -> dict[str, Any]:
        service, operation = call["operation"].split(":")
        client: Any = self._organization.client(service, credentials=credentials)
        if "host" in call:
            _send_to_host(client, call["host"])
        try:
            response: dict[str, Any] = client._make_api_call(operation, call["parameters"])
        except ClientError as error:
            response = dict(error.response)
        return response


def _account_key(account_id: str) -> dict[str, str]:
    return {"AccessKeyId": account_id, "SecretAccessKey": "secret"}


def _send_to_host(client: Any, host: str) -> None:
    """Set the Host header of the client's requests without changing their destination."""

    def name_host(request: AWSRequest, **_: object) -> None:
        url = str(request.url)
        if "127.0.0.1" in url:
            request.headers["Host"] = host
        else:
            request.url = re.sub(r"//[^/]+", f"//{host}", url)

    client.meta.events.register("before-sign", name_host)


def _assert_matches(actual: Any, expected: Any, *, organization_id: str, at: datetime) -> None:
    match expected:
        case dict():
            wanted = dict(expected)
            if (count := wanted.pop("{number of keys}", None)) is not None:
                assert len(actual) == count
                actual = {key: actual[key] for key in wanted}
            assert actual.keys() == wanted.keys()
            for key, value in wanted.items():
                _assert_matches(actual[key], value, organization_id=organization_id, at=at)
        case "{organization id}":
            assert actual == organization_id
        case "{text}":
            assert isinstance(actual, str)
            assert actual
        case "{time}":
            assert isinstance(actual, datetime)
        case "{900 seconds later}":
            assert actual == (at.replace(microsecond=0) + timedelta(seconds=900))
        case _:
            assert actual == expected

"""Another evaluator, which no one of this project wrote, and the worlds that it is asked about.

It knows true and false only, and takes a key that it is not given for absent. So it is asked about every
world that may be the case: each combination of what is not known of a root session. What this project's
evaluator is certain of must be so in all of them. The context stands here a second time on purpose: a mistake
in the evaluator's table must not confirm itself.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from centralized_root_access.preflight.evaluate import Decision

from .scp import ACCOUNT_ID, DELEGATE_ID, ORGANIZATION_ID, ORGANIZATION_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from centralized_root_access.preflight.calls import Call

DIRECTORY = Path(__file__).parents[1] / "scp_oracle"
MAX_WORLDS = 96

_DECISIONS = {
    "Allowed": Decision.ALLOWED,
    "ExplicitlyDenied": Decision.DENIED,
    "ImplicitlyDenied": Decision.DENIED,
}
Context = dict[str, str | list[str]]
Document = dict[str, Any]

KNOWN: Context = {
    "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT_ID}:root",
    "aws:AssumedRoot": "true",
    "aws:PrincipalType": "Account",
    "aws:PrincipalAccount": ACCOUNT_ID,
    "aws:userid": ACCOUNT_ID,
    "aws:PrincipalOrgID": ORGANIZATION_ID,
    "aws:PrincipalOrgPaths": [ORGANIZATION_PATH],
    "aws:PrincipalIsAWSService": "false",
    "aws:ViaAWSService": "false",
    "aws:SecureTransport": "true",
    "aws:ResourceAccount": ACCOUNT_ID,
    "aws:ResourceOrgID": ORGANIZATION_ID,
    "aws:ResourceOrgPaths": [ORGANIZATION_PATH],
}
# What differs in the call that opens the session.
KNOWN_OF_OPENER: Context = {
    "aws:PrincipalArn": f"arn:aws:iam::{DELEGATE_ID}:role/centralized-root-access/Audit",
    "aws:PrincipalAccount": DELEGATE_ID,
    "aws:PrincipalOrgPaths": [f"{ORGANIZATION_ID}/r-ab12/ou-ab12-security/"],
    "sts:TaskPolicyArn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials",
}
OPEN_OF_OPENER: dict[str, tuple[str | None, ...]] = {
    "aws:PrincipalType": ("AssumedRole", "User"),
    "aws:MultiFactorAuthPresent": (None, "false", "true"),
    "aws:MultiFactorAuthAge": (None, "1", "7200"),
    "aws:PrincipalTag/team": (None, "red", "blue"),
    "aws:PrincipalTag/dp:include:network": (None, "true"),
    "aws:username": (None, "alice", "payroll"),
    "aws:userid": ("AROAEXAMPLE:audit", "444444444444"),
    "aws:FederatedProvider": (None, "x"),
}
# What is not known; None is a key that is absent.
OPEN: dict[str, tuple[str | None, ...]] = {
    "aws:MultiFactorAuthPresent": (None, "false"),
    "aws:TokenIssueTime": ("2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
    "aws:CurrentTime": ("2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
    "aws:UserAgent": ("Boto3/1.43", "other"),
    "aws:SourceIdentity": (None, "alice", "bob"),
    "aws:SourceIp": (None, "192.0.2.7", "203.0.113.9", "2001:db8::1"),
    "aws:SourceVpc": (None, "vpc-1", "vpc-0a1b2c3d4e5f60718"),
    "aws:SourceVpce": (None, "vpce-1", "vpce-2"),
    "aws:ResourceTag/team": (None, "red", "blue"),
    "aws:SomethingNew": (None, "yes", "no", "1"),
}
REGIONS = ("us-east-1", "eu-west-1", "eu-central-1", "ca-central-1", "ap-south-1")
TLS_VERSIONS = ("1.2", "1.3")
NAMES = ("payroll", "payments", "jobs", "logs", f"{ACCOUNT_ID}-logs", "x")


@dataclass(frozen=True, kw_only=True)
class World:
    """One of the ways in which a call may be made."""

    resource: str
    context: Context


def worlds(call: Call, *, documents: Sequence[Document], names: Sequence[str] = ()) -> list[World]:
    """Return the worlds that differ in what the documents look at, at most as many as the limit says.

    Args:
        call: The call.
        documents: The policies.
        names: Further names that the bucket or queue may have.
    """
    text = json.dumps(documents).lower()
    known, open_ = KNOWN, OPEN
    if call.action == "sts:AssumeRoot":
        known = {**KNOWN, **KNOWN_OF_OPENER}
        for key in ("aws:AssumedRoot", *OPEN_OF_OPENER):
            known.pop(key, None)
        open_ = {**OPEN, **OPEN_OF_OPENER, "aws:SourceVpc": (None,), "aws:SourceVpce": (None,)}
        open_["aws:SourceIp"] = OPEN["aws:SourceIp"][1:]
    options = {key: values for key, values in open_.items() if key.lower() in text}
    if call.service in ("iam", "sts"):
        options.pop("aws:ResourceTag/team", None)
    if call.service == "s3":
        options["s3:TlsVersion"] = TLS_VERSIONS
    options["aws:RequestedRegion"] = REGIONS if call.region is None else (call.region,)
    found = [
        World(resource=resource, context=_context(known, options, values))
        for values in itertools.product(*options.values())
        for resource in _resources(call, names)
    ]
    if len(found) > MAX_WORLDS:
        found = random.Random(len(text)).sample(found, MAX_WORLDS)
    return found


def _context(
    known: Context, options: dict[str, tuple[str | None, ...]], values: tuple[str | None, ...]
) -> Context:
    chosen = {key: value for key, value in zip(options, values, strict=True) if value is not None}
    return {**known, **chosen}


def _resources(call: Call, names: Sequence[str]) -> Iterator[str]:
    if call.resource is None:
        yield "*"
        return
    arn, partition, service, region, account_id, name = call.resource.parts
    for each_region in REGIONS if region is None else (region,):
        for each_name in (*NAMES, *names) if name is None else (name,):
            yield f"{arn}:{partition}:{service}:{each_region}:{account_id}:{each_name}"


class Oracle:
    """The other evaluator, in a process of Node."""

    def __init__(self) -> None:
        node = shutil.which("node", path=os.pathsep.join([sysconfig.get_path("scripts"), os.defpath]))
        assert node is not None
        self._process = subprocess.Popen(
            [node, "oracle.mjs"], cwd=DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def decisions(
        self,
        call: Call,
        asked: Sequence[World],
        *,
        service_control: Sequence[Sequence[Document]],
        resource_control: Sequence[Sequence[Document]] = (),
    ) -> set[Decision]:
        """Return what comes out in the worlds.

        Raises:
            ValueError: The oracle cannot evaluate it.
        """
        question = {
            "account": ACCOUNT_ID,
            "action": call.action,
            "serviceControl": service_control,
            "resourceControl": resource_control,
            "requests": [{"resource": world.resource, "context": world.context} for world in asked],
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # As one line: a pipe takes no more than 64 KB while its other end is not read.
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answers = json.loads(self._process.stdout.readline())
        if errors := [answer for answer in answers if answer not in _DECISIONS]:
            raise ValueError(errors[0])
        return {_DECISIONS[answer] for answer in answers}


def is_installed() -> bool:
    """Return whether `npm ci` has installed the oracle."""
    return (DIRECTORY / "node_modules" / "@cloud-copilot" / "iam-simulate").is_dir()

"""Exit codes, and failures as sentences that say what failed and what to do."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import IO, Any

import click

from common.untrusted import printable

from .terminal import JSON


class ExitCode(IntEnum):
    """The exit code of a command, for scripts."""

    AS_WANTED = 0
    NOT_AS_WANTED = 1
    NO_RESULT = 2
    INTERRUPTED = 130


class CommandError(click.ClickException):
    """A command has no result. The message is shown, escaped."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr."""
        click.echo(printable(self.message), file=file, err=True)


class RunNotFoundError(CommandError):
    """No state machine has an execution of this name."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id}. `runs` lists the latest runs.")


class NoDeploymentError(CommandError):
    """There is no RootTasks where the command looks."""


class NoReportError(CommandError):
    """A report cannot be read."""


class InterruptedRunError(click.Abort):
    """A person interrupted a command whose execution may continue; it says how to look at it."""


_SIGN_IN = "Sign in again, for example with `aws sso login`, or use another --profile."
_KEYS = (
    "Use credentials that are valid (--profile), in a Region that is enabled for them (--region)."
)
# AWS has one code for a wrong key and for a time too far from its own.
_CLOCK = (
    "Set this machine's clock; if it is right, use other credentials, for example with --profile."
)
# Advice, by AWS's code without "Exception", or by the name of the SDK's exception.
_ADVICE = {
    "NoCredentialsError": "Use --profile, or sign in, for example with `aws sso login`.",
    "PartialCredentialsError": "Use --profile, or set all of the credentials' environment "
    "variables.",
    "CredentialRetrievalError": "Run the profile's credential process by hand to see why.",
    "ProfileNotFound": "`aws configure list-profiles` lists the profiles of this machine.",
    "NoRegionError": "Use --region.",
    "InvalidRegionError": "Use --region with a Region such as us-east-1.",
    "EndpointConnectionError": "Check --region, the network and the endpoint of the profile.",
    "SSLError": "AWS_CA_BUNDLE, or the profile's ca_bundle, must name a file with the authority "
    "of AWS's certificate, or of the one that a proxy has instead.",
    "ProxyConnectionError": "HTTPS_PROXY must name a proxy that can be reached. If that is "
    "https://, AWS_CA_BUNDLE, or the profile's ca_bundle, must name a file with the authority of "
    "its certificate.",
    "ExpiredToken": _SIGN_IN,
    "SSOTokenLoadError": _SIGN_IN,
    "TokenRetrievalError": _SIGN_IN,
    # The SDK raises it for a damaged file.
    "KeyError": f"A file in ~/.aws/sso/cache or ~/.aws/cli/cache may be damaged. {_SIGN_IN}",
    "Forbidden": _SIGN_IN,
    "InvalidClientTokenId": _KEYS,
    "UnrecognizedClient": _KEYS,
    "SignatureDoesNotMatch": _CLOCK,
    "InvalidSignature": _CLOCK,
    "RequestExpired": _CLOCK,
    "InvalidAccessKeyId": _KEYS,
}
_GRANTS = {
    "states:StartExecution": "grant_plan or grant_execute",
    "states:StopExecution": "grant_stop",
    "states:DescribeExecution": "grant_read_reports",
    "states:GetExecutionHistory": "grant_read_reports",
    "states:ListMapRuns": "grant_read_reports",
    # The executions of a state machine for `runs`, and of its batches for a run that ended without
    # a report.
    "states:ListExecutions": "grant_plan, grant_execute (`runs`), grant_read_reports or "
    "grant_stop (a run)",
    "s3:GetObject": "grant_read_reports",
    "s3:ListBucket": "grant_read_reports",
}
# What a refusal says of the input of an execution, in the order in which it is replaced.
_OPTIONS = {
    '"accounts": ["all"]': "--account all",
    ', and either "policyOverride" or "backup"': "",
    '"accounts"': "--account",
    '"organizationalUnits"': "--organizational-unit",
    '"exclude"': "--exclude",
    '"unusedForDays"': "--unused-for-days",
    '"includeInUse"': "--include-in-use",
    '"until"': "--until",
    '"queues"': "--queue",
    '"policyOverride"': "--policy",
    '"reason"': "--reason",
}
_SDK_PACKAGES = frozenset({"boto3", "botocore", "urllib3"})


def error_sentence(error: Exception) -> str:
    """Return what failed, and what to do, as sentences for a person."""
    # Imported here: most commands have no failure, and need not wait for these.
    from aws_calls.failures import CallError, FailureKind
    from common.errors import RootAccessError
    from root_access.root_access_errors import (
        NotInAnOrganizationError,
        NotTheManagementAccountError,
    )
    from root_tasks.refusals import RunRefusedError

    # A sentence of the command line.
    if isinstance(error, click.ClickException):
        return error.format_message()
    # A response of AWS.
    if isinstance(error, CallError) and error.failure.kind is FailureKind.ACCESS_DENIED:
        return f"{error} {_how_to_allow(error.failure.operation)}"
    if isinstance(error, CallError):
        return _with_advice(str(error), error.failure.name)
    # A sentence of the functions, some of which mean something else on this machine.
    if isinstance(error, NotTheManagementAccountError):
        return (
            f"These credentials are of account {error.account_id}. Use credentials of the "
            f"management account {error.management_account_id} of organization "
            f"{error.organization_id}."
        )
    if isinstance(error, NotInAnOrganizationError):
        return (
            f"Account {error.account_id} is not a member of an organization. Use credentials of "
            "an organization's management account (--profile)."
        )
    if isinstance(error, RunRefusedError):
        return _in_options(str(error))
    if isinstance(error, RootAccessError):
        return str(error)
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if any(_SDK_PACKAGES.intersection(Path(frame.filename).parts) for frame in frames):
        # The SDK raises any error that it meets: a missing credential process, a damaged cache, a
        # bad URL.
        return _with_advice(f"The SDK could not call AWS: {name}: {error}", name)
    if isinstance(error, OSError):
        return f"{name}: {error}"
    raised_by = frames[-1]
    return (
        f"An error that this release does not expect: {name} in "
        f"{Path(raised_by.filename).name}:{raised_by.lineno}. Please report it."
    )


@contextmanager
def failures_as(what: str, *, starts_run: bool = False) -> Iterator[None]:
    """Turn any failure into one sentence, which stdout gets as JSON with --format json.

    Args:
        what: What could not be done, such as "Unable to audit".
        starts_run: Whether it ends with the end of a run, which says itself that it continues.

    Raises:
        CommandError: It failed.
        InterruptedRunError: A person interrupted the command before the run was started.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        if not starts_run:
            raise
        raise InterruptedRunError("Nothing was started.") from error
    # Wrong usage, Ctrl-C and a closed pipe end a command, but are no failure of what it does.
    except (click.UsageError, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as error:
        message = f"{what}: {error_sentence(error)}"
        if click.get_current_context().params.get("format_") == JSON:
            # If stdout cannot be written, stderr still says what happened.
            with suppress(OSError):
                click.echo(json.dumps({"error": message}))
        raise CommandError(message) from error


def _in_options(refusal: str) -> str:
    """Return the refusal of an input with the options of the command that asked for it."""
    for in_input, option in _OPTIONS.items():
        refusal = refusal.replace(in_input, option)
    return refusal


def _how_to_allow(operation: str) -> str:
    """Return how to allow a call: the grant of RootTasks, if there is one, and the statement."""
    statement = json.dumps({"Effect": "Allow", "Action": operation, "Resource": "*"})
    grant = (
        f"RootTasks.{_GRANTS[operation]} allows it, or"
        if operation in _GRANTS
        else "What allows it is"
    )
    return (
        f"{grant} the statement {statement} in a policy of these credentials, if no other policy "
        "denies it."
    )


def _with_advice(failure: str, code: str) -> str:
    """Return what failed with the advice for AWS's code or the SDK's exception, if there is one."""
    return f"{failure.removesuffix('.')}. {_ADVICE.get(code, '')}".rstrip()

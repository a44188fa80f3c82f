"""What an execution that was stopped had done in each account, by what its batches have stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from root_tasks.aws.bucket import Bucket
from root_tasks.model.codec import decode
from root_tasks.model.report import Outcome
from root_tasks.model.run import BatchResult, Run
from root_tasks.tasks import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from root_tasks.tasks.definition import ActionWords

    from .aws import Caller
    from .deployment import Deployment

_KEY = re.compile(r".*/(?P<batch>[0-9]{5})(?:\.claim|-[0-9a-f]{64}(?P<result>\.json))")


@dataclass(frozen=True, kw_only=True)
class StoppedRun:
    """What an execution had done when it was stopped.

    Attributes:
        outcomes: The outcome of each account whose batch had started. It is unknown where the batch has no
            result: its function goes on.
        names: The names of the accounts. Somebody else chose them.
        not_started: The accounts whose batch had not started.
        words: What it does, in words.
    """

    outcomes: Mapping[str, Outcome]
    names: Mapping[str, str]
    not_started: tuple[str, ...]
    words: ActionWords


def read_stopped_run(caller: Caller, deployment: Deployment, folder: str) -> StoppedRun | None:
    """Return what an execution had done; None where no batch had started.

    Args:
        caller: The caller.
        deployment: The deployment.
        folder: Its folder in the bucket.

    Raises:
        CallError: It cannot be read.
        DecodingError: What is stored is damaged.
    """
    budget = caller.budget()
    s3 = caller.client("s3")
    bucket = Bucket(s3=s3, name=deployment.bucket, account_id=deployment.account_id, budget=budget)
    # A batch's claim before its result.
    keys = sorted(bucket.keys(f"{folder}/results/"), key=lambda key: key.endswith(".json"))
    if not keys:
        return None
    run = decode(Run, bucket.read(f"{folder}/run.json"))
    outcomes: dict[str, Outcome] = {}
    for key in keys:
        match = _KEY.fullmatch(key)
        if match is None or int(match["batch"]) >= len(run.batches):
            continue
        own = dict.fromkeys(run.batches[int(match["batch"])], Outcome.UNKNOWN)
        if match["result"]:
            findings = decode(BatchResult, bucket.read(key)).findings
            own |= {finding.account_id: finding.outcome for finding in findings if finding.account_id in own}
        outcomes |= own
    return StoppedRun(
        outcomes=outcomes,
        names={account.account_id: account.name or "" for account in run.accounts},
        not_started=tuple(id_ for batch in run.batches for id_ in batch if id_ not in outcomes),
        words=DEFINITIONS[run.task].words_of(run.action),
    )

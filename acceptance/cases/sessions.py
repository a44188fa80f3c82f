"""The cases of who may open a root session in which account, and when."""

from __future__ import annotations

from functools import partial

from acceptance.callers import AUDIT, UNLOCK_BUCKET, UNLOCK_QUEUE
from acceptance.cases._build import (
    DENIED,
    EVERYTHING,
    REGISTERED,
    SESSION,
    TRUSTED_ACCESS,
    WITH_CREDENTIALS,
    assume_root,
    case,
    refusal,
    succeeds,
)
from acceptance.model import DELEGATE, MANAGEMENT, MEMBER, Level, Source

_open = partial(assume_root, Level.FEATURE, MEMBER)
_CHANGED = (
    ("RootCredentialsManagement", "Root credentials management", AUDIT),
    ("RootSessions", "Root sessions", UNLOCK_BUCKET),
)
CASES = (
    [
        _open(name)(
            f"a delegated administrator may start {name}",
            SESSION,
            given=(*EVERYTHING, REGISTERED),
            caller=DELEGATE,
            source=Source.ASSUMED,
        )
        for name in (UNLOCK_BUCKET, UNLOCK_QUEUE)
    ]
    + [
        assume_root(Level.FEATURE, f"arn:aws:iam::{MEMBER}:root", AUDIT)(
            "the ARN of a root user is a valid target principal", SESSION, given=WITH_CREDENTIALS
        ),
        _open(AUDIT)(
            "a plain member account cannot open a root session in another one",
            DENIED,
            given=WITH_CREDENTIALS,
            caller=DELEGATE,
            source=Source.ASSUMED,
        ),
        assume_root(Level.FEATURE, MANAGEMENT, AUDIT)(
            "a delegated administrator cannot open a root session in the management account",
            DENIED,
            given=(*EVERYTHING, REGISTERED),
            caller=DELEGATE,
            source=Source.ASSUMED,
        ),
    ]
    + [
        _open(name)(
            f"after {feature} is disabled {name} is denied",
            refusal("AccessDenied", f"{words} feature is not enabled for your AWS Organization."),
            given=(*EVERYTHING, f"{feature} disabled"),
            source=Source.ASSUMED,
            measures=f"time until disabling {feature} is effective",
        )
        for feature, words, name in _CHANGED
    ]
    + [
        _open(name)(
            f"after {feature} is enabled {name} works",
            SESSION,
            given=(TRUSTED_ACCESS, f"{feature} disabled", f"{feature} enabled"),
            source=Source.ASSUMED,
            measures=f"time until enabling {feature} is effective",
        )
        for feature, _, name in _CHANGED
    ]
    + [
        case(
            "measurement:AssumeRoot",
            "AssumeRoot is throttled at no rate that an audit needs",
            succeeds({"throttledAt": "{any}", "notThrottledAt": "{any}"}),
            given=WITH_CREDENTIALS,
            level=Level.FEATURE,
            source=Source.ASSUMED,
            measures="calls of AssumeRoot a second",
            TargetPrincipal=MEMBER,
        ),
    ]
)

"""Centralized root access for an AWS organization, as CDK constructs.

Each name is loaded when it is first used: code that needs no CDK starts no Node.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._cdk import imports_of_cdk
from .enums import CredentialType, RootAccessFeature, RootTask

if TYPE_CHECKING:
    from .accepted_root_credentials import AcceptedCredentials
    from .drift_check import DriftCheck
    from .root_access import CentralizedRootAccess
    from .root_access_dashboard import RootAccessDashboard
    from .root_session_guardrail import RootSessionGuardrail
    from .root_tasks import RootTasks
    from .root_use_alarm import RootUseAlarm
    from .root_user_guardrail import RootUserGuardrail

__all__ = [
    "AcceptedCredentials",
    "CentralizedRootAccess",
    "CredentialType",
    "DriftCheck",
    "RootAccessDashboard",
    "RootAccessFeature",
    "RootSessionGuardrail",
    "RootTask",
    "RootTasks",
    "RootUseAlarm",
    "RootUserGuardrail",
]

_LAZY = {
    "AcceptedCredentials": ".accepted_root_credentials",
    "CentralizedRootAccess": ".root_access",
    "DriftCheck": ".drift_check",
    "RootAccessDashboard": ".root_access_dashboard",
    "RootSessionGuardrail": ".root_session_guardrail",
    "RootTasks": ".root_tasks",
    "RootUseAlarm": ".root_use_alarm",
    "RootUserGuardrail": ".root_user_guardrail",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        with imports_of_cdk(name):
            module = import_module(_LAZY[name], __name__)
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

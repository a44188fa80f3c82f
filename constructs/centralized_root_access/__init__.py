"""Centralized root access for an AWS organization, as CDK constructs.

Each name is loaded when it is first used: code that needs no CDK starts no Node.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base.enums import CredentialType, RootAccessFeature, RootTask

if TYPE_CHECKING:
    from .guardrails.root_session_guardrail import RootSessionGuardrail
    from .guardrails.root_user_guardrail import RootUserGuardrail
    from .monitoring.root_access_dashboard import RootAccessDashboard
    from .monitoring.root_use_alarm import RootUseAlarm
    from .plain_template_synthesizer import PlainTemplateSynthesizer
    from .root_access.drift_check import DriftCheck
    from .root_access.root_access import CentralizedRootAccess
    from .root_tasks.accepted_root_credentials import AcceptedCredentials
    from .root_tasks.root_tasks import RootTasks

__all__ = [
    "AcceptedCredentials",
    "CentralizedRootAccess",
    "CredentialType",
    "DriftCheck",
    "PlainTemplateSynthesizer",
    "RootAccessDashboard",
    "RootAccessFeature",
    "RootSessionGuardrail",
    "RootTask",
    "RootTasks",
    "RootUseAlarm",
    "RootUserGuardrail",
]

_MODULES = {
    "AcceptedCredentials": ".root_tasks.accepted_root_credentials",
    "CentralizedRootAccess": ".root_access.root_access",
    "DriftCheck": ".root_access.drift_check",
    "PlainTemplateSynthesizer": ".plain_template_synthesizer",
    "RootAccessDashboard": ".monitoring.root_access_dashboard",
    "RootSessionGuardrail": ".guardrails.root_session_guardrail",
    "RootTasks": ".root_tasks.root_tasks",
    "RootUseAlarm": ".monitoring.root_use_alarm",
    "RootUserGuardrail": ".guardrails.root_user_guardrail",
}


def __getattr__(name: str) -> object:
    """Return a construct, whose module is imported when the name is first used.

    Python calls this for a name that the module does not have yet.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(_MODULES[name], __name__)
    except ModuleNotFoundError as error:
        # Any other module that is missing is a defect of this package.
        if error.name not in ("aws_cdk", "constructs"):
            raise
        raise ImportError(
            f"{name} needs the CDK. Install it with the extra cdk from where you installed this "
            'package, for example: pip install "$HOME/centralized-root-access[cdk]"',
            name=error.name,
        ) from None
    return getattr(module, name)

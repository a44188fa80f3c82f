"""All exceptions of the functions, and the base of those that are meant for people.

The sentence of a RootAccessError is for people, in CloudFormation, Step Functions or a terminal::

    RootAccessError                             common.errors
        CallError                               aws_calls.failures
            StartFailedError                    root_tasks.refusals
        NotPublishedError                       aws_calls.notices
        SettingsError                           common.function_settings
        CheckFailedError                        root_access.drift.repair
        ConvergenceError                        root_access.root_access_errors
        NotAllFeaturesError                     root_access.root_access_errors
        NotInAnOrganizationError                root_access.root_access_errors
        NotTheManagementAccountError            root_access.root_access_errors
        InvalidValueError                       root_access.state
        ChecksumMismatchError                   root_tasks.aws.stores
        WriteContentionError                    root_tasks.aws.stores
        DecodingError                           root_tasks.model.codec
        RunRefusedError                         root_tasks.refusals
        BatchClaimedError                       root_tasks.run.batch
        OutdatedRunError                        root_tasks.run.finish

The others are for the code that catches them::

    FieldError                                  common.typed_json
    NoRootSessionError                          root_tasks.aws.session_clients
    NotComparableError                          root_tasks.report.changes
    ResponseNotDeliveredError                   root_access.handler
    _DeploymentError                            root_access.drift.repair
"""

from __future__ import annotations

from typing import ClassVar


class RootAccessError(Exception):
    """A failure whose sentence says what failed, in which account, and what to do.

    Subclasses keep their data as attributes and derive the sentence from it.
    """

    is_for_people: ClassVar[bool] = True
    """True if it has a sentence: the custom resource's entry point, which imports nothing, asks."""

"""The patch that puts the emulation in front of moto."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import moto.core.errors
import moto.iam.models
import moto.iam.urls
import moto.organizations.urls
import moto.sts.urls
from moto.core.responses import BaseResponse
from moto.organizations.models import FakeDelegatedAdministrator, FakeServiceAccess
from moto.s3.responses import S3Response
from moto.securityhub.models import SecurityHubBackend
from moto.sqs.responses import SQSResponse

from .accounts import ACCESS_KEY_PATTERN, account_id_from
from .errors import COMMON_ERROR_CODES
from .iam import EmulatedIamResponse
from .organizations import EmulatedOrganizationsResponse
from .other_services import authorize_in_s3, import_findings, respond_in_sqs
from .records import IAM_SERVICE_PRINCIPAL
from .state import reset_moto
from .sts import EmulatedStsResponse

_ROOT_PATH = "{0}/$"
_RESPONSES = (
    (moto.iam.urls, EmulatedIamResponse),
    (moto.organizations.urls, EmulatedOrganizationsResponse),
    (moto.sts.urls, EmulatedStsResponse),
)


@contextmanager
def extend_moto() -> Iterator[None]:
    """Extend the moto of this process; at the end undo that and delete all data.

    Raises:
        RuntimeError: If it is extended already. moto has one set of backends for each process, so
            two organizations would share their state.
    """
    if IAM_SERVICE_PRINCIPAL in FakeServiceAccess.TRUSTED_SERVICES:
        raise RuntimeError("An emulated organization exists in this process already.")
    with ExitStack() as patches:
        for urls, response in _RESPONSES:
            patches.enter_context(patch.dict(urls.url_paths, {_ROOT_PATH: response.dispatch}))
        for service, attribute in (
            (FakeServiceAccess, "TRUSTED_SERVICES"),
            (FakeDelegatedAdministrator, "SUPPORTED_SERVICES"),
        ):
            principals = [*getattr(service, attribute), IAM_SERVICE_PRINCIPAL]
            patches.enter_context(patch.object(service, attribute, principals))
        for owner, attribute, value in (
            (BaseResponse, "access_key_regex", ACCESS_KEY_PATTERN),
            (moto.iam.models, "get_account_id_from", account_id_from),
            (S3Response, "_authenticate_and_authorize_s3_action", authorize_in_s3),
            (SQSResponse, "call_action", respond_in_sqs),
            (SecurityHubBackend, "batch_import_findings", import_findings),
            (
                moto.core.errors,
                "COMMON_ERROR_CODES",
                [*moto.core.errors.COMMON_ERROR_CODES, *COMMON_ERROR_CODES],
            ),
        ):
            patches.enter_context(patch.object(owner, attribute, value))
        patches.callback(reset_moto)
        yield

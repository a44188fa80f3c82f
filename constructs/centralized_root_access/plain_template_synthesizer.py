"""A synthesizer of plain CloudFormation templates, for pipelines that cannot run the CDK."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from aws_cdk import (
    Aws,
    BootstraplessSynthesizer,
    CfnParameter,
    FileAssetLocation,
    FileAssetPackaging,
    Fn,
    Stack,
    Stage,
)

_BUCKET, _PREFIX = "CodeBucket", "CodePrefix"
# The oldest time that a zip file can have: the same files give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16


class PlainTemplateSynthesizer(BootstraplessSynthesizer):
    """Synthesizes plain CloudFormation templates, which are deployed without the CDK.

    Terraform, StackSets or a service catalog can deploy them, and no account is bootstrapped. The
    functions' code is in a bucket of yours, which the template's parameters name: ``CodeBucket``,
    and ``CodePrefix``, which the keys begin with. At synth each function's code becomes a zip file
    beside the template. Upload the zip files to the bucket before you deploy the template.

    Give it to a stack as ``synthesizer``, or to an app as ``default_stack_synthesizer``. Set no
    account and Region of the stack, and one template is for all of them.

    Example::

        stack = Stack(app, "RootAccess", synthesizer=PlainTemplateSynthesizer())

    Raises:
        RuntimeError: At synth, if a stack has an asset that is not a folder, such as a Docker image
            or a nested stack.
    """

    def reusable_bind(self, stack: Stack) -> PlainTemplateSynthesizer:
        """Return the synthesizer of one stack; the CDK calls this.

        Args:
            stack: The stack.
        """
        # The CDK's own copy of the synthesizer would not call the methods of this class.
        synthesizer = PlainTemplateSynthesizer()
        synthesizer.bind(stack)
        return synthesizer

    def add_file_asset(
        self,
        *,
        source_hash: str,
        deploy_time: bool | None = None,  # noqa: ARG002
        display_name: str | None = None,  # noqa: ARG002
        executable: Sequence[str] | None = None,  # noqa: ARG002
        file_name: str | None = None,
        packaging: FileAssetPackaging | None = None,
    ) -> FileAssetLocation:
        """Write the zip file of a function's code, and return its place; the CDK calls this.

        Args:
            source_hash: The hash of the code.
            deploy_time: Not used.
            display_name: Not used.
            executable: Not used.
            file_name: The folder that has the code, in the assembly.
            packaging: Whether it is a folder.
        """
        if file_name is None or packaging is not FileAssetPackaging.ZIP_DIRECTORY:
            raise ValueError(
                f"The asset {file_name} is not a folder. A plain template has only assets that are "
                "folders, such as the code of a function, and no nested stack."
            )
        stack = self._bound_stack
        folder = Path(cast("Stage", Stage.of(stack)).outdir)
        archive = f"{source_hash}.zip"
        _write_archive(folder / file_name, folder / archive)
        # The functions of a stack share the parameters.
        if stack.node.try_find_child(_BUCKET) is None:
            _add_parameters(stack)
        bucket = Fn.ref(_BUCKET)
        # By the code's hash: CloudFormation updates a function whose key changes, and no other.
        key = f"{Fn.ref(_PREFIX)}{archive}"
        return FileAssetLocation(
            bucket_name=bucket,
            object_key=key,
            http_url=f"https://s3.{Aws.REGION}.{Aws.URL_SUFFIX}/{bucket}/{key}",
            s3_object_url=f"s3://{bucket}/{key}",
        )


def _add_parameters(stack: Stack) -> None:
    """Add the parameters that say where the zip files are."""
    CfnParameter(
        stack,
        _BUCKET,
        description="The S3 bucket that has the functions' zip files, in the stack's Region.",
        allowed_pattern="[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        constraint_description="must be the name of an S3 bucket.",
    )
    CfnParameter(
        stack,
        _PREFIX,
        description="What the keys of the zip files begin with, such as releases/0.1.0/.",
        default="",
        allowed_pattern="([A-Za-z0-9!_.*'()-]+/)*",
        constraint_description="must be empty, or end with a slash, such as releases/0.1.0/.",
    )


def _write_archive(source: Path, archive: Path) -> None:
    """Write the zip file of a folder: the same files give the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(source).as_posix(), _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE_BY_ALL
            written.writestr(entry, file.read_bytes())

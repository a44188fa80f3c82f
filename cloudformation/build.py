"""Turn a cloud assembly into a template and zip files, as `aws cloudformation package` takes them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The oldest time that a zip file can have: the same files give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16
_BOOTSTRAP = "BootstrapVersion"


class UnsupportedAssemblyError(Exception):
    """The assembly has something that a single template with zip files cannot express."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """What was written.

    Attributes:
        template: The template.
        archives: The functions' zip files, next to it.
    """

    template: Path
    archives: tuple[Path, ...]


def build_package(*, assembly: Path, stack: str | None, output: Path) -> Package:
    """Write the template of a stack, and a zip file for each function's code.

    Args:
        assembly: The folder that the app was synthesized into.
        stack: The stack's artifact id; may be `None` if the assembly has one stack.
        output: The folder to write to; created if it does not exist.

    Raises:
        UnsupportedAssemblyError: The assembly has several stacks and none is named, or an asset that is not
            the code of a function.
    """
    name = _stack_name(assembly, stack)
    template = json.loads((assembly / f"{name}.template.json").read_text())
    assets = json.loads((assembly / f"{name}.assets.json").read_text())["files"]
    output.mkdir(parents=True, exist_ok=True)
    archives = []
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            source = _code(assets, properties["Code"], logical_id)
            # By the asset's hash: functions with the same code share a file.
            archive = output / f"function-{source['path'].removeprefix('asset.')[:12]}.zip"
            if archive not in archives:
                _write_archive(assembly / source["path"], archive)
                archives.append(archive)
            properties["Code"] = archive.name
        # The path of the asset in the assembly, which is not here, and the construct's path.
        resource.pop("Metadata", None)
        if any(asset in json.dumps(resource) for asset in assets):
            raise UnsupportedAssemblyError(
                f"{logical_id} uses a file of the app in another way than as the code of a function."
            )
    # What only the CDK's own deployment needs.
    template.get("Parameters", {}).pop(_BOOTSTRAP, None)
    template.get("Rules", {}).pop("CheckBootstrapVersion", None)
    written = output / f"{name}.template.json"
    sections = {key: value for key, value in template.items() if value}
    written.write_text(json.dumps(sections, indent=2) + "\n")
    return Package(template=written, archives=tuple(archives))


def _stack_name(assembly: Path, stack: str | None) -> str:
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    stacks = [name for name, it in artifacts.items() if it["type"] == "aws:cloudformation:stack"]
    if stack is None and len(stacks) == 1:
        return str(stacks[0])
    if stack not in stacks:
        raise UnsupportedAssemblyError(
            f"Name one of the app's stacks with --stack: {', '.join(sorted(stacks))}."
        )
    return str(stack)


def _code(assets: Mapping[str, Any], code: Mapping[str, Any], logical_id: str) -> Mapping[str, Any]:
    """Return the source of a function's code among the stack's assets."""
    asset_hash = str(code.get("S3Key", "")).removesuffix(".zip")
    if asset_hash not in assets:
        raise UnsupportedAssemblyError(f"The code of {logical_id} is not an asset of the app: {code}.")
    source: Mapping[str, Any] = assets[asset_hash]["source"]
    return source


def _write_archive(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for file in sorted(it for it in folder.rglob("*") if it.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE_BY_ALL
            written.writestr(entry, file.read_bytes())

"""Turn a cloud assembly into a template and zip files, as `aws cloudformation package` takes them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, MutableMapping

# The oldest time that a zip file can have: the same files give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16
_BOOTSTRAP = "BootstrapVersion"
# The paths of assets in the assembly, which is not here, and the constructs' paths.
_CDK_METADATA = ("aws:asset:", "aws:cdk:")


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


@dataclass(frozen=True, kw_only=True)
class _Stack:
    """A stack of the assembly, or of an assembly in it.

    Attributes:
        artifact: The artifact's id, which begins the names of the stack's files.
        path: The path of the stack in the app, such as `Stage/Stack`.
        folder: The folder of the assembly that has the stack's files.
        template: The template.
    """

    artifact: str
    path: str
    folder: Path
    template: Path


def build_package(*, assembly: Path, stack: str | None, output: Path) -> Package:
    """Write the template of a stack, and a zip file for each function's code.

    Args:
        assembly: The folder that the app was synthesized into.
        stack: The stack's path in the app or its artifact id; may be `None` if the app has one stack.
        output: The folder to write to; created if it does not exist.

    Raises:
        UnsupportedAssemblyError: The folder has no assembly, or several stacks and none is named; or the
            stack needs a lookup, its synthesizer lists no assets, or an asset is not the code of a function.
    """
    source = _find_stack(assembly, stack)
    _refuse_missing_context(source)
    template = json.loads(source.template.read_text())
    files, images = _assets(source)
    output.mkdir(parents=True, exist_ok=True)
    archives = []
    for logical_id, resource in template.get("Resources", {}).items():
        _remove_cdk_metadata(resource)
        code = code_asset(resource, files)
        if code is not None:
            # By the asset's hash: functions with the same code share a file.
            archive = output / f"function-{code[:12]}.zip"
            if archive not in archives:
                write_archive(source.folder / files[code]["source"]["path"], archive)
                archives.append(archive)
            resource["Properties"]["Code"] = archive.name
        if any(asset in json.dumps(resource) for asset in (*files, *images)):
            raise UnsupportedAssemblyError(
                f"{logical_id} ({resource['Type']}) uses a file or an image of the app in another way than "
                "as the code of a function, which the template cannot express. Move it to another stack, or "
                "deploy this stack with the CDK."
            )
    # What only the CDK's own deployment needs.
    template.get("Parameters", {}).pop(_BOOTSTRAP, None)
    template.get("Rules", {}).pop("CheckBootstrapVersion", None)
    written = output / source.template.name
    sections = {key: value for key, value in template.items() if value}
    written.write_text(json.dumps(sections, indent=2) + "\n")
    return Package(template=written, archives=tuple(archives))


def _find_stack(assembly: Path, name: str | None) -> _Stack:
    if not (assembly / "manifest.json").exists():
        raise UnsupportedAssemblyError(
            f"The app wrote no cloud assembly into {assembly}. End the app with `app.synth()`, and give its "
            "App no `outdir`."
        )
    stacks = list(_stacks(assembly))
    if not stacks:
        raise UnsupportedAssemblyError("The app has no stack. Add the stack that the template is for.")
    found = [stack for stack in stacks if name is None or name in (stack.path, stack.artifact)]
    if len(found) == 1:
        return found[0]
    reason = "The app has several stacks" if name is None else f"The app has no stack {name}"
    paths = ", ".join(sorted(stack.path for stack in stacks))
    raise UnsupportedAssemblyError(f"{reason}. Name one of the app's stacks with --stack: {paths}.")


def _stacks(assembly: Path) -> Iterator[_Stack]:
    """Yield the stacks of an assembly and, for each stage, of the assembly in it."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    for name, artifact in artifacts.items():
        if artifact["type"] == "cdk:cloud-assembly":
            yield from _stacks(assembly / artifact["properties"]["directoryName"])
        elif artifact["type"] == "aws:cloudformation:stack":
            yield _Stack(
                artifact=name,
                path=artifact.get("displayName", name),
                folder=assembly,
                template=assembly / artifact["properties"]["templateFile"],
            )


def _refuse_missing_context(stack: _Stack) -> None:
    """Raise if the stack has the CDK's dummy values instead of values that the CDK CLI looks up."""
    missing = json.loads((stack.folder / "manifest.json").read_text()).get("missing", ())
    if missing:
        keys = ", ".join(sorted(value["key"] for value in missing))
        raise UnsupportedAssemblyError(
            f"The stack {stack.path} needs values that only the CDK CLI looks up in the account: {keys}. "
            "Run `cdk synth` once, in the same folder: it writes them into cdk.context.json."
        )


def _assets(stack: _Stack) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the files and the container images of a stack, by their hashes."""
    listed = stack.folder / f"{stack.artifact}.assets.json"
    if not listed.exists():
        raise UnsupportedAssemblyError(
            f"The stack {stack.path} has no list of its assets. LegacyStackSynthesizer and "
            "BootstraplessSynthesizer write none: give the stack a DefaultStackSynthesizer."
        )
    assets = json.loads(listed.read_text())
    return assets.get("files", {}), assets.get("dockerImages", {})


def _remove_cdk_metadata(resource: MutableMapping[str, Any]) -> None:
    metadata = resource.pop("Metadata", {})
    kept = {name: value for name, value in metadata.items() if not name.startswith(_CDK_METADATA)}
    if kept:
        resource["Metadata"] = kept


def code_asset(resource: Mapping[str, Any], files: Container[str]) -> str | None:
    """Return the hash of the asset that is a function's code; `None` for inline code and other resources."""
    if resource["Type"] != "AWS::Lambda::Function":
        return None
    key = resource["Properties"]["Code"].get("S3Key")
    # A synthesizer may have a prefix for the keys in its bucket.
    asset = PurePosixPath(key).stem if isinstance(key, str) else None
    return asset if asset in files else None


def write_archive(source: Path, archive: Path) -> None:
    """Write the zip file of an asset: the same files give the same bytes.

    Args:
        source: The folder, or a zip file or a jar.
        archive: The file to write.
    """
    if source.is_file():
        # The app has a zip file or a jar already.
        archive.write_bytes(source.read_bytes())
        return
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(source).as_posix(), _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE_BY_ALL
            written.writestr(entry, file.read_bytes())

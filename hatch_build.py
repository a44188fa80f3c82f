"""At a build, make the readme of the package index: parts of README.md, with absolute links."""

import re
import sys
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PART = re.compile(r"<!-- begin pypi -->\n(.*?)<!-- end pypi -->\n", re.DOTALL)
# A link within the repository.
_LINK = re.compile(r"(?<=\]\()(?!https?://)")


class ReadmeHook(MetadataHookInterface):
    """Sets the readme, which is the metadata's only dynamic field."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the readme to the metadata, unless the Python is too old.

        The pip of macOS and of Ubuntu 22.04 would first try older versions of all dependencies, for
        minutes or hours.
        """
        if sys.version_info < (3, 11):  # noqa: UP036
            sys.exit(f"This needs Python 3.11 or newer, and {sys.executable} is older.")
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        files = f"{metadata['urls']['Source']}/blob/v{metadata['version']}/"
        text = _LINK.sub(files, "\n".join(_PART.findall(readme)))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

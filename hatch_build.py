"""At a build, make the readme of the package index: parts of README.md, with absolute links."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PART = re.compile(r"<!-- begin pypi -->\n(.*?)<!-- end pypi -->\n", re.DOTALL)
# A link within the repository.
_LINK = re.compile(r"(?<=\]\()(?!https?://)")


class ReadmeHook(MetadataHookInterface):
    """Sets the readme, which is the metadata's only dynamic field."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the readme to the metadata."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        files = f"{metadata['urls']['Source']}/blob/v{metadata['version']}/"
        text = _LINK.sub(files, "\n".join(_PART.findall(readme)))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

"""Say what to install where the CDK is missing: the command line is installed without it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def imports_of_cdk(name: str) -> Iterator[None]:
    """Raise an ImportError that says what to install, if the CDK is missing.

    Args:
        name: What needs the CDK.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("aws_cdk", "constructs"):
            raise
        message = f"{name} needs the CDK: install centralized-root-access with its extra cdk"
        raise ImportError(message, name=error.name) from None

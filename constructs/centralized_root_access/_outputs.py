"""The stack outputs of the constructs: their keys begin with the id of the construct."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aws_cdk import CfnOutput

if TYPE_CHECKING:
    from constructs import Construct


def add_output(scope: Construct, name: str, *, description: str, value: str) -> None:
    """Add an output to the stack under the key ``<id><name>``, without the characters that a key cannot have.

    Args:
        scope: The construct whose id the key begins with.
        name: The end of the key.
        description: The output's description.
        value: The output's value.
    """
    output = CfnOutput(scope, name, description=description, value=value)
    output.override_logical_id(re.sub(r"[^A-Za-z0-9]", "", scope.node.id) + name)

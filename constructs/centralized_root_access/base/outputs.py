"""The stack outputs of the constructs: their keys begin with the id of the construct."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack

if TYPE_CHECKING:
    from constructs import Construct


def add_output(scope: Construct, name: str, *, description: str, value: str) -> None:
    """Add an output to the stack under the key ``<id><name>``.

    ``<id>`` is without characters other than letters and digits, which a key cannot have.

    Args:
        scope: The construct whose id the key begins with.
        name: The end of the key.
        description: The output's description.
        value: The output's value.
    """
    # In the stack, where keys are unique: the CDK refuses a second one.
    key = re.sub(r"[^A-Za-z0-9]", "", scope.node.id) + name
    CfnOutput(Stack.of(scope), key, description=description, value=value)

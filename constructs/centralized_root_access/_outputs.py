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

    Raises:
        ValueError: The stack has an output of this key already.
    """
    stack = Stack.of(scope)
    key = re.sub(r"[^A-Za-z0-9]", "", scope.node.id) + name
    if stack.node.try_find_child(key):
        raise ValueError(
            f"{scope.node.path} needs an output with the key {key}, and {stack.node.path} has a construct "
            "with this id already. A key is made of the construct's id alone, without characters other than "
            "letters and digits. Give one of the two another id."
        )
    # In the stack, where keys are unique: otherwise the CDK finds two equal ones when it writes the template,
    # and does not say whose they are.
    CfnOutput(stack, key, description=description, value=value)

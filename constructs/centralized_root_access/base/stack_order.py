"""The order in which a stack changes the organization, which refuses changes at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Stack
from constructs import Construct, DependencyGroup

if TYPE_CHECKING:
    from constructs import IConstruct


class StackOrder(Construct):
    """The order in which a stack changes the organization, which refuses changes at the same time.

    Attributes:
        first: What comes before the policies.
        last_policy: The last policy that was added.
    """

    _ID = "CentralizedRootAccess order"

    def __init__(self, stack: Stack) -> None:
        """Create the order as a construct of the stack, in which :meth:`of` finds it."""
        super().__init__(stack, self._ID)
        # The CentralizedRootAccess of the stack adds itself here, before or after the policies.
        self.first = DependencyGroup()
        self.last_policy: IConstruct | None = None

    @classmethod
    def of(cls, construct: IConstruct) -> StackOrder:
        """Return the order of a construct's stack."""
        stack = Stack.of(construct)
        # The first construct that asks for it creates it; the others find it in the stack.
        return cast("StackOrder | None", stack.node.try_find_child(cls._ID)) or cls(stack)

    def add_policy(self, policy: IConstruct) -> None:
        """Let a policy be created after the ones before."""
        # Organizations answers ConcurrentModificationException to changes at the same time.
        policy.node.add_dependency(self.first)
        if self.last_policy is not None:
            policy.node.add_dependency(self.last_policy)
        self.last_policy = policy

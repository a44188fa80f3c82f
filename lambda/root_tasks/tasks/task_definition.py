"""The definition of a root task, and the means that it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from root_access.state import Feature

from ..aws.sessions import RootSession
from ..model.report_schema import Outcome, Task
from ..model.run_documents import CredentialSelection, Finding, Target
from .request import Request
from .task_input import TaskInput


@dataclass(frozen=True, kw_only=True)
class AccountTask:
    """A task in one member account.

    Attributes:
        session: The root session in the account.
        targets: What to plan or to execute; empty where the task finds out by itself.
        credentials: Which credentials a plan may list.
        back_up: Stores the policy of a target, and returns the backup's reference.
    """

    session: RootSession
    targets: tuple[Target, ...]
    credentials: CredentialSelection
    back_up: Callable[[Target, str], str]


@dataclass(frozen=True, kw_only=True)
class TaskWords:
    """A task in the words of its reports. Tasks with different effects never share a sentence.

    Attributes:
        title: The title of a report.
        planned: What is to happen to what a plan lists, such as "to be deleted".
        done: What has happened to it, such as "deleted".
        warning: A sentence to read before the task is executed.
    """

    title: str
    planned: str = Outcome.PLANNED.words
    done: str = Outcome.DONE.words
    warning: str = ""

    def outcome(self, outcome: Outcome) -> str:
        """Return an outcome in the words of the task: PLANNED may be "to be deleted"."""
        return {Outcome.PLANNED: self.planned, Outcome.DONE: self.done}.get(outcome, outcome.words)


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """Everything that distinguishes a root task from the others.

    Attributes:
        words: What it does, in words.
        setting_words: What it does in words if it sets a policy; None if it cannot.
        feature: The feature of centralized root access that its sessions need.
        input_keys: The keys that its input may have, besides "task" and those of every input.
        parse: Returns what an input asks for; raises RunRefusedError. It decides whether the
            accounts have to be named.
        plan: Reads an account and changes nothing. Of a task that makes changes, the finding has
            the targets of the plan.
        execute: Changes the targets of the plan, and nothing else; None for a read-only task.
        plans_in_sessions_of: The task whose policy the sessions of a plan have, which can change
            nothing; None if AWS has no such policy, and a plan needs the task's own.
    """

    words: TaskWords
    setting_words: TaskWords | None = None
    feature: Feature
    input_keys: tuple[str, ...]
    parse: Callable[[TaskInput], Request]
    plan: Callable[[AccountTask], Finding]
    execute: Callable[[AccountTask], Finding] | None = None
    plans_in_sessions_of: Task | None = None

    @property
    def makes_changes(self) -> bool:
        """True if the task makes changes, and so needs a plan."""
        return self.execute is not None

    @property
    def changes_policies(self) -> bool:
        """True if it removes and sets the policies of resources."""
        # Only such a task can also set a policy, and has words for that.
        return self.setting_words is not None

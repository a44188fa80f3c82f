"""A state machine's definition as Step Functions runs it, with the steps that this project uses."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Takes the resource of a task as the definition has it, such as a function's ARN, and the payload;
# returns the result.
Invoke = Callable[[str, Any], Any]

_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")
_MISSING = object()


@dataclass(eq=False)
class ExecutionFailedError(Exception):
    """A task that failed, or an execution that ended in a Fail state.

    Attributes:
        error: The error's name.
        cause: Its cause.
    """

    error: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class StateMachine:
    """A state machine.

    Attributes:
        definition: Its definition.
        invoke: Does the work of a task.
    """

    definition: Mapping[str, Any]
    invoke: Invoke

    def run(self, input_: object, *, execution: Mapping[str, str]) -> Any:
        """Run an execution, and return its output.

        Args:
            input_: The execution's input.
            execution: Id, Name and StartTime, as the context object has them.
        """
        context = {"Execution": {**execution, "Input": input_}}
        return self._run(self.definition, json.loads(json.dumps(input_)), context)

    def _run(self, definition: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> Any:
        name = definition["StartAt"]
        while name:
            state = definition["States"][name]
            match state["Type"]:
                case "Task":
                    name, data = self._run_task(state, data, context)
                    continue
                case "Choice":
                    name = _choice(state, data)
                    continue
                case "Map":
                    data = _with_result(state, data, self._run_map(state, data, context))
                case "Pass":
                    data = _with_result(state, data, state["Result"]) if "Result" in state else data
                case "Succeed":
                    return data
                case "Fail":
                    raise _failure(state, data, context)
                case unsupported:
                    raise ValueError(f"{unsupported} is not supported")
            name = state.get("Next")
        return data

    def _run_task(
        self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]
    ) -> tuple[str | None, Any]:
        """Return the next state, and its input."""
        try:
            result = self._attempts(state, data, context)
        except Exception as error:
            if "Catch" not in state:
                raise
            (catcher,) = state["Catch"]
            assert catcher["ErrorEquals"] == ["States.ALL"]
            return catcher["Next"], _with_result(catcher, data, _error_output(error))
        return state.get("Next"), _with_result(state, data, result)

    def _attempts(self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> Any:
        """Return the result of the first attempt that succeeds, or that no retrier repeats."""
        retries: Counter[int] = Counter()
        while True:
            try:
                return self._attempt(state, data, context)
            except Exception as error:
                number = _retrier(state, error)
                if number is None or retries[number] == state["Retry"][number]["MaxAttempts"]:
                    raise
                retries[number] += 1

    def _attempt(self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> Any:
        payload = evaluate(state["Parameters"], data, context) if "Parameters" in state else data
        return self.invoke(state["Resource"], payload)

    def _run_map(
        self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]
    ) -> list[Any]:
        assert "ItemReader" not in state
        results = []
        for index, item in enumerate(_value(state["ItemsPath"], data, context)):
            own = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
            results.append(
                self._run(state["ItemProcessor"], evaluate(state["ItemSelector"], data, own), own)
            )
        return results


def _retrier(state: Mapping[str, Any], error: Exception) -> int | None:
    """Return the number of the first retrier that an error matches."""
    for number, retrier in enumerate(state.get("Retry", ())):
        if not {"States.ALL", _error_output(error)["Error"]}.isdisjoint(retrier["ErrorEquals"]):
            return number
    return None


def _failure(
    state: Mapping[str, Any], data: Any, context: Mapping[str, Any]
) -> ExecutionFailedError:
    path = state.get("CausePath")
    return ExecutionFailedError(
        state["Error"], _value(path, data, context) if path else state["Cause"]
    )


def _with_result(state: Mapping[str, Any], data: Any, result: Any) -> Any:
    path = state.get("ResultPath", "$")
    if path is None:
        return data
    if path == "$":
        return result
    root, name = path.split(".")
    assert root == "$"
    return {**data, name: result}


def evaluate(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """Return a payload: each key that ends in ".$" is read from the state's input or the context object."""
    if not isinstance(template, Mapping):
        return template
    return {
        key.removesuffix(".$"): (
            _value(value, data, context) if key.endswith(".$") else evaluate(value, data, context)
        )
        for key, value in template.items()
    }


def _value(path: str, data: Any, context: Mapping[str, Any]) -> Any:
    """Return the value of a path."""
    found = _find(path, data, context)
    if found is _MISSING:
        raise LookupError(f"{path} is missing")
    return found


def _find(path: str, data: Any, context: Mapping[str, Any]) -> Any:
    root = re.match(r"\$\$?", path)
    assert root, f"{path} is not a path"
    value = {"$": data, "$$": context}[root[0]]
    steps = list(_STEP.finditer(path, root.end()))
    assert root[0] + "".join(step[0] for step in steps) == path, f"{path} is not supported"
    for step in steps:
        key: Any = step["name"] if step["index"] is None else int(step["index"])
        try:
            value = value[key]
        except LookupError:
            return _MISSING
    return value


def _error_output(error: Exception) -> dict[str, str]:
    if isinstance(error, ExecutionFailedError):
        return {"Error": error.error, "Cause": error.cause}
    return {"Error": type(error).__name__, "Cause": str(error)}


def _choice(state: Mapping[str, Any], data: Any) -> str:
    for choice in state["Choices"]:
        if _holds(choice, data):
            return str(choice["Next"])
    return str(state["Default"])


def _holds(condition: Mapping[str, Any], data: Any) -> bool:
    if "Or" in condition:
        return any(_holds(part, data) for part in condition["Or"])
    if "IsPresent" in condition:
        return bool(condition["IsPresent"]) == (
            _find(condition["Variable"], data, {}) is not _MISSING
        )
    (operator,) = condition.keys() & {"StringEquals", "BooleanEquals"}
    return bool(_value(condition["Variable"], data, {}) == condition[operator])

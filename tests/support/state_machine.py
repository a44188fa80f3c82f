"""A state machine's definition as Step Functions runs it, with the steps that this project uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Takes the function's ARN as the definition has it, and the payload; returns the function's result.
Invoke = Callable[[str, Any], Any]


class ExecutionFailedError(Exception):
    """An execution that ended in a Fail state.

    Attributes:
        error: The state's error.
        cause: The state's cause.
    """

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


@dataclass(frozen=True, kw_only=True)
class StateMachine:
    """A state machine.

    Attributes:
        definition: Its definition.
        invoke: Invokes a function.
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
            name = state.get("Next")
            match state["Type"]:
                case "Task":
                    payload = evaluate(state["Parameters"], data, context) if "Parameters" in state else data
                    try:
                        data = self.invoke(state["Resource"], payload)
                    except Exception:
                        if "Catch" not in state:
                            raise
                        (catcher,) = state["Catch"]
                        assert catcher["ErrorEquals"] == ["States.ALL"]
                        name = catcher["Next"]
                case "Choice":
                    name = _choice(state, data)
                case "Map":
                    data = _with_result(state, data, self._run_map(state, data, context))
                case "Pass":
                    data = _with_result(state, data, state["Result"])
                case "Succeed":
                    return data
                case "Fail":
                    raise ExecutionFailedError(state["Error"], _value(state["CausePath"], data, context))
                case unsupported:
                    raise ValueError(f"{unsupported} is not supported")
        return data

    def _run_map(self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> list[Any]:
        assert "ItemReader" not in state
        results = []
        for index, item in enumerate(_value(state["ItemsPath"], data, context)):
            own = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
            results.append(self._run(state["ItemProcessor"], evaluate(state["ItemSelector"], data, own), own))
        return results


def _with_result(state: Mapping[str, Any], data: Any, result: Any) -> Any:
    path = state.get("ResultPath", "$")
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
    root, *names = path.split(".")
    value = {"$": data, "$$": context}[root]
    for name in names:
        value = value[name]
    return value


def _choice(state: Mapping[str, Any], data: Any) -> str:
    for choice in state["Choices"]:
        if any(_holds(condition, data) for condition in choice.get("Or", [choice])):
            return str(choice["Next"])
    return str(state["Default"])


def _holds(condition: Mapping[str, Any], data: Any) -> bool:
    path = condition["Variable"]
    if "IsPresent" in condition:
        path, _, index = path.removesuffix("]").partition("[")
        return bool(condition["IsPresent"]) == (len(_value(path, data, {})) > int(index))
    value = _value(path, data, {})
    (operator,) = condition.keys() & {"StringEquals", "BooleanEquals"}
    return bool(value == condition[operator])
